"""How a table of the data contract is declared, and what follows from the declaration."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

ColumnType = Literal["TEXT", "BOOLEAN", "BIGINT", "TIMESTAMPTZ", "TEXT[]", "JSON"]

# JSON travels as text: Parquet has no type for it that every engine reads.
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "TEXT": pa.string(),
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "TEXT[]": pa.list_(pa.string()),
    "JSON": pa.string(),
}


@dataclass(frozen=True)
class Column:
    """One column of a published table.

    Attributes:
        name: the column's name, for ever.
        type: its DuckDB type, for ever.
        description: what a value means; becomes the column's comment.
        source: `endpoint.field` where the value is one field of one raw record, else empty.
        endpoints: endpoints, beside those of the table, without which it is NULL.
        is_added: whether it came after the first version: it is published after all that did not.
    """

    name: str
    type: ColumnType
    description: str
    source: str = ""
    endpoints: tuple[str, ...] = ()
    is_added: bool = False


# Only publication, which knows the snapshots before, can fill these.
SEEN = (
    Column("first_seen_at", "TIMESTAMPTZ", "Start of the first pull that found the asset"),
    Column("last_seen_at", "TIMESTAMPTZ", "Start of the last pull that found the asset"),
)


@dataclass(frozen=True)
class Table:
    """One published table.

    Attributes:
        name: the table's name, for ever.
        description: what a row is; becomes the table's comment.
        key: the columns that, after `integration`, make a row unique.
        columns: the columns that a pull gives, in order, `integration` first.
        endpoints: the endpoints whose records are its rows; unless all were pulled, what the table
            lacks says nothing.
        references: columns that hold the key of another table, and which.
        is_asset: whether a row is an asset, whose first and last sight is published too.
        label: the column that names an asset to a person.
        schema: the schema of the file that it is in.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    endpoints: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    is_asset: bool = False
    label: str = ""
    schema: str = "main"

    @property
    def qualified_name(self) -> str:
        """Schema and name, as SQL has them."""
        return f'"{self.schema}"."{self.name}"'

    @property
    def full_key(self) -> tuple[str, ...]:
        """The columns that make a row unique among all integrations."""
        return ("integration", *self.key)

    @property
    def published_columns(self) -> tuple[Column, ...]:
        """The columns of the published table, in order."""
        columns = (*self.columns, *SEEN) if self.is_asset else self.columns
        return tuple(sorted(columns, key=lambda column: column.is_added))

    @property
    def arrow_schema(self) -> pa.Schema:
        """Names and types of `columns`, as Arrow and Parquet hold them."""
        return _arrow_schema(self.columns)

    @property
    def published_schema(self) -> pa.Schema:
        """Names and types of `published_columns`, as Arrow and Parquet hold them."""
        return _arrow_schema(self.published_columns)

    def common_columns(self, names: Collection[str]) -> list[str]:
        """Its columns that are among names given as `table.column`."""
        return [each.name for each in self.columns if f"{self.name}.{each.name}" in names]


def _arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(column.name, ARROW_TYPES[column.type]) for column in columns])


@dataclass(frozen=True)
class View:
    """A view that the published file carries over its tables.

    Attributes:
        name: the view's name, for ever.
        description: what a row is; becomes the view's comment.
        columns: name and meaning of each column, in order.
        sql: the query over the published tables.
        schema: the schema of the file that it is in.
    """

    name: str
    description: str
    columns: dict[str, str]
    sql: str
    schema: str = "main"

    @property
    def qualified_name(self) -> str:
        """Schema and name, as SQL has them."""
        return f'"{self.schema}"."{self.name}"'


@dataclass(frozen=True)
class Macro:
    """A table macro that the published file carries: a query with arguments.

    Attributes:
        name: the macro's name, for ever.
        description: what a row is; becomes the macro's comment.
        parameters: name and meaning of each argument, in order.
        columns: name and meaning of each column, in order.
        sql: the query over the published tables.
    """

    name: str
    description: str
    parameters: dict[str, str]
    columns: dict[str, str]
    sql: str
