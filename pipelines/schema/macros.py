"""Table macros of the published file that explain access, with one row per path."""

from pipelines.schema.arguments import Argument, all_names, build_macro, resolved
from pipelines.schema.model import ColumnType, Macro
from pipelines.schema.tables import APPLICATIONS, INTEGRATION, SYSTEMS, USER_GROUPS, USERS
from pipelines.schema.timeline import TIMELINE

_USER = Argument(
    "user",
    "user",
    "id, username, e-mail address or display name",
    all_names(USERS, ("username", "email", "display_name")),
)
_SYSTEM = Argument(
    "system",
    "device",
    "id, host name, display name or serial number",
    all_names(SYSTEMS, ("hostname", "display_name", "serial_number")),
)
_APPLICATION = Argument(
    "application",
    "application",
    "id, display label or, if no label matches, display name",
    all_names(APPLICATIONS, ("display_label", "display_name"), first=("display_label",)),
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


def _system_macro(name: str, description: str, *arguments: Argument) -> Macro:
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
        FROM {resolved(arguments)} r
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
    return build_macro(name, description, arguments, _typed(_SYSTEM_PATH), sql)


def _application_macro(name: str, description: str, *arguments: Argument) -> Macro:
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
        FROM {resolved(arguments)} r
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
    return build_macro(name, description, arguments, _typed(_APPLICATION_PATH), sql)


def _typed(columns: dict[str, str]) -> dict[str, tuple[ColumnType, str]]:
    """Return the columns of a path with their types."""
    return {
        name: ("BOOLEAN" if name in _FLAGS else "TEXT", meaning)
        for name, meaning in columns.items()
    }


def _user_filter(arguments: tuple[Argument, ...]) -> str:
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
    TIMELINE,
)
