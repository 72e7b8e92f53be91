"""The token endpoint issues bearer tokens to service accounts, and tokens expire."""

from typing import Any

import pytest
import requests

from pipelines.simulator import Behavior, Fault, Organization, Provider, Server, Sizes, generate
from tests.support.simulator_client import serving

FORM = {"grant_type": "client_credentials", "scope": "api"}


def ask(server: Server, **request: Any) -> Any:  # noqa: ANN401
    return requests.post(f"{server.base_url}/oauth2/token", timeout=10, **request)


def token(server: Server, holder: Organization | Provider) -> str:
    answer = ask(server, data=FORM, auth=(holder.client_id, holder.client_secret))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def read(server: Server, bearer: str) -> int:
    headers = {"Authorization": f"Bearer {bearer}"}
    return requests.get(
        f"{server.base_url}/api/systems", headers=headers, timeout=10, allow_redirects=False
    ).status_code


@pytest.fixture
def organization() -> Organization:
    return generate(1, Sizes.empty())


@pytest.mark.parametrize("by_body", [False, True])
def test_service_account_token_reads_the_organization(
    organization: Organization, *, by_body: bool
) -> None:
    account = (organization.client_id, organization.client_secret)
    with Server(organization) as server:
        own = {"client_id": account[0], "client_secret": account[1]} if by_body else {}
        answer = ask(server, data=FORM | own, auth=None if by_body else account)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        document = answer.json()
        assert set(document) == {"access_token", "token_type", "expires_in", "scope"}
        assert (document["token_type"], document["expires_in"]) == ("bearer", 3600)
        assert server.tokens == {document["access_token"]}
        assert read(server, document["access_token"]) == 200
        assert read(server, "of-nobody") == 401
        assert server.writes == []
        shown = repr(server.calls)
        assert not [secret for secret in (*account, *server.tokens) if secret in shown]


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"auth": ("nobody", "wrong")}, 401, "invalid_client"),
        ({"headers": {"Authorization": "Basic ???"}, "auth": None}, 401, "invalid_client"),
        ({"auth": None}, 401, "invalid_client"),
        ({"data": FORM | {"scope": "everything"}}, 400, "invalid_scope"),
        ({"data": FORM | {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"data": None, "json": FORM}, 400, "invalid_request"),
    ],
)
def test_invalid_token_request_is_refused(
    change: dict[str, Any], status: int, error: str, organization: Organization
) -> None:
    with Server(organization) as server:
        given = {"data": FORM, "auth": (organization.client_id, organization.client_secret)}
        answer = ask(server, **given | change)
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert server.tokens == set()
        url = f"{server.base_url}/oauth2/token"
        assert requests.get(url, timeout=10).status_code == 405


def test_token_is_valid_for_its_lifetime(organization: Organization) -> None:
    now = 0.0
    behavior = Behavior(token_seconds=60, clock=lambda: now)
    with Server(organization, behavior=behavior) as server:
        bearer = token(server, organization)
        now = 59.9
        assert read(server, bearer) == 200
        now = 60.0
        assert read(server, bearer) == 401
        assert read(server, token(server, organization)) == 200


def test_token_can_end_early(organization: Organization) -> None:
    with Server(organization, behavior=Behavior(tokens_end_at={3})) as server:
        bearer = token(server, organization)
        assert read(server, bearer) == 200
        assert read(server, bearer) == 401
        assert read(server, token(server, organization)) == 200


def test_keys_and_tokens_of_another_region_are_unknown(organization: Organization) -> None:
    with Server(organization) as here, Server(generate(2, Sizes.empty())) as elsewhere:
        assert read(elsewhere, token(here, organization)) == 401
        answer = ask(elsewhere, data=FORM, auth=(organization.client_id, "simsecret"))
        assert answer.status_code == 401


@pytest.mark.parametrize("status", [401, 429, 502])
def test_token_endpoint_fails_on_demand(status: int, organization: Organization) -> None:
    fault = Fault("/oauth2/token", "status", status=status, times=1)
    account = (organization.client_id, organization.client_secret)
    with Server(organization, behavior=Behavior(faults=[fault])) as server:
        assert ask(server, data=FORM, auth=account).status_code == status
        assert ask(server, data=FORM, auth=account).status_code == 200


def provided(*, behavior: Behavior | None = None, number: int = 3) -> Any:  # noqa: ANN401
    provider = Provider(*(generate(seed, Sizes(systems=seed)) for seed in range(1, number + 1)))
    return provider, serving(provider, behavior)


def test_provider_key_lists_organizations_in_pages() -> None:
    provider, served = provided(number=13)
    with served as api:
        wanted = sorted(org.id for org in provider.organizations)
        first = api.get("/api/organizations", sort="_id", fields="displayName").json()
        assert first["totalCount"] == 13
        assert [row["_id"] for row in first["results"]] == wanted[:10]
        rest = api.rows("/api/organizations", sort="_id", skip=10, limit=100)
        assert rest == [
            org.record()
            for org_id in wanted[10:]
            for org in provider.organizations
            if org.id == org_id
        ]
        assert api.get("/api/organizations", skip=-1).status_code == 400
        assert api.get("/api/organizations", {"x-org-id": wanted[0]}).status_code == 403
        gone = provider.organizations.pop()
        assert gone.id not in {row["_id"] for row in api.rows("/api/organizations", limit=100)}
        assert api.get("/api/systems", {"x-org-id": gone.id}).status_code == 404


def test_provider_key_reads_the_named_organization() -> None:
    provider, served = provided()
    with served as api:
        for org in provider.organizations:
            rows = api.get("/api/systems", {"x-org-id": org.id}).json()["results"]
            assert {row["organization"] for row in rows} == {org.id}
        answer = api.get("/api/systems")
        assert answer.status_code == 401
        assert answer.json() == {"message": "Unauthorized: no organization selected"}
        stranger = generate(9, Sizes.empty())
        status = [
            api.get("/api/systems", {"x-org-id": org_id}).status_code
            for org_id in (stranger.id, "no")
        ]
        assert status == [404, 400]
        bearer = token(api.server, provider)
        headers = {"Authorization": f"Bearer {bearer}", "x-org-id": provider.organizations[1].id}
        url = f"{api.server.base_url}/api/systems"
        assert requests.get(url, headers=headers, timeout=10).json()["totalCount"] == 2


def test_default_organization_answers_every_request() -> None:
    provider, served = provided(behavior=Behavior(default_organization=True))
    with served as api:
        first, second, _ = provider.organizations
        for headers in ({}, {"x-org-id": second.id}):
            rows = api.get("/api/systems", headers).json()["results"]
            assert {row["organization"] for row in rows} == {first.id}


def test_denied_role_cannot_list_organizations() -> None:
    _, served = provided(behavior=Behavior(denied={"organizations"}))
    with served as api:
        assert api.get("/api/organizations").status_code == 403


def test_service_account_may_be_denied_what_a_key_reads(organization: Organization) -> None:
    behavior = Behavior(denied_to_service_accounts={"systems"}, single_organization=True)
    with serving(organization, behavior) as api:
        assert read(api.server, token(api.server, organization)) == 403
        assert api.get("/api/systems").status_code == 200
        assert api.get("/api/organizations").json()["_id"] == organization.id
