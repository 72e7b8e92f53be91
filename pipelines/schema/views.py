"""Views of the data contract: relationships that would be too large to store as tables."""

from pipelines.schema.model import View
from pipelines.schema.tables import INTEGRATION, PATHS

SYSTEM_USERS_VIEW = View(
    "system_users",
    "Users bound to devices through system groups; only an ACTIVATED user (users.state) can log in",
    columns={
        "integration": INTEGRATION.description,
        "system_id": "Device",
        "user_id": "User bound to a group of the device",
        "via_group_ids": "System groups that grant the access",
        "sudo": "TRUE if one of those groups grants sudo; NULL if not set; users.global_admin "
        "grants sudo on all accessible devices",
        "sudo_without_password": "TRUE if one of those groups grants sudo without a password",
    },
    sql="""
SELECT m.integration, m.system_id, u.user_id,
       list_sort(list_distinct(list(m.group_id))) AS via_group_ids,
       bool_or(u.sudo) AS sudo,
       bool_or(u.sudo_without_password) AS sudo_without_password
FROM system_group_members m
JOIN system_group_users u USING (integration, group_id)
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
    sql="""
SELECT m.integration, m.system_id, a.application_id, count(DISTINCT u.user_id) AS user_count
FROM system_group_members m
JOIN system_group_users u USING (integration, group_id)
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
    },
    sql="""
SELECT integration, user_id, application_id, direct, via_user_group_ids
FROM application_users
""",
)
VIEWS = (SYSTEM_USERS_VIEW, SYSTEM_APPLICATIONS_VIEW, USER_APPLICATIONS_VIEW)
