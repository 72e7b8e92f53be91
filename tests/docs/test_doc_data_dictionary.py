"""docs/reference/data-dictionary.md is current and explains all that is published."""

from pathlib import Path

import duckdb
import pytest

from pipelines.docgen import data_dictionary_page
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file
from tests.support import ROOT

PAGE = ROOT / "docs" / "reference" / "data-dictionary.md"


Column = tuple[str, str, str, str | None]


@pytest.fixture
def columns(tmp_path: Path) -> list[Column]:
    """Schema, table, name and comment of each column of a published file."""
    build_duckdb_file(SnapshotStore(tmp_path), tmp_path / "inventory.duckdb")
    with duckdb.connect(tmp_path / "inventory.duckdb", read_only=True) as file:
        return file.sql(
            "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() "
            "WHERE NOT internal"
        ).fetchall()


def test_page_is_current() -> None:
    assert PAGE.read_text() == data_dictionary_page(), "run: make docs"


def test_page_explains_every_column(columns: list[Column]) -> None:
    sections = {
        section.partition("`")[0]: section for section in PAGE.read_text().split("\n### `")[1:]
    }
    assert columns
    for schema, table, name, comment in columns:
        section = sections[table if schema == "main" else f"{schema}.{table}"]
        assert comment, f"{schema}.{table}.{name}"
        assert f"| `{name}` |" in section
        assert comment.replace("|", "\\|") in section
