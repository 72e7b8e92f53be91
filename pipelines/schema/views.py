"""Views of the data contract: relationships that would be too large to store as tables."""

from pipelines.schema.model import View
from pipelines.schema.tables import INTEGRATION, PATH_NAMES, PATHS

# Each way in which a user is bound to a device, one row per way. A subquery instead of a common
# table expression: DuckDB 1.4.0 and 1.4.1 do not find a nested one in a stored view.
_WAYS = """(
    SELECT m.integration, m.system_id, u.user_id, m.group_id,
        NULL::TEXT AS user_group_id, NULL::TEXT AS user_group_name,
        u.sudo, u.sudo_without_password
    FROM system_group_members m
    JOIN system_group_users u USING (integration, group_id)
    UNION ALL
    SELECT integration, system_id, user_id, NULL, NULL, NULL, sudo, sudo_without_password
    FROM user_system_bindings
    UNION ALL
    SELECT b.integration, b.system_id, m.user_id, NULL, b.user_group_id, b.user_group_name,
        b.sudo, b.sudo_without_password
    FROM user_group_system_bindings b
    JOIN user_group_members m USING (integration, user_group_id)
)"""


def _set(column: str) -> str:
    """Return SQL of the distinct values of a column that are not NULL, sorted."""
    return f"coalesce(list_sort(list(DISTINCT {column}) FILTER ({column} IS NOT NULL)), [])"


SYSTEM_USERS_VIEW = View(
    "system_users",
    "Users bound to devices, in any way that the pull asked for (integrations.direct_bindings); "
    "only an ACTIVATED user (users.state) can log in",
    columns={
        "integration": INTEGRATION.description,
        "system_id": "Device",
        "user_id": "User bound to the device",
        "via_group_ids": "System groups that grant the access; empty if none does",
        "sudo": "TRUE if one of the ways grants sudo; NULL if not set; users.global_admin "
        "grants sudo on all accessible devices",
        "sudo_without_password": "TRUE if one of the ways grants sudo without a password",
        "direct": "TRUE if the user is bound directly to the device, without any group",
        "via_user_group_ids": "User groups of the user that are bound directly to the device; "
        "those on the way to a system group are in system_group_users",
        "via_user_group_names": "Names of those user groups; an id where the name is not known",
    },
    sql=f"""
SELECT integration, system_id, user_id,
       {_set("group_id")} AS via_group_ids,
       bool_or(sudo) AS sudo,
       bool_or(sudo_without_password) AS sudo_without_password,
       bool_or(group_id IS NULL AND user_group_id IS NULL) AS direct,
       {_set("user_group_id")} AS via_user_group_ids,
       {_set("user_group_name")} AS via_user_group_names
FROM {_WAYS}
GROUP BY ALL
""",
)
SYSTEM_APPLICATIONS_VIEW = View(
    "system_applications",
    "Applications that the users of a device are bound to",
    columns={
        "integration": INTEGRATION.description,
        "system_id": "Device",
        "application_id": "Application",
        "user_count": "Distinct users bound to both the device and the application, in any state",
    },
    sql=f"""
SELECT w.integration, w.system_id, a.application_id, count(DISTINCT w.user_id) AS user_count
FROM {_WAYS} w
JOIN application_users a USING (integration, user_id)
GROUP BY ALL
""",
)
USER_APPLICATIONS_VIEW = View(
    "user_applications",
    "Applications that a user is bound to",
    columns={
        "integration": INTEGRATION.description,
        "user_id": "User",
        "application_id": "Application",
        "direct": PATHS[0].description,
        "via_user_group_ids": PATHS[1].description,
        "via_user_group_names": PATH_NAMES.description,
    },
    sql="""
SELECT integration, user_id, application_id, direct, via_user_group_ids, via_user_group_names
FROM application_users
""",
)
VIEWS = (SYSTEM_USERS_VIEW, SYSTEM_APPLICATIONS_VIEW, USER_APPLICATIONS_VIEW)
