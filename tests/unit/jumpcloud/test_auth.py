"""A service account reads as a key does; its tokens are renewed in time, and its failures named."""

import json
from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from pipelines.config.credentials import ServiceAccount, load_credentials
from pipelines.config.integration import Integration
from pipelines.extract.pull import pull_organization
from pipelines.jumpcloud.auth import MARGIN_SECONDS, ServiceAccountAuth
from pipelines.jumpcloud.errors import (
    ExtractError,
    MalformedError,
    TemporaryError,
    TokenError,
    UnauthorizedError,
)
from pipelines.jumpcloud.exchanges import Exchanges
from pipelines.jumpcloud.retry import MAX_TRIES
from pipelines.jumpcloud.transport import Network, read_only_session
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.ratelimit.saved_rates import key_fingerprint
from pipelines.schema.tables import INVENTORY_TABLES
from pipelines.schema.views import VIEWS
from pipelines.simulator import Behavior, Fault, Organization, Server, Sizes, generate
from tests.oracle import expected_tables
from tests.support.cli import SERVICE_ACCOUNT
from tests.support.publisher import Publisher, Pulled

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
TOKEN = "/oauth2/token"
CLIENT_ID, CLIENT_SECRET = SERVICE_ACCOUNT.values()


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=SMALL)


def statuses(server: Server, *, of_tokens: bool) -> list[int]:
    return [call.status for call in server.calls if (call.path == TOKEN) is of_tokens]


def test_service_account_publishes_expected_tables(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate()
    pulled = pull(organization, **SERVICE_ACCOUNT)
    publisher.publish(pulled)
    expected = expected_tables(organization)
    for each in (*INVENTORY_TABLES, *VIEWS):
        assert publisher.table(each.name) == expected[each.name], each.name
    assert statuses(pulled.server, of_tokens=True) == [200]
    assert pulled.server.writes == []


@pytest.mark.parametrize(
    ("in_flight", "ends"),
    [(1, range(5, 1000, 5)), (8, [20])],
    ids=["often", "with calls under way"],
)
def test_early_expired_token_is_renewed(
    in_flight: int, ends: Container[int], organization: Organization, pull: Callable[..., Pulled]
) -> None:
    behavior = Behavior(tokens_end_at=ends)
    pulled = pull(organization, behavior, max_in_flight=in_flight, **SERVICE_ACCOUNT)
    expected = expected_tables(organization)
    for name in pulled.tables:
        assert pulled.rows(name) == expected[name]
    refused = statuses(pulled.server, of_tokens=False).count(401)
    assert 0 < refused <= len(pulled.server.tokens) * in_flight
    assert len(pulled.server.tokens) > 1


def test_token_is_renewed_before_expiry(organization: Organization) -> None:
    now = 0.0
    behavior = Behavior(token_seconds=3600, clock=lambda: now)
    with Server(organization, behavior=behavior) as server:
        auth = auth_for(server, organization, clock=lambda: now)
        with read_only_session(server.base_url, auth, connections=1) as session:
            for now in (0.0, 3600 - MARGIN_SECONDS - 1, 3600 - MARGIN_SECONDS, 7000.0, 8000.0):  # noqa: B007 -- read by both clocks
                assert session.get(f"{server.base_url}/api/systems", timeout=5).ok
        assert statuses(server, of_tokens=True) == [200] * 3
        assert statuses(server, of_tokens=False) == [200] * 5


@pytest.mark.parametrize("seconds", [10**400, float("nan"), "60", -1])
def test_odd_lifetime_of_a_token_is_ignored(
    seconds: object, monkeypatch: pytest.MonkeyPatch, organization: Organization
) -> None:
    content = json.dumps({"access_token": "unknown", "expires_in": seconds}).encode()
    monkeypatch.setattr("pipelines.simulator.api.tokens.encode", lambda _: content)
    with Server(organization) as server:
        auth = auth_for(server, organization)
        with read_only_session(server.base_url, auth, connections=1) as session:
            assert session.get(f"{server.base_url}/api/systems", timeout=5).status_code == 401


def test_concurrent_calls_share_one_token(organization: Organization) -> None:
    with Server(organization, behavior=Behavior(latency_seconds=0.01)) as server:
        auth = auth_for(server, organization)
        with (
            read_only_session(server.base_url, auth, connections=8) as session,
            ThreadPoolExecutor(8) as pool,
        ):
            url = f"{server.base_url}/api/systems"
            answers = list(pool.map(lambda _: session.get(url, timeout=5).status_code, range(24)))
        assert answers == [200] * 24
        assert statuses(server, of_tokens=True) == [200]


def auth_for(
    server: Server, organization: Organization, **options: Callable[[], float]
) -> ServiceAccountAuth:
    account = ServiceAccount(organization.client_id, organization.client_secret, source="A and B")
    return ServiceAccountAuth(
        account, f"{server.base_url}{TOKEN}", Network(), Exchanges(), **options
    )


def test_secret_and_token_are_hidden(organization: Organization) -> None:
    with Server(organization) as server:
        auth = auth_for(server, organization)
        with read_only_session(server.base_url, auth, connections=1) as session:
            response = session.get(f"{server.base_url}/api/systems", timeout=5)
            shown = f"{session.__dict__!r} {session.auth!r} {response.__dict__!r} {response.url}"
            shown += repr(load_credentials(_settings(server), _environment(organization)))
            (token,) = server.tokens
        assert token not in shown
        assert organization.client_secret not in shown
        assert organization.client_id not in shown


def _settings(server: Server) -> Integration:
    return Integration.model_validate(
        {"name": "acme", "base_url": server.base_url, **SERVICE_ACCOUNT}
    )


def _environment(organization: Organization) -> dict[str, str]:
    return {CLIENT_ID: organization.client_id, CLIENT_SECRET: organization.client_secret}


def assert_clean(error: BaseException, organization: Organization, server: Server) -> None:
    """Neither the error nor what travels along with it holds a secret."""
    secrets = {organization.client_id, organization.client_secret, *server.tokens}
    assert not [secret for secret in secrets if secret in repr(error)]
    # The library's error holds the request, and so the secret.
    assert not isinstance(error.__context__, requests.RequestException)


def test_wrong_secret_names_variables_not_values(
    organization: Organization,
    serve: Callable[..., Server],
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(organization)
    monkeypatch.setenv(CLIENT_SECRET, "jumpcloud-secret-of-last-year")
    words = f"refused the service account .401.*check {CLIENT_ID} and {CLIENT_SECRET}, and the reg"
    with pytest.raises(TokenError, match=words) as caught:
        pull_organization(_settings(server), state)
    assert "last-year" not in repr(caught.value)
    assert_clean(caught.value, organization, server)
    assert statuses(server, of_tokens=False) == []


def test_rejected_token_raises_unauthorized(
    organization: Organization, serve: Callable[..., Server], state: Path
) -> None:
    server = serve(organization, Behavior(tokens_end_at=range(1000)))
    with pytest.raises(UnauthorizedError, match="refused the token of the service account") as e:
        pull_organization(_settings(server), state)
    assert_clean(e.value, organization, server)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault(TOKEN, "status", status=502), TemporaryError, "token: JumpCloud failed with"),
        (Fault(TOKEN, "reset"), TemporaryError, "token: cannot be reached"),
        (Fault(TOKEN, "truncated"), TemporaryError, "token: the response was truncated"),
        (Fault(TOKEN, "html200"), TemporaryError, "token: the response is not JSON"),
        (Fault(TOKEN, "not_found"), TokenError, "token: not found"),
        (Fault(TOKEN, "redirect"), TokenError, "token: refused with status 302"),
        (Fault(TOKEN, "deep_json"), MalformedError, "token: the response is nested too deep"),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else None,
)
def test_dead_token_endpoint_ends_pull_and_is_named(
    fault: Fault,
    error: type[ExtractError],
    words: str,
    organization: Organization,
    serve: Callable[..., Server],
    state: Path,
) -> None:
    server = serve(organization, Behavior(faults=[fault]))
    get_rate_limiter(load_credentials(_settings(server)).identity, 1000.0, None)
    with pytest.raises(error, match=words) as caught:
        pull_organization(_settings(server), state)
    assert_clean(caught.value, organization, server)
    assert fault.fired <= MAX_TRIES * 10  # the lists that are asked for first
    assert statuses(server, of_tokens=False) == []


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("status", [429, 502])
def test_token_endpoint_failures_are_retried(
    status: int, organization: Organization, pull: Callable[..., Pulled]
) -> None:
    fault = Fault(TOKEN, "status", status=status, times=2, headers={"retry-after": "0"})
    behavior = Behavior(faults=[fault], tokens_end_at={20})
    pulled = pull(organization, behavior, **SERVICE_ACCOUNT)
    assert pulled.rows("systems") == expected_tables(organization)["systems"]
    assert fault.fired == 2


