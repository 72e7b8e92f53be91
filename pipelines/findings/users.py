"""Findings of users: who should not reach what they reach."""

from pipelines.findings.model import Finding

SUSPENDED_USERS_WITH_ACCESS = Finding(
    name="suspended_users_with_access",
    title="Suspended or locked users who still reach a device or an application",
    severity="high",
    asset_type="users",
    why="Suspension stops the sign-in, not the bindings: whoever lifts it, or unlocks the account, "
    "gives everything back at once, and sessions and local accounts may outlive it.",
    remedy="Take people who left out of their groups, or delete them. Find out why an account was "
    "locked before it is unlocked.",
    evidence={
        "state": "state of the user",
        "suspended": "whether it is suspended",
        "account_locked": "whether wrong passwords locked it",
        "system_count": "devices it reaches",
        "application_count": "applications it holds that are not switched off; null when "
        "applications are not pulled",
    },
    since="When it was seen to be suspended or locked, or to reach something, whichever came "
    "later; of several reasons that hold, the oldest counts",
    needs=("systemusers", "applications", "applications_users"),
    sql="""
WITH began AS (
    SELECT integration, asset_id AS user_id,
        max(observed_at) FILTER (change = 'added') AS added_at,
        max(observed_at) FILTER (column_name = 'suspended' AND new_value = 'true') AS suspended_at,
        max(observed_at) FILTER (column_name = 'account_locked' AND new_value = 'true')
            AS locked_at,
        max(observed_at) FILTER (column_name = 'state' AND new_value = '"SUSPENDED"') AS state_at,
        max(observed_at) FILTER (column_name = 'system_count' AND old_value = '0') AS systems_at
    FROM main.changes
    WHERE asset_type = 'users'
        AND column_name IN ('', 'suspended', 'account_locked', 'state', 'system_count')
    GROUP BY ALL
),
bound AS (
    SELECT integration, split_part(asset_id, '/', 1) AS application_id,
        split_part(asset_id, '/', 2) AS user_id, max(observed_at) AS bound_at
    FROM main.changes WHERE asset_type = 'application_users' AND change = 'added'
    GROUP BY ALL
),
switched AS (
    SELECT integration, asset_id AS application_id, max(observed_at) AS switched_at
    FROM main.changes
    WHERE asset_type = 'applications' AND column_name = 'active' AND old_value = 'false'
    GROUP BY ALL
),
held AS (
    SELECT h.integration, h.user_id, count(*) AS held_count,
        min(greatest(a.first_seen_at, b.bound_at, s.switched_at)) AS applications_at
    FROM main.application_users h
    JOIN main.applications a USING (integration, application_id)
    LEFT JOIN bound b USING (integration, application_id, user_id)
    LEFT JOIN switched s USING (integration, application_id)
    WHERE a.active IS NOT FALSE
    GROUP BY ALL
),
found AS (
    SELECT u.* EXCLUDE (application_count), b.* EXCLUDE (integration, user_id, added_at),
        greatest(u.first_seen_at, b.added_at) AS known_at, h.applications_at,
        CASE WHEN u.application_count IS NOT NULL THEN coalesce(h.held_count, 0) END
            AS application_count
    FROM main.users u
    LEFT JOIN began b USING (integration, user_id)
    LEFT JOIN held h USING (integration, user_id)
    WHERE (u.suspended OR u.account_locked OR u.state = 'SUSPENDED')
        AND (u.system_count > 0 OR h.held_count > 0)
)
SELECT integration, 'users' AS asset_type, user_id AS asset_id,
    coalesce(username, user_id) AS asset_name,
    json_object('state', state, 'suspended', suspended, 'account_locked', account_locked,
        'system_count', system_count, 'application_count', application_count) AS evidence,
    greatest(
        known_at,
        least(
            CASE WHEN suspended THEN coalesce(suspended_at, known_at) END,
            CASE WHEN account_locked THEN coalesce(locked_at, known_at) END,
            CASE WHEN state = 'SUSPENDED' THEN coalesce(state_at, known_at) END
        ),
        least(
            CASE WHEN system_count > 0 THEN coalesce(systems_at, known_at) END,
            applications_at
        )
    ) AS since
FROM found
""",
)

