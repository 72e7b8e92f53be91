"""SQL that creates an empty file of the data contract, with comments on everything."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipelines.schema.model import Column, Macro, Table, View
from pipelines.sql import quoted


def ddl_statements(
    tables: Sequence[Table], views: Sequence[View], macros: Iterable[Macro]
) -> Iterator[str]:
    """Yield SQL, in order: schemas, tables, views, macros, each with its comments."""
    schemas = [*(table.schema for table in tables), *(view.schema for view in views)]
    for schema in dict.fromkeys(schemas):
        yield f'CREATE SCHEMA IF NOT EXISTS "{schema}"'
    for table in tables:
        columns = ", ".join(map(_definition, table.published_columns))
        yield f"CREATE TABLE {table.qualified_name} ({columns})"
        descriptions = {column.name: column.description for column in table.published_columns}
        yield from _comments("TABLE", table.qualified_name, table.description, descriptions)
    for view in views:
        yield f"CREATE VIEW {view.qualified_name} AS {view.sql}"
        yield from _comments("VIEW", view.qualified_name, view.description, view.columns)
    for macro in macros:
        parameters = ", ".join(macro.parameters)
        yield f'CREATE MACRO "{macro.name}"({parameters}) AS TABLE {macro.sql}'
        yield f'COMMENT ON MACRO TABLE "{macro.name}" IS {quoted(macro.description)}'


def _definition(column: Column) -> str:
    # `changes` grows with the history: zstd compresses these columns best and fastest.
    is_long = column.type == "JSON" or column.name == "asset_id"
    compression = " USING COMPRESSION zstd" if is_long else ""
    return f'"{column.name}" {column.type}{compression}'


def _comments(kind: str, name: str, description: str, columns: Mapping[str, str]) -> Iterator[str]:
    yield f"COMMENT ON {kind} {name} IS {quoted(description)}"
    for column, meaning in columns.items():
        yield f'COMMENT ON COLUMN {name}."{column}" IS {quoted(meaning)}'
