"""Findings of devices: which are unsafe, forgotten, or nobody's."""

from pipelines.findings.model import Finding, began

UNENCRYPTED_SYSTEMS_OF_PRIVILEGED_USERS = Finding(
    name="unencrypted_systems_of_privileged_users",
    title="Devices without disk encryption that privileged users use",
    severity="high",
    asset_type="systems",
    why="Whoever finds or steals the device reads what is on its disk: the keys, sessions and "
    "passwords of someone with sudo. Where the primary user is known, that one counts, as a global "
    "administrator or with sudo on this device, not on others; where none is known, whoever has "
    "sudo on the device through a group.",
    remedy="Switch on FileVault, BitLocker or LUKS, by a policy on the device's groups. Until "
    "then, change the primary user's keys if the device is lost.",
    evidence={
        "primary_user_id": "its primary user, if known: a global administrator, or with sudo on it",
        "sudo_group_ids": "its groups through which someone has sudo on it",
    },
    since="When its disk was seen to be no longer encrypted; later, if since then it got or lost "
    "the primary user, joined the groups that the evidence names, or the sudo was granted",
    needs=("systems",),
    sql="""
WITH bound AS (
    SELECT integration, asset_id, max(observed_at) FILTER (change = 'added') AS bound_at,
        max(observed_at) FILTER (column_name = 'sudo' AND new_value = 'true') AS sudo_at
    FROM main.changes WHERE asset_type = 'system_group_users' GROUP BY ALL
),
administrators AS (
    SELECT integration, asset_id AS user_id, max(observed_at) AS admin_at
    FROM main.changes
    WHERE asset_type = 'users'
        AND (change = 'added' OR column_name = 'global_admin' AND new_value = 'true')
    GROUP BY ALL
),
granted AS (
    SELECT s.integration, s.group_id, s.user_id,
        greatest(
            g.first_seen_at, b.bound_at,
            least(
                CASE WHEN s.sudo THEN coalesce(b.sudo_at, g.first_seen_at) END,
                CASE WHEN u.global_admin THEN coalesce(a.admin_at, g.first_seen_at) END
            )
        ) AS granted_at
    FROM main.system_group_users s
    JOIN main.users u USING (integration, user_id)
    JOIN main.system_groups g USING (integration, group_id)
    LEFT JOIN administrators a USING (integration, user_id)
    LEFT JOIN bound b
        ON b.integration = s.integration AND b.asset_id = s.group_id || '/' || s.user_id
    WHERE s.sudo OR u.global_admin
),
sudo_groups AS (
    SELECT integration, group_id, min(granted_at) AS granted_at FROM granted GROUP BY ALL
),
unencrypted AS (
    SELECT s.*, u.user_id IS NOT NULL AS is_owned,
        CASE WHEN u.global_admin THEN greatest(u.first_seen_at, a.admin_at) END AS admin_at
    FROM main.systems s
    LEFT JOIN main.users u
        ON u.integration = s.integration AND u.user_id = s.primary_user_id
    LEFT JOIN administrators a
        ON a.integration = s.integration AND a.user_id = s.primary_user_id
    WHERE s.disk_encrypted = FALSE
),
joined AS (
    SELECT integration, split_part(asset_id, '/', 1) AS group_id,
        split_part(asset_id, '/', 2) AS system_id, max(observed_at) AS joined_at
    FROM main.changes WHERE asset_type = 'system_group_members' AND change = 'added'
    GROUP BY ALL
),
placed AS (
    SELECT integration, system_id, primary_user_id, group_id, joined_at
    FROM (SELECT *, unnest(group_ids) AS group_id FROM unencrypted)
    LEFT JOIN joined USING (integration, group_id, system_id)
),
own AS (
    SELECT p.integration, p.system_id, min(greatest(g.granted_at, p.joined_at)) AS own_at
    FROM placed p JOIN granted g
        ON g.integration = p.integration AND g.group_id = p.group_id
        AND g.user_id = p.primary_user_id
    GROUP BY ALL
),
reached AS (
    SELECT integration, system_id, list_sort(list(group_id)) AS sudo_group_ids,
        min(greatest(granted_at, joined_at)) AS reached_at
    FROM placed JOIN sudo_groups USING (integration, group_id)
    GROUP BY ALL
),
lost AS (
    SELECT integration, asset_id AS user_id, max(observed_at) AS lost_at
    FROM main.changes WHERE asset_type = 'users' AND change = 'removed'
    GROUP BY ALL
),
began AS (
    SELECT integration, asset_id AS system_id,
        max(observed_at) FILTER (change = 'added') AS added_at,
        max(observed_at) FILTER (column_name = 'disk_encrypted') AS unencrypted_at,
        max(observed_at) FILTER (column_name = 'primary_user_id') AS primary_at
    FROM main.changes
    WHERE asset_type = 'systems' AND column_name IN ('', 'disk_encrypted', 'primary_user_id')
    GROUP BY ALL
)
SELECT u.integration, 'systems' AS asset_type, u.system_id AS asset_id,
    coalesce(u.hostname, u.system_id) AS asset_name,
    json_object('primary_user_id', CASE WHEN u.is_owned THEN u.primary_user_id END,
        'sudo_group_ids', coalesce(r.sudo_group_ids, [])) AS evidence,
    greatest(
        u.first_seen_at, b.added_at, b.unencrypted_at, b.primary_at,
        CASE WHEN u.is_owned THEN least(u.admin_at, o.own_at)
            ELSE greatest(r.reached_at, l.lost_at) END
    ) AS since
FROM unencrypted u
LEFT JOIN own o USING (integration, system_id)
LEFT JOIN reached r USING (integration, system_id)
LEFT JOIN began b USING (integration, system_id)
LEFT JOIN lost l ON l.integration = u.integration AND l.user_id = u.primary_user_id
WHERE u.admin_at IS NOT NULL OR o.system_id IS NOT NULL
    OR NOT u.is_owned AND r.system_id IS NOT NULL
""",
)

