"""The views of the data contract: relationships whose products are too large to be stored."""

from pipelines.schema.model import View
from pipelines.schema.tables import INTEGRATION, PATHS

SYSTEM_USERS_VIEW = View(
    "system_users",
    "Who is bound to which device through its system groups; whether a login works also depends "
    "on users.state",
    columns={
        "integration": INTEGRATION.description,
        "system_id": "Device",
        "user_id": "User who reaches it",
        "via_group_ids": "System groups that grant it",
        "sudo": "Whether one of those groups grants sudo; NULL where none says; users.global_admin "
        "grants it everywhere",
        "sudo_without_password": "Whether one of them grants sudo without a password",
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
    "Which applications are held by the users of which device",
    columns={
        "integration": INTEGRATION.description,
        "system_id": "Device",
        "application_id": "Application",
        "user_count": "Distinct users who reach the device and hold the application",
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
    "Which user holds which application, seen from the user",
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
