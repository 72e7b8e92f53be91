"""Table macros of the published file that explain access, with one row per path."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.schema.model import Macro, Table
from pipelines.schema.tables import APPLICATIONS, INTEGRATION, SYSTEMS, USER_GROUPS, USERS

# Stands in the SQL of a macro for the id of the published file that contains it.
FILE_ID = "<file>"
# Number of names or ids in an error.
_CANDIDATES = 5


@dataclass(frozen=True)
class _Argument:
    """An argument that names one row of an asset table in each integration.

    Attributes:
        name: Name of the argument.
        noun: Noun for a row.
        table: Asset table.
        names: Columns with a name of the row.
        first: Those that are compared before the others, as the key is.
        accepted: Description of the key and the names.
    """

    name: str
    noun: str
    table: Table
    names: tuple[str, ...]
    accepted: str
    first: tuple[str, ...] = ()


_USER = _Argument(
    "user",
    "user",
    USERS,
    ("username", "email", "display_name"),
    "id, username, e-mail address or display name",
)
_SYSTEM = _Argument(
    "system",
    "device",
    SYSTEMS,
    ("hostname", "display_name", "serial_number"),
    "id, host name, display name or serial number",
)
_APPLICATION = _Argument(
    "application",
    "application",
    APPLICATIONS,
    ("display_label", "display_name"),
    "id, display label or, if no label matches, display name",
    first=("display_label",),
)

_PATH = {
    "integration": INTEGRATION.description,
    "user_id": "User",
    "username": "Login name of the user",
    "user_group_id": "User group on the path; NULL if the user is bound directly",
}
_USER_GROUP_NAME = {"user_group_name": "Name of the user group; its id if the name is not known"}
_SYSTEM_PATH = _PATH | {
    "group_id": "System group on the path; NULL if the user or user group is bound to the device "
    "itself",
    "group_name": "Name of the system group",
    "system_id": "Device",
    "hostname": "Host name of the device",
    "binding_sudo": "TRUE if the binding of the user or user group to the system group or the "
    "device grants sudo; NULL if not set, or if bindings of that type are not pulled",
    "binding_sudo_without_password": "TRUE if that binding grants sudo without a password",
    "sudo": "TRUE if the user has sudo through the system group, on all paths through it combined; "
    "without a system group, through the binding",
    "sudo_without_password": "TRUE if the user has sudo without a password in this way",
    "global_admin": "TRUE if the user has sudo on all accessible devices, regardless of groups",
    "state": "STAGED, ACTIVATED or SUSPENDED; only an ACTIVATED user can log in",
    "global_admin_without_password": "TRUE if the user is a global administrator with sudo without "
    "a password",
    **_USER_GROUP_NAME,
}
_APPLICATION_PATH = _PATH | {
    "application_id": "Application",
    "application_name": "Display label, display name or name of the application",
    "state": _SYSTEM_PATH["state"],
    **_USER_GROUP_NAME,
}

_FLAGS = {
    "binding_sudo",
    "binding_sudo_without_password",
    "sudo",
    "sudo_without_password",
    "global_admin",
    "global_admin_without_password",
}

# A user may be bound directly and through several user groups; each of them is a path. If the API
# returned no path, the binding counts as direct.
_USER_GROUP_IDS = """
        unnest(CASE
            WHEN len(b.via_user_group_ids) = 0 THEN [NULL]
            WHEN b.direct THEN list_prepend(NULL, b.via_user_group_ids)
            ELSE b.via_user_group_ids
        END) AS user_group_id
