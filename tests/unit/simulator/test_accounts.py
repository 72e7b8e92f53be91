"""A service account is limited to the scopes of its role, which two lists show."""

from typing import Any

import pytest

from pipelines.simulator import Organization, Sizes, generate
from pipelines.simulator.api.accounts import SCOPES
from tests.support.console_api import SCOPES as SPECIFIED
from tests.support.simulator_client import Api, serving

SMALL = Sizes(systems=2, users=2, system_groups=1, applications=1)


def test_scopes_are_those_of_the_specification() -> None:
    assert {call: frozenset(scopes.split()) for call, scopes in SCOPES.items()} == SPECIFIED


def ask(api: Api, org: Organization, path: str, **params: Any) -> int:  # noqa: ANN401
    return int(api.get(path, {"x-api-key": org.account.api_key}, **params).status_code)


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("associations.groups.readonly", 200),
        ("associations.groups", 200),
        ("associations.readonly", 200),
        ("associations", 200),
        ("associations.users.readonly", 403),
        ("groups.readonly", 403),
        ("groups", 403),
    ],
)
def test_role_without_the_scope_is_refused(scope: str, status: int) -> None:
    org = generate(1, SMALL)
    org.account.scopes = {scope}
    path = f"/api/v2/systemgroups/{next(iter(org.system_groups))}/associations"
    with serving(org) as api:
        assert ask(api, org, path, targets="user") == status
        assert api.get(path, targets="user").status_code == 200


def test_every_list_needs_a_scope() -> None:
    org = generate(1, SMALL)
    ids = {name: next(iter(getattr(org, name))) for name in ("system_groups", "applications")}
    org.account.scopes = set()
    with serving(org) as api:
        for call in SCOPES:
            method, _, path = call.partition(" ")
            record_id = ids["applications" if "applications" in path else "system_groups"]
            if method == "GET":
                assert ask(api, org, path.format(id=record_id), targets="user") == 403


def test_accounts_show_credentials_where_they_do() -> None:
    org = generate(1, SMALL)
    org.account.others = 2
    path = "/api/v2/service-accounts"
    with serving(org) as api:
        for shown, in_list, in_record in (
            ("lists", True, True),
            ("records", False, True),
            ("never", False, False),
        ):
            org.account.shown = shown  # type: ignore[assignment]
            rows = api.rows(path, limit=100)
            assert [row["name"] for row in rows] == ["other-0", "other-1", "inventory"]
            assert all(("authConfigList" in row) == in_list for row in rows)
            record = api.get(f"{path}/{rows[-1]['objectId']}").json()["serviceAccount"]
            assert ("authConfigList" in record) == in_record
            assert org.account.api_key not in str(record)
        assert api.rows(path, limit=1, skip=1)[0]["name"] == "other-1"
        assert api.get(f"{path}/{org.id}").status_code == 404
