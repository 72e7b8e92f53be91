"""A company changes every week, and equal companies change in the same way."""

import json
from datetime import UTC, datetime

from pipelines.simulator import WEEK, Company, Organization, Sizes, generate
from tests.oracle import expected_tables

FOUNDED = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
SMALL = Sizes(systems=60, users=50, system_groups=15, user_groups=12, applications=3)
COUNTS = ("system_count", "user_count", "application_count")


def _content(org: Organization) -> str:
    edges = [sorted(map(str, bound.items())) for bound in org.bindings.values()]
    return json.dumps([org.collections(), org.members, org.user_group_members, edges], default=str)


def _after(weeks: int, sizes: Sizes = SMALL) -> Company:
    company = Company(FOUNDED, sizes)
    for _ in range(weeks):
        company.advance()
    return company


def test_equal_companies_change_in_the_same_way() -> None:
    assert _content(_after(3).organization) == _content(_after(3).organization)
    assert _after(3).now == FOUNDED + 3 * WEEK


def test_company_begins_as_generated() -> None:
    # A demo of version 0.1 goes on with the organization that it has pulled.
    assert _content(_after(0).organization) == _content(generate(1, SMALL, FOUNDED))


def test_people_devices_and_access_change_every_week() -> None:
    company = _after(0)
    for _ in range(6):
        before = expected_tables(company.organization, views=False)
        company.advance()
        after = expected_tables(company.organization, views=False)
        for name, key in (("users", "user_id"), ("systems", "system_id")):
            old, new = ({row[key]: row for row in tables[name]} for tables in (before, after))
            assert new.keys() - old.keys(), name
            changed = {column for i in old.keys() & new for column in old[i] if old[i] != new[i]}
            assert changed - {*COUNTS, "last_contact_at"}, name
        for name in ("system_group_members", "system_group_associations", "application_users"):
            assert before[name] != after[name], name


def test_leavers_are_suspended_first() -> None:
    company = _after(0)
    users = company.organization.users
    left = set()
    for _ in range(6):
        states = {user_id: record["state"] for user_id, record in users.items()}
        company.advance()
        left |= {states[user_id] for user_id in states.keys() - users.keys()}
    assert left == {"SUSPENDED"}


def test_lost_encryption_is_found_again() -> None:
    company = _after(0)
    states: dict[str, list[bool]] = {}
    for _ in range(8):
        for system_id, record in company.organization.systems.items():
            if "fde" in record:
                states.setdefault(system_id, []).append(record["fde"]["active"])
        company.advance()
    assert any(seen[0] and False in seen and seen[-1] for seen in states.values())


def test_dates_lie_before_the_present() -> None:
    company = _after(5)
    rows = expected_tables(company.organization, views=False)
    dates = [row["created_at"] for row in rows["users"] + rows["systems"]]
    contacts = [row["last_contact_at"] for row in rows["systems"] if row["active"]]
    assert company.now - WEEK <= max(dates) < company.now
    assert company.now - WEEK / 7 < min(filter(None, contacts))
    assert max(filter(None, contacts)) < company.now


def test_numbers_of_users_are_unique() -> None:
    users = _after(9).organization.users.values()
    for name in ("username", "employeeIdentifier", "unix_uid"):
        assert len({user[name] for user in users}) == len(users)


def test_empty_company_can_advance() -> None:
    assert len(_after(2, Sizes.empty()).organization.users) == 4
