"""The endpoints agree with JumpCloud's specification."""

import pytest

from pipelines.jumpcloud.endpoints import ENDPOINTS, Endpoint
from tests.support.console_api import SCOPES


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_scope_is_the_least_that_every_call_accepts(endpoint: Endpoint) -> None:
    calls = {f"GET {endpoint.path}"}
    calls |= {f"GET {endpoint.record_path}"} if endpoint.record_path else set()
    calls |= {f"POST {endpoint.search_path}"} if endpoint.search_path else set()
    for call in calls:
        read_only = {scope for scope in SCOPES[call] if scope.endswith(".readonly")}
        assert endpoint.scope == max(read_only, key=len), call
