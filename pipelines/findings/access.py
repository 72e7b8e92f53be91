"""The sudo that users have through system groups, and through bindings outside them."""

from pipelines.findings.model import SCHEMA
from pipelines.schema.model import View

SUDO_GRANTS = View(
    "sudo_grants",
    "Bindings by which users have sudo on devices; without global administrators, who need none",
    columns={
        "integration": "Name of the integration",
        "user_id": "User with sudo",
        "sudo_group_ids": "System groups with devices on which the user has sudo",
        "sudo_system_ids": "Devices to which the user is bound directly, with sudo",
        "sudo_user_groups": "Names of the user's groups that are bound directly to a device, with "
        "sudo",
    },
    sql="""
WITH granted AS (
    SELECT s.integration, s.user_id, list_sort(list(s.group_id)) AS group_ids
    FROM main.system_group_users s
    JOIN main.system_groups g USING (integration, group_id)
    WHERE s.sudo AND g.system_count > 0
    GROUP BY ALL
),
direct AS (
    SELECT integration, user_id,
        list_sort(list(DISTINCT system_id) FILTER (user_group_name IS NULL)) AS system_ids,
        list_sort(list(DISTINCT user_group_name) FILTER (user_group_name IS NOT NULL))
            AS user_groups
    FROM (
        SELECT integration, user_id, system_id, NULL AS user_group_name
        FROM main.user_system_bindings WHERE sudo
        UNION ALL
        SELECT b.integration, m.user_id, b.system_id, b.user_group_name
        FROM main.user_group_system_bindings b
        JOIN main.user_group_members m USING (integration, user_group_id)
        WHERE b.sudo
    )
    GROUP BY ALL
)
SELECT integration, user_id, coalesce(g.group_ids, []) AS sudo_group_ids,
    coalesce(d.system_ids, []) AS sudo_system_ids, coalesce(d.user_groups, []) AS sudo_user_groups
FROM granted g FULL JOIN direct d USING (integration, user_id)
""",
    schema=SCHEMA,
)
