"""docs/reference/schema.sql and dbt-sources.yml are current and describe what is published."""

import re
from collections.abc import Callable

import duckdb
import pytest
import yaml

from pipelines.docgen import PAGES
from pipelines.simulator import Sizes, generate
from tests.support import ROOT
from tests.support.publisher import Publisher, Pulled
from tests.support.tables import inventory

FOLDER = ROOT / "docs" / "reference"
SCHEMA = (FOLDER / "schema.sql").read_text()
SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)


@pytest.mark.parametrize(("page", "file"), [("schema", "sql"), ("dbt-sources", "yml")])
def test_file_is_current(page: str, file: str) -> None:
    assert (FOLDER / f"{page}.{file}").read_text() == PAGES[page](), "run: make docs"


def test_published_rows_meet_keys_and_references(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    publisher.publish(pull(organization))
    organization.add_user(username="new.person")
    publisher.publish(pull(organization))
    with duckdb.connect() as connection:
        connection.execute(SCHEMA)
        connection.execute(f"ATTACH '{publisher.file}' AS inventory (READ_ONLY)")
        tables = re.findall(r'^CREATE TABLE "(\w+)"', SCHEMA, re.MULTILINE)
        counts = {}
        for table in tables:
            added = connection.execute(f"INSERT INTO {table} BY NAME FROM inventory.main.{table}")
            (counts[table],) = added.fetchone() or ()
    assert counts["changes"] > 0
    assert counts["system_group_users"] > 0


def test_dbt_describes_every_column() -> None:
    with inventory() as connection:
        columns = connection.sql(
            "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    sources = yaml.safe_load((FOLDER / "dbt-sources.yml").read_text())["sources"]
    described = {
        (source["schema"], table["name"], column["name"])
        for source in sources
        for table in source["tables"]
        for column in table["columns"]
        if table["description"] and column["description"]
    }
    assert described == set(columns)
