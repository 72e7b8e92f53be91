"""The published tables equal the simulated organization, however direct bindings are read."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipelines.publish.database import update_duckdb_file
from pipelines.schema.tables import INVENTORY_TABLES
from pipelines.schema.views import VIEWS
from pipelines.simulator import Behavior, Organization, Sizes, generate
from tests.oracle import expected_tables
from tests.oracle.graph import display_name
from tests.oracle.tables import Tables
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Publisher, Pulled, Rows

DIRECT_IN_REPORT = (
    "the report has a direct binding that the pull did not find, also not at another reading"
)
GROUP_IN_REPORT = "the report has a way through groups that the pull did not find"
DIRECT_IN_PULL = "the pull found a direct binding that the report does not have"
GROUP_IN_PULL = "the pull found a way through groups that the report does not have"
NO_DEVICE = "the pull does not list the device"
NO_USER = "the pull does not list the user"
NAMES = [table.name for table in INVENTORY_TABLES] + [view.name for view in VIEWS]
SMALL = Sizes(systems=50, users=40, system_groups=4, user_groups=5, direct_bindings=12)
FRESH, STALE = timedelta(hours=2), timedelta(hours=13)
ORGANIZATIONS: dict[str, Callable[[], Organization]] = {
    "company": lambda: generate(sizes=SMALL),
    "empty": lambda: generate(sizes=Sizes.empty()),
    "edge cases": edge_cases,
}
# Setting, reports, and what the pull reads of direct bindings.
MODES: dict[str, tuple[str, Behavior, dict[str, bool]]] = {
    "read": ("read", Behavior(), {}),
    "off": ("off", Behavior(report_age=FRESH), {"direct": False}),
    "fresh": ("report", Behavior(report_age=FRESH), {"from_devices": True}),
    "stale": ("report", Behavior(report_age=STALE), {}),
    "refused": ("report", Behavior(report_age=FRESH, denied={"insights"}), {}),
}


def assert_matches(publisher: Publisher, mode: str, expected: Tables) -> None:
    for name in NAMES:
        assert publisher.table(name, mode) == expected[name], (mode, name)


@pytest.mark.parametrize("kind", ORGANIZATIONS)
def test_tables_and_views_match_oracle_in_each_mode(
    kind: str, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = ORGANIZATIONS[kind]()
    for mode, (setting, behavior, _) in MODES.items():
        publisher.commit(pull(organization, behavior, direct_bindings=setting), mode)
    update_duckdb_file(publisher.history, publisher.file)
    for mode, (_, _, read) in MODES.items():
        assert_matches(publisher, mode, expected_tables(organization, **read))


def add_lies(organization: Organization, behavior: Behavior) -> dict[tuple[str, str], str]:
    """Make a report wrong; return the reason of the difference by device and user."""
    ghost, phantom = organization.ids.new(), organization.ids.new()
    behavior.false_pairs = {(ghost, phantom, "direct")}
    expected = {(phantom, ghost): NO_DEVICE}
    if not organization.users:
        return expected
    user, other, stranger = (organization.add_user() for _ in range(3))
    device, machine = organization.add_system(), organization.add_system()
    # A report only names a device that another user is bound to as well.
    organization.bind_system(user, device)
    organization.bind_system(other, device)
    organization.bind(group := organization.add_group("Lies"), "user", user)
    organization.add_member(group, machine)
    behavior.false_pairs |= {
        (stranger, device, "direct"),
        (stranger, machine, "group"),
        (ghost, device, "group"),
    }
    behavior.missing_pairs = {(other, device), (user, machine)}
    return expected | {
        (device, stranger): DIRECT_IN_REPORT,
        (machine, stranger): GROUP_IN_REPORT,
        (device, ghost): NO_USER,
        (device, other): DIRECT_IN_PULL,
        (machine, user): GROUP_IN_PULL,
    }


def differences(lies: dict[tuple[str, str], str], tables: Tables, pulled: Pulled) -> Rows:
    """Return the expected rows of `access_differences`."""
    systems = {row["system_id"]: display_name("systems", row) for row in tables["systems"]}
    users = {row["user_id"]: display_name("users", row) for row in tables["users"]}
    return [
        {
            "system_id": system_id,
            "user_id": user_id,
            "witness": "pull" if lies[system_id, user_id].startswith("the pull f") else "report",
            "report_at": pulled.pull.report_at,
            "pulled_at": pulled.pull.started_at,
            "explanation": lies[system_id, user_id],
            "system_name": systems.get(system_id, system_id),
            "user_name": users.get(user_id, user_id),
        }
        for system_id, user_id in sorted(lies)
    ]


@pytest.mark.parametrize("kind", ORGANIZATIONS)
def test_lies_of_a_report_are_only_in_access_differences(
    kind: str, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization, behavior = ORGANIZATIONS[kind](), Behavior(report_age=FRESH)
    lies = add_lies(organization, behavior)
    settings = {"report": {"from_devices": True}, "read": {}}
    pulls = {
        mode: pull(organization, behavior, direct_bindings=mode, request_reports=True)
        for mode in settings
    }
    for mode, pulled in pulls.items():
        publisher.commit(pulled, mode)
    update_duckdb_file(publisher.history, publisher.file)
    for mode, read in settings.items():
        expected = expected_tables(organization, **read)
        expected["access_differences"] = differences(lies, expected, pulls[mode])
        assert_matches(publisher, mode, expected)
