"""What Debian's packages bring, and a new machine may lack."""

import pytest

from benchmarks.cluster.services import ARE_INSTALLED

NEEDS_SERVICES = pytest.mark.skipif(
    not ARE_INSTALLED,
    reason="needs PostgreSQL and Redis: apt-get install postgresql redis-server",
)
