"""The published tables equal the simulated organization, however direct bindings are read."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import pytest

from pipelines.publish.database import update_duckdb_file
from pipelines.schema.tables import INVENTORY_TABLES
from pipelines.schema.views import VIEWS
from pipelines.simulator import Behavior, Organization, Sizes, generate
from tests.oracle import expected_tables
from tests.oracle.graph import display_name
from tests.oracle.tables import Tables, custom_attributes
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Publisher, Pulled, Rows, as_truth

DIRECT_IN_REPORT = (
    "the report has a direct binding that the pull did not find, also not at another reading"
)
GROUP_IN_REPORT = "the report has a way through groups that the pull did not find"
DIRECT_IN_PULL = "the pull found a direct binding that the report does not have"
GROUP_IN_PULL = "the pull found a way through groups that the report does not have"
NO_DEVICE = "the pull does not list the device"
NO_USER = "the pull does not list the user"
Bindings = set[tuple[str, str, str]]
Pairs = set[tuple[str, str]]
Lies = dict[tuple[str, str], str]
NAMES = [table.name for table in INVENTORY_TABLES] + [view.name for view in VIEWS]
SMALL = Sizes(systems=50, users=40, system_groups=4, user_groups=5, direct_bindings=12)
FRESH, STALE = timedelta(hours=2), timedelta(hours=13)
ORGANIZATIONS: dict[str, Callable[[], Organization]] = {
    "company": lambda: generate(sizes=SMALL),
    "empty": lambda: generate(sizes=Sizes.empty()),
    "edge cases": edge_cases,
}


class Mode(NamedTuple):
    """A setting of `direct_bindings`, with what the report is like.

    Attributes:
        setting: The setting.
        age: Age of the report.
        from_devices: The pull reads bindings of users from the devices that the report names.
    """

    setting: str
    age: timedelta
    from_devices: bool = False


MODES = {
    "read": Mode("read", STALE),
    "off": Mode("off", FRESH),
    "fresh": Mode("report", FRESH, from_devices=True),
    "stale": Mode("report", STALE),
    "refused": Mode("report", FRESH),
    "lying": Mode("report", FRESH, from_devices=True),
    "lying_to_read": Mode("read", FRESH),
}


def make_lies(organization: Organization) -> tuple[Bindings, Pairs, Lies]:
    """Add records that a report is wrong about; an empty organization stays empty.

    Returns:
        Bindings that the report invents, pairs of user and device that it omits, and the reason of
        the difference by device and user.
    """
    ghost, phantom = organization.ids.new(), organization.ids.new()
    invented: Bindings = {(ghost, phantom, "direct")}
    lies = {(phantom, ghost): NO_DEVICE}
    if not organization.users:
        return invented, set(), lies
    user, other, stranger = (organization.add_user() for _ in range(3))
    device, machine = organization.add_system(), organization.add_system()
    # A report names only devices with a direct binding that it has.
    organization.bind_system(user, device)
    organization.bind_system(other, device)
    organization.bind(group := organization.add_group("Lies"), "user", user)
    organization.add_member(group, machine)
    invented |= {(stranger, device, "direct"), (stranger, machine, "group")}
    invented.add((ghost, device, "group"))
    lies |= {
        (device, stranger): DIRECT_IN_REPORT,
        (machine, stranger): GROUP_IN_REPORT,
        (device, ghost): NO_USER,
        (device, other): DIRECT_IN_PULL,
        (machine, user): GROUP_IN_PULL,
    }
    return invented, {(other, device), (user, machine)}, lies


def differences(lies: Lies, tables: Tables, pulled: Pulled) -> Rows:
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
def test_tables_and_views_match_oracle_in_each_mode(
    kind: str, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization, expected = ORGANIZATIONS[kind](), {}
    false_pairs, missing_pairs, lies = make_lies(organization)
    for mode, (setting, age, from_devices) in MODES.items():
        behavior = Behavior(report_age=age)
        behavior.denied = {"insights"} if mode == "refused" else set()
        if mode.startswith("lying"):
            behavior.false_pairs, behavior.missing_pairs = false_pairs, missing_pairs
        request = mode == "lying_to_read"
        names = ["costCode", "floor"] if mode == "read" else []
        pulled = pull(
            organization,
            behavior,
            direct_bindings=setting,
            request_reports=request,
            custom_attributes=names,
        )
        publisher.commit(pulled, mode)
        tables = expected[mode] = expected_tables(
            organization, direct=setting != "off", from_devices=from_devices
        )
        tables["custom_attributes"] = custom_attributes(organization, names)
        if mode.startswith("lying"):
            tables["access_differences"] = differences(lies, tables, pulled)
    update_duckdb_file(publisher.history, publisher.file)
    for name in NAMES:
        rows = publisher.sorted_rows(name)
        for mode, tables in expected.items():
            found = as_truth([row for row in rows if row["integration"] == mode])
            assert found == tables[name], (mode, name)


def test_tables_of_the_default_company_match_in_each_mode(pull: Callable[..., Pulled]) -> None:
    """Reading all bindings is compared with the views too, in `test_published_tables.py`."""
    organization = generate()
    for name in ("off", "fresh"):
        mode = MODES[name]
        pulled = pull(organization, Behavior(report_age=mode.age), direct_bindings=mode.setting)
        expected = expected_tables(
            organization, direct=mode.setting != "off", from_devices=mode.from_devices
        )
        for table in INVENTORY_TABLES:
            assert pulled.rows(table.name) == expected[table.name], (name, table.name)