USERS_WITHOUT_MFA_WITH_SUDO = Finding(
    name="users_without_mfa_with_sudo",
    title="Users without MFA who have sudo on a device",
    severity="high",
    asset_type="users",
    why="One stolen password is enough to become root, or a local administrator, on every device "
    "that these groups reach.",
    remedy="Require MFA for the user, or take the sudo away: from the binding of the groups that "
    "the evidence names, or the global administrator from the user.",
    evidence={
        "state": "state of the user",
        "global_admin": "whether it has sudo on every device that it reaches",
        "sudo_group_ids": "system groups with devices, on which it is granted sudo",
    },
    since="When it was seen to lose MFA, or to be granted the oldest of the sudo that it has, "
    "whichever came later",
    needs=("systemusers",),
    sql="""
WITH sudo_began AS (
    SELECT integration, asset_id, max(observed_at) AS granted_at
    FROM main.changes
    WHERE asset_type = 'system_group_users'
        AND (change = 'added' OR column_name = 'sudo' AND new_value = 'true')
    GROUP BY ALL
),
began AS (
    SELECT integration, asset_id AS user_id,
        max(observed_at) FILTER (change = 'added') AS added_at,
        max(observed_at) FILTER (column_name = 'mfa_configured' AND new_value = 'false') AS mfa_at,
        max(observed_at) FILTER (column_name = 'totp_enabled' AND old_value = 'true') AS totp_at,
        max(observed_at) FILTER (column_name = 'global_admin' AND new_value = 'true') AS admin_at,
        max(observed_at) FILTER (column_name = 'system_count' AND old_value = '0') AS systems_at
    FROM main.changes
    WHERE asset_type = 'users' AND column_name IN (
        '', 'mfa_configured', 'totp_enabled', 'global_admin', 'system_count'
    )
    GROUP BY ALL
),
without_mfa AS (
    SELECT u.*, b.* EXCLUDE (integration, user_id, added_at),
        greatest(u.first_seen_at, b.added_at) AS known_at
    FROM main.users u LEFT JOIN began b USING (integration, user_id)
    WHERE u.mfa_configured = FALSE AND u.totp_enabled IS NOT TRUE
        AND u.system_count > 0
),
filled AS (
    SELECT integration, asset_id AS group_id, max(observed_at) AS filled_at
    FROM main.changes
    WHERE asset_type = 'system_groups' AND column_name = 'system_count' AND old_value = '0'
    GROUP BY ALL
),
granted AS (
    SELECT s.integration, s.user_id, list_sort(list(s.group_id)) AS sudo_group_ids,
        min(greatest(g.first_seen_at, b.granted_at, f.filled_at)) AS granted_at
    FROM main.system_group_users s
    JOIN main.system_groups g USING (integration, group_id)
    LEFT JOIN filled f USING (integration, group_id)
    LEFT JOIN sudo_began b
        ON b.integration = s.integration AND b.asset_id = s.group_id || '/' || s.user_id
    WHERE s.sudo AND g.system_count > 0
    GROUP BY ALL
)
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    coalesce(u.username, u.user_id) AS asset_name,
    json_object('state', u.state, 'global_admin', u.global_admin,
        'sudo_group_ids', coalesce(s.sudo_group_ids, [])) AS evidence,
    greatest(
        u.known_at, u.mfa_at, u.totp_at, u.systems_at,
        least(
            CASE WHEN u.global_admin THEN coalesce(u.admin_at, u.known_at) END, s.granted_at
        )
    ) AS since
FROM without_mfa u LEFT JOIN granted s USING (integration, user_id)
WHERE u.global_admin OR s.user_id IS NOT NULL
""",
)

USERS_WITHOUT_SYSTEMS = Finding(
    name="users_without_systems",
    title="Users who reach no device and are the primary user of none",
    severity="low",
    asset_type="users",
    why="An account that nobody uses on a device is often one that was forgotten: it costs a "
    "license, and nobody notices when someone else uses it.",
    remedy="Ask whether the person still works here. If so, bind a device or leave a note; if not, "
    "suspend the account. Service accounts belong in a group of their own.",
    evidence={
        "state": "state of the user",
        "application_count": "applications it holds; null when applications are not pulled",
    },
    since="When it was seen to lose its last device",
    needs=("systemusers", "systems"),
    sql="""
WITH began AS (
    SELECT integration, asset_id AS user_id,
        max(observed_at) FILTER (change = 'added') AS added_at,
        max(observed_at) FILTER (column_name = 'system_count' AND new_value = '0') AS none_at,
        max(observed_at) FILTER (column_name = 'resolved' AND new_value = 'true') AS resolved_at
    FROM main.changes
    WHERE asset_type = 'users' AND column_name IN ('', 'system_count', 'resolved')
    GROUP BY ALL
),
lost AS (
    SELECT integration, coalesce(old_value ->> '$.primary_user_id', old_value ->> '$') AS user_id,
        max(observed_at) AS lost_at
    FROM main.changes
    WHERE asset_type = 'systems' AND (change = 'removed' OR column_name = 'primary_user_id')
    GROUP BY ALL
)
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    coalesce(u.username, u.user_id) AS asset_name,
    json_object('state', u.state, 'application_count', u.application_count) AS evidence,
    greatest(u.first_seen_at, b.added_at, b.none_at, b.resolved_at, l.lost_at) AS since
FROM main.users u
LEFT JOIN began b USING (integration, user_id)
LEFT JOIN lost l USING (integration, user_id)
WHERE u.resolved AND u.system_count = 0
    AND (u.integration, u.user_id) NOT IN (
        SELECT (integration, primary_user_id) FROM main.systems WHERE primary_user_id IS NOT NULL
    )
    -- Whose device it is, is known only where the devices' records are pulled.
    AND u.integration IN (SELECT integration FROM main.completeness WHERE endpoint = 'systems')
""",
)

PEOPLE = (SUSPENDED_USERS_WITH_ACCESS, USERS_WITHOUT_MFA_WITH_SUDO, USERS_WITHOUT_SYSTEMS)
