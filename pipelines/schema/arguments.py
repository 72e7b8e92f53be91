"""Arguments of the table macros: names of assets, in any letter case, and their errors."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.schema.model import ColumnType, Macro, Table

# Stands in the SQL of a macro for the id of the published file that contains it.
FILE_ID = "<file>"
# Number of names or ids in an error.
_CANDIDATES = 5


@dataclass(frozen=True)
class Argument:
    """An argument that names one asset in each integration.

    Attributes:
        name: Name of the argument.
        noun: Noun for an asset.
        accepted: Description of the id and the names.
        names: SQL of all ids and names: `integration`, `id`, `label`, `name` and `is_first`, which
            is TRUE for those that are compared before the others.
    """

    name: str
    noun: str
    accepted: str
    names: str


def all_names(table: Table, names: tuple[str, ...], first: tuple[str, ...] = ()) -> str:
    """Return SQL with the key and all names of each row of an asset table.

    Args:
        table: Asset table.
        names: Columns with a name of the row.
        first: Those that are compared before the others, as the key is.
    """
    (key,) = table.key
    # Several times as fast as `unnest` of a list.
    rows = (
        f"""
    SELECT integration, {key} AS id, nullif({table.display_name(table.name)}, {key}) AS label,
        {name} AS name, {name in (key, *first)} AS is_first
    FROM main.{table.name}"""
        for name in (key, *names)
    )
    return " UNION ALL ".join(rows)


def resolved(arguments: tuple[Argument, ...]) -> str:
    """Return a subquery with the rows that the arguments name, to be the first in its FROM clause.

    For each argument, `<name>_integration` is an integration with a match, and `<name>_ids` are the
    keys of the matches there; both are NULL if there is no match at all.

    Only the innermost query, which sees no table, uses the arguments. An argument can be a column
    of the caller, and a table of the macro could have the same alias or a column of the same name.
    """
    given = ", ".join(f"CAST({a.name} AS TEXT) AS given_{a.name}" for a in arguments)
    sql = f"(SELECT {given})"
    for argument in arguments:
        name = argument.name
        sql = f"""(
    SELECT r.*, n.integration AS {name}_integration,
        list_sort(coalesce(
            list(DISTINCT n.id) FILTER (n.is_first), list(DISTINCT n.id) FILTER (NOT n.is_first)
        )) AS {name}_ids,
        list_sort(list(DISTINCT concat(n.id, ' (' || n.label || ')'))) AS {name}_candidates
    FROM {sql} r LEFT JOIN ({argument.names}) n ON lower(n.name) = lower(r.given_{name})
    GROUP BY ALL
)"""
    return sql


def _problem(macro: str, argument: Argument) -> str:
    """Return the cases of an argument that names no row, or several of one integration."""
    name, names = argument.name, f"({argument.names})"
    return f"""
        WHEN r.{name}_integration IS NULL THEN error(
            '{macro}: no {argument.noun} ''' || r.given_{name} || ''' in the inventory. '
            || 'Give its {argument.accepted}. The nearest: ' || coalesce((
                SELECT array_to_string(
                    arg_max(n.name || ' (' || n.integration || ')',
                        jaro_winkler_similarity(lower(n.name), lower(r.given_{name})),
                        {_CANDIDATES}),
                    ', '
                )
                FROM (SELECT DISTINCT integration, name FROM {names}) n
                WHERE r.{name}_integration IS NULL
            ), 'none')
        )
        WHEN len(r.{name}_ids) <> 1 THEN error(
            '{macro}: several {argument.noun}s are named ''' || r.given_{name} || ''' in '
            || r.{name}_integration || '. Give one of their ids: '
            || array_to_string(r.{name}_candidates[:{_CANDIDATES}], ', ')
        )"""


def build_macro(
    name: str,
    description: str,
    arguments: tuple[Argument, ...],
    columns: Mapping[str, tuple[ColumnType, str]],
    sql: str,
) -> Macro:
    """Return a macro that answers the query, or raises an error for an argument.

    Args:
        name: Name of the macro.
        description: Meaning of a row.
        arguments: Arguments of the macro.
        columns: Type and meaning of each column, by name.
        sql: Query with these columns.
    """
    parameters = {
        argument.name: f"{argument.accepted[0].upper()}{argument.accepted[1:]} of the "
        f"{argument.noun}, in any letter case"
        for argument in arguments
    }
    types = {column: type_ for column, (type_, _) in columns.items()}
    meanings = {column: meaning for column, (_, meaning) in columns.items()}
    sql = f"{sql}UNION ALL{_raising_query(name, arguments, types)}"
    return Macro(name, description, parameters, meanings, sql)


def _raising_query(
    macro: str, arguments: tuple[Argument, ...], types: Mapping[str, ColumnType]
) -> str:
    """Return a query without rows that raises an error for a problem of the arguments.

    A join that finds no row on one side does not read the other one, so the query of the paths
    cannot raise the errors. This one does, in every column: DuckDB would skip it for a condition of
    the caller on a constant, or for two conditions that one value cannot meet.
    """
    problems = "".join(_problem(macro, argument) for argument in arguments)
    nulls = " OR ".join(f"r.given_{argument.name} IS NULL" for argument in arguments)
    raising = ", ".join(f"(problem || '{column}')::{type_}" for column, type_ in types.items())
    return f"""
SELECT {raising}
FROM (
    SELECT CASE
        WHEN h.homes IS DISTINCT FROM [current_database()] THEN error(concat(
            '{macro}: the macro of ', array_to_string(h.homes, ' and '),
            ' would answer from the database in use, ', current_database(),
            '. USE the database of the macro, and attach no second copy of it'
        ))
        WHEN {nulls} THEN NULL{problems}
    END::TEXT AS problem
    FROM {resolved(arguments)} r, (
        SELECT list(database_name ORDER BY database_name) AS homes FROM duckdb_functions()
        WHERE function_name = '{macro}' AND contains(macro_definition, '{FILE_ID}')
    ) h
)
WHERE problem IS NOT NULL
"""
