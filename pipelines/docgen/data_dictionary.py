"""The data dictionary: what a published inventory holds, as Markdown.

Tables come from the data contract. Views and macros are read from an empty published file, so that
their types are those that a reader finds.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb

from pipelines.history.store import SnapshotStore
from pipelines.jumpcloud.endpoints import ENDPOINTS, Endpoint
from pipelines.publish.database import build_duckdb_file
from pipelines.publish.reader import open_inventory
from pipelines.schema.macros import MACROS
from pipelines.schema.model import Column, Macro, Table
from pipelines.schema.tables import TABLES
from pipelines.schema.views import VIEWS

_INTRODUCTION = """\
# Data dictionary

Every table, view and macro of `inventory.duckdb`. Made by `make docs` from the code that publishes
them, and a test compares it: change `pipelines/schema/` or `pipelines/findings/`, never this file.
The same words are the comments in the DuckDB file:

```sql
SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = 'systems';
```

Names and types are permanent; new columns come last ([upgrading](../how-to/upgrade.md)).

- `integration` is the first column and part of every key, so organizations never mix. Join on it.
- Ids are JumpCloud's, 24 hexadecimal digits as text.
- Times are UTC. JumpCloud's "never" (`0001-01-01...`), an empty text and what is no time are NULL.
- An empty text of the API is NULL. A boolean that the API does not send is NULL, never FALSE.
- Lists are sorted, hold nothing twice, and are empty rather than NULL.
- *Source* is the list of the API and the field in it that the value comes from. Where there is
  none, the value is computed from several lists, or is not JumpCloud's.
- What a pull did not ask for (`details`, `skip_endpoints`, `association_targets`) is NULL or has no
  rows: the inventory says nothing of it.
"""


def data_dictionary() -> str:
    """The whole document."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "inventory.duckdb")
        build_duckdb_file(SnapshotStore(Path(folder, "history")), file)
        with open_inventory(file) as connection:
            parts = [
                _INTRODUCTION,
                *_lists_of_the_api(ENDPOINTS.values()),
                "## Tables\n",
                *(part for table in TABLES.values() for part in _table(table)),
                "## Views\n",
                *_relations(connection),
                "## Macros\n",
                *(part for macro in MACROS for part in _macro(connection, macro)),
            ]
    return "\n".join(parts)


def _lists_of_the_api(endpoints: Iterable[Endpoint]) -> Iterator[str]:
    yield "## Lists of the API\n"
    rows = [
        (f"`{each.name}`", f"`{each.path}`", each.description, f"`{each.scope}`")
        for each in endpoints
    ]
    yield _as_table(("list", "path", "a record is", "least OAuth scope"), rows)


def _table(table: Table) -> Iterator[str]:
    yield f"### `{table.name}`\n"
    facts = [
        f"{table.description}.",
        f"Key: {_names(table.full_key)}.",
        *([f"Rows: from the list {_names(table.endpoints)}."] if table.endpoints else []),
        *(f"`{column}` refers to `{other}`." for column, other in table.references.items()),
    ]
    yield f"{' '.join(facts)}\n"
    rows = [_cells(column) for column in table.published_columns]
    yield _as_table(("column", "type", "meaning", "source"), rows)


def _cells(column: Column) -> tuple[str, ...]:
    source = f"`{column.source}`" if column.source else ""
    return f"`{column.name}`", f"`{column.type}`", column.description, source


def _relations(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What is no table of `TABLES`: views, and what other schemas hold."""
    queries = {view.name: view.sql.strip() for view in VIEWS}
    found = connection.sql("""
SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE schema_name <> 'main'
UNION ALL
SELECT schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal
ORDER BY schema_name <> 'main', schema_name, table_name""").fetchall()
    for schema, name, meaning in found:
        full_name = name if schema == "main" else f"{schema}.{name}"
        yield f"### `{full_name}`\n"
        yield f"{meaning}.\n"
        yield _as_table(("column", "type", "meaning"), _columns(connection, schema, name))
        if full_name in queries:
            yield f"```sql\n{queries[full_name]}\n```\n"


def _columns(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str
) -> list[tuple[str, str, str]]:
    found = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
        [schema, name],
    ).fetchall()
    return [(f"`{name}`", f"`{_short(type_)}`", meaning or "") for name, type_, meaning in found]


def _macro(connection: duckdb.DuckDBPyConnection, macro: Macro) -> Iterator[str]:
    yield f"### `{macro.name}({', '.join(macro.parameters)})`\n"
    arguments = [f"`{name}`: {meaning}." for name, meaning in macro.parameters.items()]
    yield f"{macro.description}. {' '.join(arguments)}\n"
    nothing = ", ".join(["''"] * len(macro.parameters))
    described = connection.sql(f"DESCRIBE FROM {macro.name}({nothing})").fetchall()
    rows = [(f"`{n}`", f"`{_short(type_)}`", macro.columns[n]) for n, type_, *_ in described]
    yield _as_table(("column", "type", "meaning"), rows)


def _as_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    # A bar would end the cell.
    text = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in text) + "\n"


def _short(type_: str) -> str:
    """DuckDB's name of a type, as the contract writes it."""
    return type_.replace("VARCHAR", "TEXT").replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
