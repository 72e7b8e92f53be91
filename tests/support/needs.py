"""Skip conditions for programs that a machine may not have."""

import pytest

from tests.support.cluster.services import ARE_INSTALLED

NEEDS_SERVICES = pytest.mark.skipif(
    not ARE_INSTALLED,
    reason="needs PostgreSQL and Redis: apt-get install postgresql redis-server",
)
