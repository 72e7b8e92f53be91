"""The statements that make an empty file of the data contract, with the meaning of everything."""

from collections.abc import Iterable, Iterator, Mapping

from pipelines.load.quoting import quoted
from pipelines.schema import Column, Table, View


def statements(tables: Iterable[Table], views: Iterable[View]) -> Iterator[str]:
    """SQL, in order: each table, then each view, with comments on it and its columns."""
    for table in tables:
        columns = ", ".join(map(_definition, table.published_columns))
        yield f'CREATE TABLE "{table.name}" ({columns})'
        meanings = {each.name: each.description for each in table.published_columns}
        yield from _comments("TABLE", table.name, table.description, meanings)
    for view in views:
        yield f'CREATE VIEW "{view.name}" AS {view.sql}'
        yield from _comments("VIEW", view.name, view.description, view.columns)


def _definition(column: Column) -> str:
    # Changes grow with the history: of all compressions this one makes them smallest, and soonest.
    is_long = column.type == "JSON" or column.name == "asset_id"
    compression = " USING COMPRESSION zstd" if is_long else ""
    return f'"{column.name}" {column.type}{compression}'


def _comments(kind: str, name: str, description: str, columns: Mapping[str, str]) -> Iterator[str]:
    yield f'COMMENT ON {kind} "{name}" IS {quoted(description)}'
    for column, meaning in columns.items():
        yield f'COMMENT ON COLUMN "{name}"."{column}" IS {quoted(meaning)}'
