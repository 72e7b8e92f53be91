"""Arrow tables from partial rows, and transforms run on them."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from pipelines.jumpcloud.completeness import COMPLETENESS_SCHEMA
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.schema.tables import TABLES
from pipelines.transform import TRANSFORMS

Row = dict[str, object]
INTEGRATION = "acme"


def make_table(schema: pa.Schema, rows: Iterable[Row]) -> pa.Table:
    """Return a table of partial rows; a field that a row does not have is NULL."""
    rows = list(rows)
    unknown = {name for row in rows for name in row} - set(schema.names)
    assert not unknown, f"not in the schema: {unknown}"
    return pa.Table.from_pylist(rows, schema)


def contract_row(table: str, **values: object) -> Row:
    """Return a whole row of a table of the contract; a column that is not given is None."""
    names = TABLES[table].arrow_schema.names
    assert not values.keys() - set(names), values
    return dict.fromkeys(names) | {"integration": INTEGRATION} | values


def expected_user(**values: object) -> Row:
    """Return a whole row of a user with a record who reaches nothing."""
    defaults: Row = {"system_count": 0, "application_count": 0, "system_group_ids": []}
    return contract_row("users", **defaults | {"resolved": True} | values)


def contract_table(table: str, rows: Iterable[Row]) -> pa.Table:
    """Return a table of the contract from partial rows."""
    return make_table(TABLES[table].arrow_schema, [contract_row(table, **row) for row in rows])


def raw_table(endpoint: str, rows: Iterable[Row]) -> pa.Table:
    """Return the raw table of an endpoint, or of `completeness`, from partial rows."""
    schema = COMPLETENESS_SCHEMA if endpoint == "completeness" else ENDPOINTS[endpoint].table_schema
    return make_table(schema, rows)


def run_transform(table: str, **inputs: Sequence[Row]) -> list[Row]:
    """Return the rows that a transform makes of partial input rows; other inputs are empty.

    An input is named as in `Transform.inputs`, without the prefix `jumpcloud.`.
    """
    frames = {}
    for name in TRANSFORMS[table].inputs:
        _, is_raw, endpoint = name.partition("jumpcloud.")
        rows = inputs.pop(endpoint or name, ())
        frames[name] = raw_table(endpoint, rows) if is_raw else contract_table(name, rows)
    assert not inputs, f"not read by the transform: {inputs.keys()}"
    rows_out: list[Row] = TRANSFORMS[table].run(INTEGRATION, frames).to_pylist()
    return rows_out
