"""Every example of docs/reference/sql-examples.md and of a table has an answer."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.publish.reader import open_sandboxed
from pipelines.schema.examples import example_query
from pipelines.schema.tables import TABLES
from pipelines.simulator import Organization, Sizes, generate
from tests.support import ROOT
from tests.support.publisher import Publisher, Pulled

PAGE = ROOT / "docs" / "reference" / "sql-examples.md"
EXAMPLE = re.compile(
    r"^### (?P<title>.+?)\n(?P<why>.+?)^```sql\n(?P<sql>.+?)^```\n\nAnswer: (?P<answer>.+?)\n",
    re.MULTILINE | re.DOTALL,
)
SIZES = Sizes(systems=40, users=60, system_groups=12, user_groups=14, applications=6)
SUDO = {"sudo": {"enabled": True, "withoutPassword": True}}
TEN_QUESTIONS = (ROOT / "docs" / "tutorial" / "ten-questions.md").read_text()
EXAMPLES = [example.groupdict() for example in EXAMPLE.finditer(PAGE.read_text())]


def company(seed: int) -> Organization:
    """Return an organization with the names of the page."""
    organization = generate(seed, SIZES)
    servers = organization.add_group("Servers")
    address = {"name": "eth0", "family": "IPv4", "address": "10.20.30.40", "internal": False}
    organization.add_system(id="5" * 24, hostname="db-1", networkInterfaces=[address])
    organization.add_member(servers, "5" * 24)
    organization.add_user(id="a" * 24, username="alice", mfa={"configured": True})
    organization.add_user(id="b" * 24, username="bob", mfa={"configured": False})
    organization.bind(servers, "user", "a" * 24)
    organization.bind(servers, "user", "b" * 24, SUDO)
    payroll = organization.add_application(displayLabel="Payroll")
    organization.bind(payroll, "user", "a" * 24)
    organization.add_application(displayLabel="Nobody's")
    organization.add_member(servers, organization.ids.new())
    organization.add_group("Nothing in it")
    organization.members[organization.add_group("Servers, again")] = organization.members[servers]
    return organization


def apply_changes(organization: Organization) -> None:
    """Remove and suspend people, grant them more access, and upgrade a device."""
    groups = list(organization.system_groups)
    organization.update("5" * 24, version="26.04")
    organization.remove_user("b" * 24)
    organization.bind(groups[0], "user", "a" * 24, SUDO)
    leaver = next(iter(organization.users))
    organization.bind(groups[0], "user", leaver)
    organization.update(leaver, state="SUSPENDED", suspended=True)


@pytest.fixture
def published(
    pull: Callable[..., Pulled], fast_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Publisher:
    """Publish two organizations, one of them twice, in the working directory's `data`."""
    publisher = Publisher(fast_tmp_path / "data")
    monkeypatch.chdir(fast_tmp_path)
    acme = company(1)
    publisher.publish(backdate(2, pull(acme)))
    publisher.publish(backdate(2, pull(company(2))), "globex")
    apply_changes(acme)
    publisher.publish(backdate(1, pull(acme)))
    return publisher


def backdate(days: int, pulled: Pulled) -> Pulled:
    """Move the time of a pull into the past."""
    return pulled.moved_to(datetime.now(UTC) - timedelta(days=days))


def count_rows(query: str, file: Path) -> int:
    # Reading Parquet needs more than the command `sql` allows.
    if "read_parquet" in query:
        with duckdb.connect(file, read_only=True) as connection:
            return len(connection.sql(query))
    with open_sandboxed(file) as connection:
        return len(connection.sql(query))


def test_every_example_finds_rows(published: Publisher) -> None:
    empty = [
        example["title"] for example in EXAMPLES if not count_rows(example["sql"], published.file)
    ]
    assert empty == []
    # In the same inventory, because it takes long to make one.
    questions = re.findall(
        r"^## (.+?)\n.+?^```sql\n(.+?)^```", TEN_QUESTIONS, re.MULTILINE | re.DOTALL
    )
    assert len(questions) == 10
    assert not [title for title, sql in questions if not count_rows(sql, published.file)]
    empty = [
        name
        for name, table in TABLES.items()
        if not count_rows(example_query(table), published.file)
    ]
    # Only settings that are off by default, and reviews, fill these.
    assert empty == ["access_differences", "custom_attributes", "reviews", "review_items"]


def test_examples_are_numbered_in_order() -> None:
    assert len(EXAMPLES) == PAGE.read_text().count("```sql\n") >= 30
    numbers = [int(example["title"].partition(".")[0]) for example in EXAMPLES]
    assert numbers == list(range(1, len(EXAMPLES) + 1))
    assert all(example["why"].strip() and example["answer"].strip() for example in EXAMPLES)
