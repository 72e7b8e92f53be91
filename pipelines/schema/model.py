"""Declarations of the published tables, views and macros."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

ColumnType = Literal["TEXT", "BOOLEAN", "INTEGER", "BIGINT", "TIMESTAMPTZ", "TEXT[]", "JSON"]

# JSON is stored as text, because Parquet has no JSON type that every engine can read.
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "TEXT": pa.string(),
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "TEXT[]": pa.list_(pa.string()),
    "JSON": pa.string(),
}


@dataclass(frozen=True)
class Column:
    """One column of a published table.

    Attributes:
        name: Name of the column. It never changes.
        type: DuckDB type of the column. It never changes.
        description: Meaning of a value, published as the column's comment.
        source: `endpoint.field` if the value is a single field of a raw record, otherwise empty.
        endpoints: Additional endpoints that the value requires. It is NULL without them.
        is_added: True for a column added after the first version. It is published after the
            original ones.
        revised_with: Name of the column that was added when this one's values got another
            meaning. Rows without that column have the earlier meaning and are not compared.
        optional_endpoints: Endpoints that add to the value where a pull reads them. Values are
            compared only if both pulls read the same ones.
        has_changes: False if `changes` leaves the column out, such as the name of another row.
    """

    name: str
    type: ColumnType
    description: str
    source: str = ""
    endpoints: tuple[str, ...] = ()
    is_added: bool = False
    revised_with: str = ""
    optional_endpoints: tuple[str, ...] = ()
    has_changes: bool = True


# Filled at publication, because only then the earlier snapshots are known.
SEEN = (
    Column("first_seen_at", "TIMESTAMPTZ", "Start of the first pull that found the asset"),
    Column("last_seen_at", "TIMESTAMPTZ", "Start of the last pull that found the asset"),
)


@dataclass(frozen=True)
class Table:
    """One published table.

    Attributes:
        name: Name of the table. It never changes.
        description: Meaning of a row.
        key: Columns that, together with `integration`, identify a row.
        columns: Columns that a pull fills, in order; `integration` is the first.
        endpoints: Endpoints that provide the rows. Unless all were pulled, a missing row does not
            mean that the item does not exist.
        references: Name of the referenced table by column, for columns with the key of another
            table.
        is_asset: True if a row is an asset. The table then also has the columns `SEEN`.
        labels: Columns with the display name of an asset: the first one that is not NULL counts,
            and without any, the key.
        has_changes: False if `changes` leaves the table out.
        personal: Columns that identify or describe a person or a person's device, except
            `references`: those to a personal key are personal too.
        schema: Schema of the DuckDB file that contains the table.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    endpoints: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    is_asset: bool = False
    labels: tuple[str, ...] = ()
    has_changes: bool = True
    personal: tuple[str, ...] = ()
    schema: str = "main"

    @property
    def qualified_name(self) -> str:
        """Return the quoted schema and name for SQL."""
        return f'"{self.schema}"."{self.name}"'

    @property
    def full_key(self) -> tuple[str, ...]:
        """Return the columns that identify a row among all integrations."""
        return ("integration", *self.key)

    @property
    def comment(self) -> str:
        """Return the comment of the published table: its meaning, its key and its references."""
        references = [f"{column} to {other}" for column, other in self.references.items()]
        facts = [f"Key: {', '.join(self.full_key)}"]
        facts += [f"References: {', '.join(references)}"] if references else []
        return ". ".join([self.description, *facts])

    @property
    def published_columns(self) -> tuple[Column, ...]:
        """Return the columns of the published table, in order."""
        columns = (*self.columns, *SEEN) if self.is_asset else self.columns
        return tuple(sorted(columns, key=lambda column: column.is_added))

    @property
    def arrow_schema(self) -> pa.Schema:
        """Return the Arrow schema of `columns`."""
        return _arrow_schema(self.columns)

    @property
    def published_schema(self) -> pa.Schema:
        """Return the Arrow schema of `published_columns`."""
        return _arrow_schema(self.published_columns)

    def display_name(self, row: str) -> str:
        """Return SQL of the display name of an asset; `row` is the alias of this table."""
        return f"coalesce({', '.join(f'{row}.{name}' for name in (*self.labels, self.key[0]))})"

    def display_name_in_json(self, row: str, key: str) -> str:
        """Return SQL of the display name of an asset with this key; `row` is its row as JSON."""
        names = (f"{row} ->> '$.{name}'" for name in self.labels)
        return f"coalesce({', '.join((*names, key))})"

    def display_names(self, rows: pa.Table) -> list[str]:
        """Return the display names of assets."""
        columns = (rows[name] for name in (*self.labels, self.key[0]))
        return list(map(str, pc.coalesce(*columns).to_pylist()))

    def common_columns(self, names: Collection[str]) -> list[str]:
        """Return the columns of this table that occur in a collection of `table.column` names."""
        return [column.name for column in self.columns if f"{self.name}.{column.name}" in names]


def _arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(column.name, ARROW_TYPES[column.type]) for column in columns])


@dataclass(frozen=True)
class View:
    """A view of the published file.

    Attributes:
        name: Name of the view. It never changes.
        description: Meaning of a row, published as the view's comment.
        columns: Name and meaning of each column, in order.
        sql: Query over the published tables.
        schema: Schema of the DuckDB file that contains the view.
    """

    name: str
    description: str
    columns: dict[str, str]
    sql: str
    schema: str = "main"

    @property
    def qualified_name(self) -> str:
        """Return the quoted schema and name for SQL."""
        return f'"{self.schema}"."{self.name}"'


@dataclass(frozen=True)
class Macro:
    """A table macro of the published file: a query with arguments.

    Attributes:
        name: Name of the macro. It never changes.
        description: Meaning of a row, published as the macro's comment.
        parameters: Name and meaning of each argument, in order.
        columns: Name and meaning of each column, in order.
        sql: Query over the published tables.
    """

    name: str
    description: str
    parameters: dict[str, str]
    columns: dict[str, str]
    sql: str


INTEGRATION = Column("integration", "TEXT", "Name of the integration that the row belongs to")
