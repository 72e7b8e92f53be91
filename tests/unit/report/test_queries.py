"""The numbers of the report equal those of the published file."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import accumulate

import pytest

from pipelines.findings.catalog import FINDINGS
from pipelines.report.queries import MAX_EXAMPLES
from pipelines.simulator import Organization, Sizes, generate
from tests.support.parsed_html import Element, numbers, report_of
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, on_day

SMALL = Sizes(systems=60, users=40, system_groups=6, user_groups=3, applications=3)
SMALLER = Sizes(systems=20, users=10, system_groups=3, user_groups=2, applications=1)
COUNTED = ("systems", "users", "applications", "ipv4_addresses", "system_groups")
HEADINGS = {
    "systems": "Systems",
    "users": "Users",
    "applications": "Applications",
    "ipv4_addresses": "IPv4 addresses",
    "system_groups": "System groups",
    "system_group_members": "System group members",
    "system_group_users": "System group users",
    "system_group_associations": "System group associations",
    "application_users": "Application users",
    "system_ipv4_addresses": "System IPv4 addresses",
    "system_local_accounts": "System local accounts",
}
PROTECTIONS = {
    "Devices: disk encrypted": ("systems", "disk_encrypted"),
    "Devices: MFA allowed": ("systems", "mfa_enabled"),
    "Users: MFA set up": (
        "users",
        "coalesce(mfa_status = 'ENROLLED', totp_enabled OR mfa_configured, mfa_configured)",
    ),
}


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=SMALL, now=FIRST_DAY)


def test_every_number_equals_the_published_file(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(on_day(0, pull(organization)))
    gone, renamed, *_ = organization.systems
    organization.remove_system(gone)
    organization.update(renamed, displayName="another name")
    for number in range(MAX_EXAMPLES + 2):
        organization.add_user(username=f"new.person.{number}")
    for _ in range(2):
        organization.add_system(displayName="same name", hostname="same-name")
    publisher.publish(on_day(1, pull(organization)))
    page = report_of(publisher.file)

    assert_counts(page, publisher)
    assert_devices(page, publisher)
    assert_findings(page, publisher)
    assert_changes(page, publisher)
    assert_pull_and_proofs(page, publisher)


def query_number(publisher: Publisher, query: str) -> int:
    """Return the only number that the query finds."""
    ((number,),) = (row.values() for row in publisher.rows(query))
    assert isinstance(number, int)
    return number


def big(element: Element) -> int:
    """Return the large number of a part of the page."""
    (number,) = numbers([element.one("div", **{"class": "big"}).text])
    return number


def assert_counts(page: Element, publisher: Publisher) -> None:
    for table in COUNTED:
        count = query_number(publisher, f"SELECT count(*) FROM {table}")
        assert big(page.one("figure", data_count=table)) == count
    assert f"+{MAX_EXAMPLES + 2} since last time" in page.one("figure", data_count="users").text
    trend = page.one("table", data_table="trend").rows()
    snapshots = publisher.rows("SELECT rows FROM snapshots ORDER BY started_at DESC")
    assert [numbers(row[1:]) for row in trend] == [
        [json.loads(str(snapshot["rows"]))[table] for table in COUNTED] for snapshot in snapshots
    ]
    assert [row[0] for row in trend] == ["2024-01-31 08:00 UTC", "2024-01-30 08:00 UTC"]


def assert_devices(page: Element, publisher: Publisher) -> None:
    operating_systems, contacts = (
        {row[0]: numbers(row[2:3])[0] for row in page.one("table", data_table=name).rows()}
        for name in ("operating-systems", "last-contact")
    )
    known = publisher.rows("SELECT os, count(*) AS count FROM systems GROUP BY os")
    assert operating_systems == {each["os"]: each["count"] for each in known}
    within = [
        query_number(
            publisher,
            "SELECT count(*) FROM systems WHERE last_contact_at > "
            f"TIMESTAMPTZ '{FIRST_DAY + timedelta(days=1 - days)}'",
        )
        for days in (1, 7, 30, 90, 100_000)
    ]
    *since, never = accumulate(contacts.values())
    assert since == within
    assert never == sum(operating_systems.values())
    assert len({*contacts.values()}) > 3, "too similar for the test"

    coverage = page.one("table", data_table="coverage").rows()
    assert [row[0] for row in coverage] == [*PROTECTIONS]
    for label, _, *cells in coverage:
        table, column = PROTECTIONS[label]
        assert numbers(cells) == [
            query_number(publisher, f"SELECT count(*) FROM {table} WHERE {column} IS {state}")
            for state in ("TRUE", "FALSE", "NULL")
        ]


def assert_findings(page: Element, publisher: Publisher) -> None:
    items = {
        each.attributes["data-finding"]: each
        for each in page.all("li")
        if "data-finding" in each.attributes
    }
    summary = publisher.rows("FROM findings.summary")
    assert {name: big(item) for name, item in items.items()} == {
        each["finding"]: each["count"] for each in summary if each["count"]
    }
    for name, item in items.items():
        rows = publisher.rows(f"SELECT DISTINCT asset_name FROM findings.{name} ORDER BY ALL")
        listed = item.one("ul")
        shown = [name.text for name in listed.all("bdi")]
        assert shown == [row["asset_name"] for row in rows[:MAX_EXAMPLES]]
        hidden = len(rows) - len(shown)
        assert (f"and {hidden} more" in listed.text) == bool(hidden)
        assert "`" not in item.text
    counts = {
        severity: query_number(
            publisher,
            f"SELECT sum(count)::BIGINT FROM findings.summary WHERE severity = '{severity}'",
        )
        for severity in ("high", "medium", "low")
    }
    text = " , ".join(f"{count:,} {severity}" for severity, count in counts.items())
    # Both pulls read everything, so no count of unchecked findings follows.
    assert text in [paragraph.text for paragraph in page.all("p")]


def assert_changes(page: Element, publisher: Publisher) -> None:
    shown = {
        (table, kind): (numbers([rows])[0], names)
        for table, kind, rows, names in page.one("table", data_table="changes").rows()
    }
    changes = publisher.rows(
        "SELECT asset_type, change, count(DISTINCT asset_id) AS count FROM changes GROUP BY ALL"
    )
    assert {key: count for key, (count, _) in shown.items()} == {
        (HEADINGS[str(each["asset_type"])], each["change"]): each["count"] for each in changes
    }
    first = " ".join(f"new.person.{number}" for number in range(MAX_EXAMPLES))
    assert shown["Users", "added"] == (MAX_EXAMPLES + 2, f"{first} and 2 more")


def assert_pull_and_proofs(page: Element, publisher: Publisher) -> None:
    completeness = page.one("table", data_table="completeness").rows()
    proofs = publisher.rows(
        """
