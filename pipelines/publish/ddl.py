"""The statements that make an empty file of the data contract, with the meaning of everything."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipelines.schema.model import Column, Macro, Table, View
from pipelines.sql import quoted


def statements(
    tables: Sequence[Table], views: Sequence[View], macros: Iterable[Macro]
) -> Iterator[str]:
    """SQL, in order: schemas, tables, views with comments on them and their columns, macros."""
    for schema in dict.fromkeys([each.schema for each in tables] + [each.schema for each in views]):
        yield f'CREATE SCHEMA IF NOT EXISTS "{schema}"'
    for table in tables:
        columns = ", ".join(map(_definition, table.published_columns))
        yield f"CREATE TABLE {table.qualified_name} ({columns})"
        meanings = {each.name: each.description for each in table.published_columns}
        yield from _comments("TABLE", table.qualified_name, table.description, meanings)
    for view in views:
        yield f"CREATE VIEW {view.qualified_name} AS {view.sql}"
        yield from _comments("VIEW", view.qualified_name, view.description, view.columns)
    for macro in macros:
        parameters = ", ".join(macro.parameters)
        yield f'CREATE MACRO "{macro.name}"({parameters}) AS TABLE {macro.sql}'
        yield f'COMMENT ON MACRO TABLE "{macro.name}" IS {quoted(macro.description)}'


def _definition(column: Column) -> str:
    # Changes grow with the history: of all compressions this one makes them smallest, and soonest.
    is_long = column.type == "JSON" or column.name == "asset_id"
    compression = " USING COMPRESSION zstd" if is_long else ""
    return f'"{column.name}" {column.type}{compression}'


def _comments(kind: str, name: str, description: str, columns: Mapping[str, str]) -> Iterator[str]:
    yield f"COMMENT ON {kind} {name} IS {quoted(description)}"
    for column, meaning in columns.items():
        yield f'COMMENT ON COLUMN {name}."{column}" IS {quoted(meaning)}'
