"""The display name of an asset, wherever it is read."""

import duckdb
import pyarrow as pa
import pytest

from pipelines.schema.model import Table
from pipelines.schema.tables import APPLICATIONS, SYSTEMS, USERS


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (SYSTEMS, ("hostname", "display_name", "serial_number", "system_id")),
        (APPLICATIONS, ("display_label", "display_name", "name", "application_id")),
        (USERS, ("username", "email", "user_id")),
    ],
    ids=lambda value: value.name if isinstance(value, Table) else "",
)
def test_display_name_is_the_first_known_one(table: Table, expected: tuple[str, ...]) -> None:
    named = [dict.fromkeys(expected[first:], "?") for first in range(len(expected))]
    values = [
        {name: name for name in row} | {expected[-1]: f"id{n}"} for n, row in enumerate(named)
    ]
    rows = pa.Table.from_pylist(values, table.arrow_schema)
    names = [row.get(expected[n], "") for n, row in enumerate(values)]
    assert table.display_names(rows) == names
    with duckdb.connect() as connection:
        connection.register("assets", rows)
        from_json = table.display_name_in_json("to_json(a)", f"a.{table.key[0]}")
        query = f"SELECT {table.display_name('a')}, {from_json} FROM assets a"
        assert connection.sql(query).fetchall() == [(name, name) for name in names]
