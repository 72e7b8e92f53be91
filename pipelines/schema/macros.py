"""Table macros of the published file that explain access, with one row per path."""

from collections.abc import Mapping

from pipelines.schema.model import Macro
from pipelines.schema.tables import INTEGRATION

_USER = {"user": "Id or username of the user"}
_SYSTEM = {"system": "Id or host name of the device; a name matches all devices that have it"}
_APPLICATION = {"application": "Id or display label of the application"}

_PATH = {
    "integration": INTEGRATION.description,
    "user_id": "User",
    "username": "Login name of the user",
    "user_group_id": "User group on the path; NULL if the user is bound directly",
}
_SYSTEM_PATH = _PATH | {
    "group_id": "System group on the path",
    "group_name": "Name of the system group",
    "system_id": "Device",
    "hostname": "Host name of the device",
    "binding_sudo": "TRUE if the binding of the user or user group to the system group grants "
    "sudo; NULL if not set, or if bindings of that type are not pulled",
    "binding_sudo_without_password": "TRUE if that binding grants sudo without a password",
    "sudo": "TRUE if the user has sudo through the system group, on all paths combined",
    "sudo_without_password": "TRUE if the user has sudo without a password through the group",
    "global_admin": "TRUE if the user has sudo on all accessible devices, regardless of groups",
    "state": "STAGED, ACTIVATED or SUSPENDED; only an ACTIVATED user can log in",
    "global_admin_without_password": "TRUE if the user is a global administrator with sudo without "
    "a password",
}
_APPLICATION_PATH = _PATH | {
    "application_id": "Application",
    "application_name": "Display label of the application",
    "state": _SYSTEM_PATH["state"],
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


def _given(parameters: Mapping[str, str]) -> str:
    """Return a subquery with the arguments of the macro, to be the first in its FROM clause.

    Only this query, which sees no table, uses the arguments. An argument can be a column of the
    caller, and a table of the macro could have the same alias or a column of the same name.
    """
    return f"(SELECT {', '.join(f'{name} AS given_{name}' for name in parameters)}) given"


def _user_filter(parameters: Mapping[str, str]) -> str:
    return "WHERE p.given_user IN (u.user_id, u.username)" if "user" in parameters else ""


def _system_macro(name: str, description: str, parameters: dict[str, str]) -> Macro:
    """Return a macro for the paths from users to devices."""
    # DuckDB 1.4.0 and 1.4.1 find no stored common table expression of a macro.
    sql = f"""
SELECT p.integration, p.user_id, u.username, p.user_group_id, p.group_id, g.name AS group_name,
    p.system_id, p.hostname,
    a.sudo AS binding_sudo, a.sudo_without_password AS binding_sudo_without_password,
    p.sudo, p.sudo_without_password, u.global_admin, u.state,
    u.global_admin AND u.passwordless_sudo AS global_admin_without_password
FROM (
    SELECT r.*, b.user_id, b.sudo, b.sudo_without_password, {_USER_GROUP_IDS}
    FROM (
        SELECT given.*, s.integration, s.system_id, s.hostname, unnest(s.group_ids) AS group_id
        FROM {_given(parameters)}
        JOIN main.systems s ON s.system_id = given_system OR s.hostname = given_system
    ) r
    JOIN main.system_group_users b USING (integration, group_id)
) p
JOIN main.users u USING (integration, user_id)
JOIN main.system_groups g USING (integration, group_id)
LEFT JOIN main.system_group_associations a
    ON a.integration = p.integration AND a.group_id = p.group_id
    AND a.target_type = CASE WHEN p.user_group_id IS NULL THEN 'user' ELSE 'user_group' END
    AND a.target_id = coalesce(p.user_group_id, p.user_id)
{_user_filter(parameters)}
"""
    return Macro(name, description, parameters, _SYSTEM_PATH, sql)


def _application_macro(name: str, description: str, parameters: dict[str, str]) -> Macro:
    """Return a macro for the paths from users to applications."""
    sql = f"""
SELECT p.integration, p.user_id, u.username, p.user_group_id, p.application_id,
    p.application_name, u.state
FROM (
    SELECT m.*, b.user_id, {_USER_GROUP_IDS}
    FROM (
        SELECT given.*, a.integration, a.application_id, a.display_label AS application_name
        FROM {_given(parameters)}
        JOIN main.applications a
            ON a.application_id = given_application OR a.display_label = given_application
    ) m
    JOIN main.application_users b USING (integration, application_id)
) p
JOIN main.users u USING (integration, user_id)
{_user_filter(parameters)}
"""
    return Macro(name, description, parameters, _APPLICATION_PATH, sql)


MACROS = (
    _system_macro(
        "access_paths",
        "Paths from a user to a device: user, user group, system group, device",
        _USER | _SYSTEM,
    ),
    _system_macro(
        "system_access", "Users with access to a device, and the paths that grant it", _SYSTEM
    ),
    _application_macro(
        "application_access_paths",
        "Paths from a user to an application: user, user group, application",
        _USER | _APPLICATION,
    ),
    _application_macro(
        "application_access",
        "Users with access to an application, and the paths that grant it",
        _APPLICATION,
    ),
)
