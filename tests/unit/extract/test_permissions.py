"""The permissions of a key are those of its service account's role, where JumpCloud shows them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import pytest

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.extract.permissions import Permissions, allowing_scopes, read_permissions
from pipelines.jumpcloud.auth import open_session
from pipelines.jumpcloud.client import JumpCloudClient
from pipelines.jumpcloud.endpoints import ENDPOINTS, Endpoint
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Behavior, Fault, Organization, Server, Sizes, generate
from tests.support.cli import SERVICE_ACCOUNT
from tests.support.console_api import SCOPES

pytestmark = pytest.mark.usefixtures("no_waiting")
# Scopes of other callers: devices, and a former runner of commands.
OTHER_CALLERS = {"associations.self", "commandrunner.legacy", "systems.self"}
ACCOUNTS = "/api/v2/service-accounts"


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_wider_scopes_are_those_of_the_specification(endpoint: Endpoint) -> None:
    assert allowing_scopes(endpoint.scope) == SCOPES[f"GET {endpoint.path}"] - OTHER_CALLERS


@pytest.fixture
def organization() -> Organization:
    return generate(1, Sizes.empty())


@pytest.fixture
def read(
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    organization: Organization,
) -> Callable[..., Permissions]:
    """Return a function that reads the permissions of the service account, or of another key."""

    def run(behavior: Behavior | None = None, key: dict[str, str] = SERVICE_ACCOUNT) -> Permissions:
        server = serve(organization, behavior)
        acme = integration(server, **key)
        credentials = load_credentials(acme)
        limiter = get_rate_limiter(credentials.identity, MAX_SAVED_RATE, None)
        with open_session(acme, credentials) as session:
            client = JumpCloudClient(session, acme.url, limiter)
            client.max_tries = 2
            found = read_permissions(
                client, credentials, {name: one.scope for name, one in ENDPOINTS.items()}
            )
        assert {call.method for call in server.calls if call.path != "/oauth2/token"} <= {"GET"}
        return found

    return run


@pytest.mark.parametrize(
    ("shown", "others", "is_assumed"),
    [("lists", 3, False), ("records", 3, False), ("never", 0, True)],
)
def test_own_account_is_found(
    shown: Literal["lists", "records", "never"],
    others: int,
    is_assumed: bool,  # noqa: FBT001 -- a parameter of the test
    organization: Organization,
    read: Callable[..., Permissions],
) -> None:
    account = organization.account
    account.shown, account.others = shown, others
    account.scopes = account.scopes - {"groups.readonly", "associations.groups.readonly"}
    account.scopes |= {"associations", "commands", "commands.schedule"}
    found = read()
    assert (found.account, found.role, found.unknown) == ("inventory", "Inventory reader", "")
    assert found.is_assumed == is_assumed
    assert found.missing_scopes["groups.readonly"][0] == "systemgroups"
    assert "associations.groups.readonly" not in found.missing_scopes
    assert found.write_scopes == ("associations", "commands", "commands.schedule")
    assert found.secret_expires_at == datetime(2099, 1, 31, 12, tzinfo=UTC)


def test_key_of_a_service_account_is_found(
    organization: Organization, read: Callable[..., Permissions]
) -> None:
    assert read(key={}).unknown == "JumpCloud does not show the role of an administrator's API key"
    organization.api_key = organization.account.api_key
    found = read(key={})
    assert (found.account, found.write_scopes, found.missing_scopes) == ("inventory", (), {})
    assert found.secret_expires_at == datetime(2099, 6, 30, 12, tzinfo=UTC)


def test_hidden_credentials_of_several_leave_it_unknown(
    organization: Organization, read: Callable[..., Permissions]
) -> None:
    organization.account.shown = "never"
    assert "none of the 2 service accounts shows" in read().unknown


@pytest.mark.parametrize(
    ("behavior", "unknown"),
    [
        (Behavior(denied={"roles"}), "service account the scope roles.readonly"),
        (Behavior(denied={"service-accounts"}), "account the scope serviceaccounts.readonly"),
        (Behavior(faults=[Fault(ACCOUNTS, "not_found")]), "not found"),
        (Behavior(faults=[Fault("/roles", "status")]), "failed with status 503"),
        (Behavior(faults=[Fault(ACCOUNTS, "bad_json")]), "not valid JSON"),
        (Behavior(faults=[Fault(ACCOUNTS, "deep_json")]), "nested too deeply"),
    ],
)
def test_failure_leaves_the_scopes_unknown(
    behavior: Behavior, unknown: str, read: Callable[..., Permissions]
) -> None:
    found = read(behavior)
    assert unknown in found.unknown
    assert (found.role, found.write_scopes, found.missing_scopes) == ("", (), {})


@pytest.mark.parametrize("end", ["", "soon", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-08:00"])
def test_unusable_end_of_a_secret_is_unknown(
    end: str, organization: Organization, read: Callable[..., Permissions]
) -> None:
    organization.account.secret_ends_at = end
    assert read().secret_expires_at is None