STALE_SYSTEMS_WITH_ACCESS = Finding(
    name="stale_systems_with_access",
    title="Devices without contact for long that people still reach through a group",
    severity="medium",
    asset_type="systems",
    why="A device that is off, lost or no longer managed gets no policy and no revocation, yet its "
    "accounts still work on it.",
    remedy="Find the device. If it is gone, delete it in JumpCloud; if not, mend its agent. A "
    "device that was never seen to check in is not told: that may be unknown.",
    evidence={
        "days_without_contact": "whole days from its last contact to the start of the pull",
        "last_contact_at": "its last contact, UTC",
        "user_count": "users who reach it through its groups",
    },
    since="`stale_days` after its last contact; later, if only then someone was seen to reach it",
    needs=("systems",),
    sql="""
WITH ages AS (
    SELECT s.integration, s.system_id, s.hostname, s.last_contact_at, s.user_count,
        -- In microseconds: days of an interval would depend on the reader's time zone.
        epoch_us(n.started_at) - epoch_us(s.last_contact_at) AS age,
        86_400_000_000 AS day, t.stale_days
    FROM main.systems s
    JOIN main.integrations i USING (integration)
    JOIN main.snapshots n
        ON n.integration = i.integration AND n.snapshot_id = i.last_snapshot_id
    JOIN findings.thresholds t ON t.integration = i.integration
    WHERE s.user_count > 0
),
reached AS (
    SELECT integration, asset_id AS system_id, max(observed_at) AS reached_at
    FROM main.changes
    WHERE asset_type = 'systems' AND column_name = 'user_count' AND old_value = '0'
    GROUP BY ALL
)
SELECT a.integration, 'systems' AS asset_type, a.system_id AS asset_id,
    coalesce(a.hostname, a.system_id) AS asset_name,
    json_object('days_without_contact', a.age // a.day,
        'last_contact_at',
        strftime(make_timestamp(epoch_us(a.last_contact_at)), '%Y-%m-%dT%H:%M:%SZ'),
        'user_count', a.user_count) AS evidence,
    greatest(a.last_contact_at + to_hours(24 * a.stale_days), r.reached_at) AS since
FROM ages a LEFT JOIN reached r USING (integration, system_id)
WHERE a.age > a.stale_days * a.day
""",
)

