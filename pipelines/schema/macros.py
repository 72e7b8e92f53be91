"""The table macros of the published file: who reaches what, one row for each path."""

from pipelines.schema.model import Macro
from pipelines.schema.tables import INTEGRATION

_USER = {"user": "Id or username of the user"}
_SYSTEM = {"system": "Id or host name of the device; of several with that name, each"}
_APPLICATION = {"application": "Id or display label of the application"}

# Only a query without tables names the arguments: what is given may be a column of the caller's,
# and a table of ours could have one of that name.
_GIVEN_USER = "user AS given_user"
_GIVEN_SYSTEM = "system AS given_system"
_GIVEN_APPLICATION = "application AS given_application"
_THIS_USER = """
    WHERE (b.integration, b.user_id) IN (
        SELECT (u.integration, u.user_id) FROM main.users u
        JOIN given ON u.user_id = given_user OR u.username = given_user
    )
"""

_PATH = {
    "integration": INTEGRATION.description,
    "user_id": "User",
    "username": "Login name of the user",
    "user_group_id": "User group on the path; NULL where the user is bound itself",
}
_SYSTEM_PATH = _PATH | {
    "group_id": "System group on the path",
    "group_name": "Name of the system group",
    "system_id": "Device",
    "hostname": "Host name of the device",
    "binding_sudo": "Whether the binding of the user, or of the user group, to the system group "
    "grants sudo; NULL where it says nothing, or bindings of that type are not pulled",
    "binding_sudo_without_password": "Whether that binding grants sudo without a password",
    "sudo": "Whether the user has sudo through the system group, by all paths together",
    "sudo_without_password": "Whether the user has sudo without a password through the group",
    "global_admin": "Whether the user has sudo everywhere it reaches, whatever its groups say",
    "state": "STAGED, ACTIVATED or SUSPENDED: only an activated user can log in",
    "global_admin_without_password": "Whether the user has that sudo of a global administrator, "
    "and without a password",
}
_APPLICATION_PATH = _PATH | {
    "application_id": "Application",
    "application_name": "Its display label",
    "state": _SYSTEM_PATH["state"],
}

# A user may be bound itself and through several user groups: each is a path. Where the API told of
# no path, the binding still is one.
_WAYS = """
        unnest(CASE
            WHEN len(b.via_user_group_ids) = 0 THEN [NULL]
            WHEN b.direct THEN list_prepend(NULL, b.via_user_group_ids)
            ELSE b.via_user_group_ids
        END) AS user_group_id
"""


def _system_paths(given: str, of_user: str) -> str:
    return f"""
WITH given AS (SELECT {given}),
reached AS (
    SELECT s.integration, s.system_id, s.hostname, unnest(s.group_ids) AS group_id
    FROM main.systems s JOIN given ON s.system_id = given_system OR s.hostname = given_system
),
paths AS (
    SELECT r.*, b.user_id, b.sudo, b.sudo_without_password, {_WAYS}
    FROM reached r JOIN main.system_group_users b USING (integration, group_id)
    {of_user}
)
SELECT p.integration, p.user_id, u.username, p.user_group_id, p.group_id, g.name AS group_name,
    p.system_id, p.hostname,
    a.sudo AS binding_sudo, a.sudo_without_password AS binding_sudo_without_password,
    p.sudo, p.sudo_without_password, u.global_admin, u.state,
    u.global_admin AND u.passwordless_sudo AS global_admin_without_password
FROM paths p
JOIN main.users u USING (integration, user_id)
JOIN main.system_groups g USING (integration, group_id)
LEFT JOIN main.system_group_associations a
    ON a.integration = p.integration AND a.group_id = p.group_id
    AND a.target_type = CASE WHEN p.user_group_id IS NULL THEN 'user' ELSE 'user_group' END
    AND a.target_id = coalesce(p.user_group_id, p.user_id)
"""


def _application_paths(given: str, of_user: str) -> str:
    return f"""
WITH given AS (SELECT {given}),
held AS (
    SELECT a.integration, a.application_id, a.display_label AS application_name
    FROM main.applications a
    JOIN given ON a.application_id = given_application OR a.display_label = given_application
),
paths AS (
    SELECT h.*, b.user_id, {_WAYS}
    FROM held h JOIN main.application_users b USING (integration, application_id)
    {of_user}
)
SELECT p.integration, p.user_id, u.username, p.user_group_id, p.application_id,
    p.application_name, u.state
FROM paths p JOIN main.users u USING (integration, user_id)
"""


MACROS = (
    Macro(
        "access_paths",
        "Every path by which a user reaches a device: user, user group, system group, device",
        _USER | _SYSTEM,
        _SYSTEM_PATH,
        _system_paths(f"{_GIVEN_USER}, {_GIVEN_SYSTEM}", _THIS_USER),
    ),
    Macro(
        "system_access",
        "Who reaches a device, and by which paths",
        _SYSTEM,
        _SYSTEM_PATH,
        _system_paths(_GIVEN_SYSTEM, ""),
    ),
    Macro(
        "application_access_paths",
        "Every path by which a user holds an application: user, user group, application",
        _USER | _APPLICATION,
        _APPLICATION_PATH,
        _application_paths(f"{_GIVEN_USER}, {_GIVEN_APPLICATION}", _THIS_USER),
    ),
    Macro(
        "application_access",
        "Who holds an application, and by which paths",
        _APPLICATION,
        _APPLICATION_PATH,
        _application_paths(_GIVEN_APPLICATION, ""),
    ),
)
