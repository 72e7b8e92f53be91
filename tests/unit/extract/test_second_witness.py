"""JumpCloud's report of users and devices: it saves calls, and it is a second witness."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipelines.simulator import Behavior, Fault, Organization, Sizes, generate
from pipelines.simulator.data.records import sudo
from tests.oracle import expected_tables
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Pulled

REPORTS = "/insights/directory/v1/reports"
REQUEST = f"{REPORTS}/users-to-devices"
FRESH = timedelta(hours=2)
STALE = timedelta(hours=13)
UNPAID = Fault("reports$", "status", status=402)
SMALL = Sizes(systems=60, users=40, system_groups=3, user_groups=4, direct_bindings=9)


def read_devices(pulled: Pulled) -> int:
    return pulled.server.calls_by_path()["/api/v2/systems/{id}/associations"]


def assert_tables_match(
    pulled: Pulled, organization: Organization, *, from_devices: bool = False
) -> None:
    expected = expected_tables(organization, from_devices=from_devices, views=False)
    for name in pulled.tables:
        if name != "access_differences":
            assert pulled.rows(name) == expected[name], name


ORGANIZATIONS: dict[str, Callable[[], Organization]] = {
    "company": lambda: generate(sizes=SMALL),
    "empty": lambda: generate(sizes=Sizes.empty()),
    "edge cases": edge_cases,
}


@pytest.mark.parametrize("age", [FRESH, None, STALE], ids=["fresh", "none", "stale"])
@pytest.mark.parametrize("kind", ORGANIZATIONS)
@pytest.mark.usefixtures("no_waiting")
def test_report_gives_the_same_tables(
    kind: str, age: timedelta | None, pull: Callable[..., Pulled]
) -> None:
    organization = ORGANIZATIONS[kind]()
    behavior = Behavior(report_age=age)
    pulled = pull(organization, behavior, direct_bindings="report", request_reports=True)
    assert_tables_match(pulled, organization, from_devices=True)
    assert pulled.pull.differences.num_rows == 0
    assert pulled.pull.report_problem == ""
    calls = pulled.server.calls_by_path()
    direct = {system for to in organization.user_systems.values() for system in to}
    assert read_devices(pulled) <= len(direct)
    assert calls["/api/v2/users/{id}/associations"] == 0
    assert calls[REQUEST] == (0 if age == FRESH else 1)
    assert sum(n for path, n in calls.items() if path.startswith(REPORTS)) <= 20
    assert pulled.server.writes == []


def _refuse(behavior: Behavior) -> None:
    behavior.report_age = FRESH
    behavior.denied = {"insights"}


def _fail(behavior: Behavior, fault: Fault) -> None:
    behavior.report_age = FRESH
    behavior.faults = [fault]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda behavior: setattr(behavior, "report_age", STALE), "request_reports is false"),
        (_refuse, "directoryinsights.readonly"),
        (lambda b: _fail(b, Fault("/content", "bad_json")), "not a JSON array"),
        (
            lambda b: _fail(b, Fault("/content", "html200")),
            "not a JSON array",
        ),
        (
            lambda b: _fail(b, UNPAID),
            "refused with status 402",
        ),
    ],
    ids=["stale", "refused", "cut", "HTML", "no subscription"],
)
def test_unusable_report_is_replaced_by_reading(
    change: Callable[[Behavior], None], problem: str, pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=SMALL)
    behavior = Behavior()
    change(behavior)
    pulled = pull(organization, behavior, direct_bindings="report")
    assert_tables_match(pulled, organization)
    assert problem in pulled.pull.report_problem
    assert pulled.pull.report_at is None
    assert pulled.server.calls_by_path()["/api/v2/users/{id}/associations"] == 40
    assert [
        call for call in pulled.server.calls if call.method == "POST" and "insights" in call.path
    ] == []
    assert not [secret for secret in organization.secrets() if secret in pulled.pull.report_problem]


@pytest.mark.usefixtures("no_waiting")
def test_report_without_json_is_replaced_by_a_new_one(pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    behavior = Behavior(report_age=FRESH, report_formats=("CSV",))
    pulled = pull(organization, behavior, direct_bindings="report", request_reports=True)
    assert pulled.server.calls_by_path()[REQUEST] == 1
    assert (pulled.pull.report_problem, pulled.pull.differences.num_rows) == ("", 0)
    pulled = pull(organization, behavior, direct_bindings="report")
    assert "request_reports is false" in pulled.pull.report_problem


def test_report_names_devices_without_the_lists_to_compare(pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    skipped = {"skip_endpoints": ["usergroups_associations"], "request_reports": True}
    pulled = pull(organization, Behavior(report_age=FRESH), direct_bindings="report", **skipped)
    assert 0 < read_devices(pulled) <= 9
    assert pulled.server.calls_by_path()["/api/v2/users/{id}/associations"] == 0
    assert "did not read usergroups_associations" in pulled.pull.report_problem
    pulled = pull(organization, Behavior(), **skipped)
    assert REPORTS not in pulled.server.calls_by_path()
    assert "did not read usergroups_associations" in pulled.pull.report_problem


@pytest.mark.parametrize("mode", ["report", "read"])
def test_lies_of_a_report_are_differences(mode: str, pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    organization.bind_system(user := organization.add_user(), device := organization.add_system())
    stranger = organization.add_user()
    known = next(iter(organization.system_groups))
    organization.bind(known, "user", member := organization.add_user())
    organization.add_member(known, machine := organization.add_system())
    behavior = Behavior(
        report_age=FRESH,
        false_pairs={(stranger, device, "direct")},
        missing_pairs={(member, machine)},
    )
    pulled = pull(organization, behavior, direct_bindings=mode, request_reports=True)
    assert_tables_match(pulled, organization)
    rows = pulled.rows("access_differences")
    found = {(row["system_id"], row["user_id"], row["witness"]) for row in rows}
    assert found == {(device, stranger, "report"), (machine, member, "pull")}
    assert all(row["report_at"] != row["pulled_at"] and row["user_name"] for row in rows)
    assert pulled.pull.report_at is not None
    assert user


def test_difference_that_is_gone_at_another_reading_is_none(
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SMALL)
    user, other = list(organization.users)[:2]
    organization.bind_system(user, device := organization.add_system())
    behavior = Behavior(report_age=FRESH, false_pairs={(other, device, "direct")})

    def bind(_: int, call: object) -> None:
        if str(vars(call)["path"]).endswith(f"{device}/associations"):
            behavior.on_call = bind_other

    def bind_other(_: int, call: object) -> None:
        if str(vars(call)["path"]).endswith(f"{device}/associations"):
            organization.bind_system(other, device, sudo())

    behavior.on_call = bind
    pulled = pull(organization, behavior, direct_bindings="report")
    assert read_devices(pulled) >= 2
    assert_tables_match(pulled, organization)
    assert pulled.pull.differences.num_rows == 0


STRANGERS = {(f"{n:024x}", f"{n + 50:024x}", "direct") for n in range(5)}


@pytest.mark.parametrize("strangers", [set(), STRANGERS], ids=["empty", "other organization"])
def test_report_that_lacks_most_pairs_limits_nothing(
    strangers: set[tuple[str, str, str]], pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=SMALL)
    pairs = {(user, system) for user in organization.users for system in organization.systems}
    behavior = Behavior(report_age=FRESH, missing_pairs=pairs, false_pairs=strangers)
    pulled = pull(organization, behavior, direct_bindings="report")
    assert_tables_match(pulled, organization)
    assert read_devices(pulled) >= 60
    rows = pulled.rows("access_differences")
    reported = {(row["user_id"], row["system_id"]) for row in rows if row["witness"] == "report"}
    assert reported == {pair[:2] for pair in strangers}
    assert len(rows) > len(strangers)


@pytest.mark.parametrize("limit", ["MAX_WAYS", "MAX_DIFFERENCES"])
def test_large_comparison_is_not_made(
    limit: str, pull: Callable[..., Pulled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"pipelines.extract.second_witness.{limit}", 5)
    organization = generate(sizes=SMALL)
    pairs = {(user, system) for user in organization.users for system in organization.systems}
    behavior = Behavior(report_age=FRESH, missing_pairs=pairs)
    pulled = pull(organization, behavior, direct_bindings="report")
    assert_tables_match(pulled, organization)
    assert pulled.pull.differences.num_rows == 0
    assert pulled.pull.report_problem


@pytest.mark.parametrize("fault", [Fault("to-devices$", "status", status=s) for s in (429, 502)])
@pytest.mark.usefixtures("no_waiting")
def test_report_is_requested_once(fault: Fault, pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    behavior = Behavior(report_age=None, faults=[fault])
    pulled = pull(organization, behavior, direct_bindings="report", request_reports=True)
    assert_tables_match(pulled, organization)
    assert str(fault.status) in pulled.pull.report_problem
    assert pulled.server.calls_by_path()[REQUEST] == 1