def test_missing_token_endpoint_is_not_a_missing_list(
    organization: Organization, serve: Callable[..., Server], state: Path
) -> None:
    behavior = Behavior(tokens_end_at={15})
    server = serve(organization, behavior)
    behavior.faults = [Fault(TOKEN, "not_found", every=2)]
    get_rate_limiter(load_credentials(_settings(server)).identity, 1000.0, None)
    with pytest.raises(TokenError, match="token: not found"):
        pull_organization(_settings(server), state)
    assert len(server.calls) > 15


@pytest.mark.parametrize("document", [[], {}, {"access_token": "a\r\nb"}, {"access_token": None}])
def test_response_without_valid_token_is_malformed(
    document: object, monkeypatch: pytest.MonkeyPatch, organization: Organization
) -> None:
    monkeypatch.setattr(
        "pipelines.simulator.api.tokens.encode", lambda _: json.dumps(document).encode()
    )
    with Server(organization) as server:
        auth = auth_for(server, organization)
        with (
            read_only_session(server.base_url, auth, connections=1) as session,
            pytest.raises(MalformedError, match="the response has no bearer token"),
        ):
            session.get(f"{server.base_url}/api/systems", timeout=5)


def test_saved_rate_belongs_to_the_account(
    organization: Organization, pull: Callable[..., Pulled], state: Path
) -> None:
    pulled = pull(organization, Behavior(tokens_end_at={20}), **SERVICE_ACCOUNT)
    identity = f"{organization.client_id}:{organization.client_secret}"
    remembered = (state / "rates.json").read_text()
    assert list(json.loads(remembered)) == [key_fingerprint(identity)]
    assert len(pulled.server.tokens) > 1


def test_redirect_does_not_receive_the_secret(organization: Organization) -> None:
    with Server(organization, behavior=Behavior(faults=[Fault(TOKEN, "redirect")])) as server:
        auth = auth_for(server, organization)
        with read_only_session(server.base_url, auth, connections=1) as session:
            with pytest.raises(TokenError, match="check region and base_url"):
                session.get(f"{server.base_url}/api/systems", timeout=5)
            assert requests.codes.found == statuses(server, of_tokens=True)[0]