"""

# What gives access to a device: a system group, a user group that is bound to the device, or the
# device itself, to which users are bound.
_SOURCES = """(
        SELECT integration, system_id, 'group' AS kind, group_id AS source_id,
            NULL::BOOLEAN AS sudo, NULL::BOOLEAN AS sudo_without_password
        FROM main.system_group_members
        UNION ALL
        SELECT integration, system_id, 'user_group', user_group_id, sudo, sudo_without_password
        FROM main.user_group_system_bindings
        UNION ALL
        SELECT integration, system_id, 'system', system_id, NULL, NULL FROM main.systems
    )"""
# The users whom a source gives access, with the user groups through which it does.
_HOLDERS = """(
        SELECT integration, 'group' AS kind, group_id AS source_id, user_id, direct,
            via_user_group_ids, sudo, sudo_without_password
        FROM main.system_group_users
        UNION ALL
        SELECT integration, 'user_group', user_group_id, user_id, FALSE, [user_group_id], NULL, NULL
        FROM main.user_group_members
        UNION ALL
        SELECT integration, 'system', system_id, user_id, TRUE, []::TEXT[], sudo,
            sudo_without_password
        FROM main.user_system_bindings
    )"""


def _names(argument: _Argument) -> str:
    """Return a subquery with the key and all names of each row of an asset table."""
    table = argument.table
    (key,) = table.key
    # Several times as fast as `unnest` of a list.
    rows = (
        f"""
    SELECT integration, {key} AS id, nullif({table.display_name(table.name)}, {key}) AS label,
        {name} AS name, {name in (key, *argument.first)} AS is_first
    FROM main.{table.name}"""
        for name in (key, *argument.names)
    )
    return f"({' UNION ALL '.join(rows)})"


def _resolved(arguments: tuple[_Argument, ...]) -> str:
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
    FROM {sql} r LEFT JOIN {_names(argument)} n ON lower(n.name) = lower(r.given_{name})
    GROUP BY ALL
)"""
    return sql


def _problem(macro: str, argument: _Argument) -> str:
    """Return the cases of an argument that names no row, or several of one integration."""
    name, names = argument.name, _names(argument)
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


def _macro(
    name: str,
    description: str,
    arguments: tuple[_Argument, ...],
    columns: dict[str, str],
    sql: str,
) -> Macro:
    """Return a macro that answers the query, or raises an error for an argument.

    Args:
        name: Name of the macro.
        description: Meaning of a row.
        arguments: Arguments of the macro.
        columns: Name and meaning of each column.
        sql: Query with these columns.
    """
    parameters = {
        argument.name: f"{argument.accepted[0].upper()}{argument.accepted[1:]} of the "
        f"{argument.noun}, in any letter case"
        for argument in arguments
    }
    sql = f"{sql}UNION ALL{_raising_query(name, arguments, columns)}"
    return Macro(name, description, parameters, columns, sql)


def _raising_query(macro: str, arguments: tuple[_Argument, ...], columns: Iterable[str]) -> str:
    """Return a query without rows that raises an error for a problem of the arguments.

    A join that finds no row on one side does not read the other one, so the query of the paths
    cannot raise the errors. This one does, in every column: DuckDB would skip it for a condition of
    the caller on a constant, or for two conditions that one value cannot meet.
    """
    problems = "".join(_problem(macro, argument) for argument in arguments)
    nulls = " OR ".join(f"r.given_{argument.name} IS NULL" for argument in arguments)
    raising = ", ".join(
        f"(problem || '{column}')::{'BOOLEAN' if column in _FLAGS else 'TEXT'}"
        for column in columns
    )
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
    FROM {_resolved(arguments)} r, (
        SELECT list(database_name ORDER BY database_name) AS homes FROM duckdb_functions()
        WHERE function_name = '{macro}' AND contains(macro_definition, '{FILE_ID}')
    ) h
)
WHERE problem IS NOT NULL
"""


def _system_macro(name: str, description: str, *arguments: _Argument) -> Macro:
    """Return a macro for the paths from users to devices."""
    # DuckDB 1.4.0 and 1.4.1 do not find the common table expressions of a stored macro.
    sql = f"""
SELECT p.integration, p.user_id, u.username, p.user_group_id, p.group_id, g.name AS group_name,
    p.system_id, p.hostname,
    CASE WHEN p.kind = 'group' THEN a.sudo ELSE p.sudo END AS binding_sudo,
    CASE WHEN p.kind = 'group' THEN a.sudo_without_password ELSE p.sudo_without_password END
        AS binding_sudo_without_password,
    p.sudo, p.sudo_without_password, u.global_admin, u.state,
    u.global_admin AND u.passwordless_sudo AS global_admin_without_password,
    coalesce({USER_GROUPS.display_name("n")}, p.user_group_id) AS user_group_name