SELECT endpoint, proof, count(*), sum(expected)::INT, sum(received)::INT, sum(holes)::INT
FROM completeness GROUP BY ALL ORDER BY ALL"""
    )
    assert [[*row[:2], *numbers(row[2:])] for row in completeness] == [
        [*each.values()] for each in proofs
    ]
    (pull,) = publisher.rows("SELECT * FROM snapshots ORDER BY started_at DESC LIMIT 1")
    details = page.one("section").one("dl").text
    assert f"Snapshot {pull['snapshot_id']} , one of 2 published" in details
    assert f"in 1 min 0 s, with {pull['api_calls']:,} calls" in details


def test_empty_first_snapshot_has_a_page(pull: Callable[..., Pulled], publisher: Publisher) -> None:
    publisher.publish(on_day(0, pull(generate(sizes=Sizes.empty()))))
    page = report_of(publisher.file)
    assert [each.text for each in page.all("div", **{"class": "big"})] == ["0"] * len(COUNTED)
    assert page.text.count("first snapshot") == len(COUNTED) + 1
    assert "There are no devices." in page.text
    # The findings that need two snapshots.
    assert "0 high , 0 medium , 0 low , 3 not checked" in page.text


def test_unpulled_data_is_unknown_not_zero(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(on_day(0, pull(organization, details=False)))
    page = report_of(publisher.file)
    assert "not pulled" in page.one("figure", data_count="applications").text
    coverage = {row[0]: numbers(row[2:]) for row in page.one("table", data_table="coverage").rows()}
    users = query_number(publisher, "SELECT count(*) FROM users")
    assert coverage["Users: MFA set up"] == [0, 0, users]
    ((label, *_),) = page.one("table", data_table="operating-systems").rows()
    assert label == "not known"
    none, unknown = page.one("p", data_none="").text, page.one("p", data_unknown="").text
    for title in ("Users without MFA who have sudo", "Devices on which a policy fails"):
        assert title in unknown
        assert title not in none
    note = page.one("p", data_note="").text
    assert "Counted without the bindings of users and user groups to single devices" in note
    assert "Devices without recent contact that users can still access" in note
    assert "System groups" in none
    not_asked = query_number(publisher, "SELECT count(*) FROM findings.summary WHERE count IS NULL")
    # Those about groups: system groups are pulled, and so are their rules.
    assert not_asked == len(FINDINGS) - 3
    assert f" low , {not_asked} not checked" in page.text
    assert len(unknown.split("; ")) == not_asked


def test_integrations_are_sorted_by_severity(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.commit(on_day(1, pull(generate(2, SMALLER))), "small")
    publisher.commit(on_day(2, pull(organization)), "large")
    publisher.publish(on_day(3, pull(generate(sizes=Sizes.empty()))), "empty")
    page = report_of(publisher.file)
    table = page.one("section", aria_labelledby="integrations").one("table")
    expected = publisher.rows(
        """
SELECT i.integration, systems, users, applications, ipv4_addresses,
    (SELECT count(*) FROM system_groups g WHERE g.integration = i.integration) AS system_groups,
    sum(count) FILTER (severity = 'high')::INT AS high,
    sum(count) FILTER (severity = 'medium')::INT AS medium,
    sum(count) FILTER (severity = 'low')::INT AS low,
    count(*) FILTER (count IS NULL)::INT AS not_asked
FROM integrations i JOIN findings.summary f ON f.integration = i.integration
GROUP BY ALL ORDER BY high DESC, medium DESC, low DESC, i.integration"""
    )
    assert [[row[0], *numbers(row[2:-1])] for row in table.rows()] == [
        list(row.values()) for row in expected
    ]
    assert [row["integration"] for row in expected] == ["large", "small", "empty"]
    sections = page.all("details", **{"class": "integration"})
    assert [each.one("h2").text for each in sections] == ["large", "small", "empty"]
    assert not [each for each in sections if "open" in each.attributes]
    targets = {each.attributes["id"] for each in page.all("div") if "id" in each.attributes}
    assert {each.attributes["href"] for each in table.all("a")} == {f"#{name}" for name in targets}
    assert all(row["not_asked"] for row in expected)
    for section, row in zip(sections, expected, strict=True):
        assert f"{row['not_asked']} not checked" in section.all("summary")[0].text
        assert big(section.one("figure", data_count="systems")) == row["systems"]