SYSTEMS_WITHOUT_USERS = Finding(
    name="systems_without_users",
    title="Devices that no user reaches through a group and that have no primary user",
    severity="low",
    asset_type="systems",
    why="A device that is nobody's is patched by nobody and missed by nobody.",
    remedy="Bind the user, or the team, that answers for it to one of its groups; retire what "
    "nobody claims. A user bound to the single device is not pulled, and not counted.",
    evidence={"group_ids": "system groups it is a member of"},
    since="When it was seen to lose its last user",
    needs=("systems",),
    sql=f"""
WITH {
        began(
            "systems",
            "system_id",
            "column_name = 'user_count' AND new_value = '0'",
            "column_name = 'primary_user_id' AND new_value IS NULL",
            "column_name = 'resolved' AND new_value = 'true'",
        )
    }
SELECT s.integration, 'systems' AS asset_type, s.system_id AS asset_id,
    coalesce(s.hostname, s.system_id) AS asset_name,
    json_object('group_ids', s.group_ids) AS evidence,
    greatest(s.first_seen_at, b.began_at) AS since
FROM main.systems s LEFT JOIN began b USING (integration, system_id)
WHERE s.resolved AND s.user_count = 0 AND s.primary_user_id IS NULL
""",
)

SYSTEMS_IN_NO_GROUP = Finding(
    name="systems_in_no_group",
    title="Devices that are in no system group",
    severity="low",
    asset_type="systems",
    why="Policies, commands and access come by groups: a device outside all of them is enrolled, "
    "but not managed.",
    remedy="Put it into the groups of its kind, or give those groups a rule that finds it.",
    evidence={
        "os": "its operating system",
        "primary_user_id": "its primary user",
    },
    since="When it was seen to leave its last group",
    needs=("systems",),
    sql=f"""
WITH {began("systems", "system_id", "column_name = 'group_ids' AND new_value = '[]'")}
SELECT s.integration, 'systems' AS asset_type, s.system_id AS asset_id,
    coalesce(s.hostname, s.system_id) AS asset_name,
    json_object('os', s.os, 'primary_user_id', s.primary_user_id) AS evidence,
    greatest(s.first_seen_at, b.began_at) AS since
FROM main.systems s LEFT JOIN began b USING (integration, system_id)
WHERE len(s.group_ids) = 0
""",
)

SYSTEMS_WITH_FAILING_POLICIES = Finding(
    name="systems_with_failing_policies",
    title="Devices on which a policy fails",
    severity="medium",
    asset_type="systems",
    why="A policy that fails protects nothing, while its list of devices looks complete.",
    remedy="Open the device's policies in JumpCloud: each failed one shows the agent's message.",
    evidence={
        "policies_failed": "policies that fail on it",
        "policies_total": "policies bound to it",
    },
    since="When a policy was first seen to fail on it, after none did",
    needs=("systems",),
    sql=f"""
WITH {
        began(
            "systems",
            "system_id",
            "column_name = 'policies_failed' AND coalesce(old_value, '0') = '0'",
        )
    }
SELECT s.integration, 'systems' AS asset_type, s.system_id AS asset_id,
    coalesce(s.hostname, s.system_id) AS asset_name,
    json_object('policies_failed', s.policies_failed, 'policies_total', s.policies_total)
        AS evidence,
    greatest(s.first_seen_at, b.began_at) AS since
FROM main.systems s LEFT JOIN began b USING (integration, system_id)
WHERE s.policies_failed > 0
""",
)

DEVICES = (
    UNENCRYPTED_SYSTEMS_OF_PRIVILEGED_USERS,
    STALE_SYSTEMS_WITH_ACCESS,
    SYSTEMS_WITHOUT_USERS,
    SYSTEMS_IN_NO_GROUP,
    SYSTEMS_WITH_FAILING_POLICIES,
)