FROM (
    SELECT s.integration, s.system_id, s.hostname, s.kind, b.user_id,
        CASE WHEN s.kind = 'group' THEN s.source_id END AS group_id, {_USER_GROUP_IDS},
        CASE WHEN s.kind = 'user_group' THEN s.sudo ELSE b.sudo END AS sudo,
        CASE WHEN s.kind = 'user_group' THEN s.sudo_without_password
            ELSE b.sudo_without_password END AS sudo_without_password
    FROM (
        SELECT r.*, s.integration, s.system_id, s.hostname, w.kind, w.source_id,
            w.sudo, w.sudo_without_password
        FROM {_resolved(arguments)} r
        JOIN main.systems s
            ON s.integration = r.system_integration AND s.system_id = r.system_ids[1]
        JOIN {_SOURCES} w ON w.integration = s.integration AND w.system_id = s.system_id
        WHERE len(r.system_ids) = 1
    ) s
    JOIN {_HOLDERS} b
        ON b.integration = s.integration AND b.kind = s.kind AND b.source_id = s.source_id
    {_user_filter(arguments)}
) p
JOIN main.users u ON u.integration = p.integration AND u.user_id = p.user_id
LEFT JOIN main.system_groups g ON g.integration = p.integration AND g.group_id = p.group_id
LEFT JOIN main.user_groups n ON n.integration = p.integration AND n.user_group_id = p.user_group_id
LEFT JOIN main.system_group_associations a
    ON a.integration = p.integration AND a.group_id = p.group_id
    AND a.target_type = CASE WHEN p.user_group_id IS NULL THEN 'user' ELSE 'user_group' END
    AND a.target_id = coalesce(p.user_group_id, p.user_id)
"""
    return _macro(name, description, arguments, _SYSTEM_PATH, sql)


def _application_macro(name: str, description: str, *arguments: _Argument) -> Macro:
    """Return a macro for the paths from users to applications."""
    sql = f"""
SELECT p.integration, p.user_id, u.username, p.user_group_id, p.application_id,
    p.application_name, u.state,
    coalesce({USER_GROUPS.display_name("n")}, p.user_group_id) AS user_group_name
FROM (
    SELECT s.*, b.user_id, {_USER_GROUP_IDS}
    FROM (
        SELECT r.*, a.integration, a.application_id,
            {APPLICATIONS.display_name("a")} AS application_name
        FROM {_resolved(arguments)} r
        JOIN main.applications a
            ON a.integration = r.application_integration
            AND a.application_id = r.application_ids[1]
        WHERE len(r.application_ids) = 1
    ) s
    JOIN main.application_users b USING (integration, application_id)
    {_user_filter(arguments)}
) p
JOIN main.users u USING (integration, user_id)
LEFT JOIN main.user_groups n USING (integration, user_group_id)
"""
    return _macro(name, description, arguments, _APPLICATION_PATH, sql)


def _user_filter(arguments: tuple[_Argument, ...]) -> str:
    """Return the condition that a binding is that of the user, if the macro has that argument."""
    condition = "s.user_integration = b.integration AND s.user_ids = [b.user_id]"
    return f"WHERE {condition}" if _USER in arguments else ""


MACROS = (
    _system_macro(
        "access_paths",
        "Paths from a user to a device: user, user group, system group, device; without a group "
        "where the user or user group is bound to the device itself",
        _USER,
        _SYSTEM,
    ),
    _system_macro(
        "system_access", "Users with access to a device, and the paths that grant it", _SYSTEM
    ),
    _application_macro(
        "application_access_paths",
        "Paths from a user to an application: user, user group, application",
        _USER,
        _APPLICATION,
    ),
    _application_macro(
        "application_access",
        "Users with access to an application, and the paths that grant it",
        _APPLICATION,
    ),
)
