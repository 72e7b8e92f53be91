/*
title = "Suspended or locked users who still have access to a device or an application"
severity = "high"
why = """
Suspending a user blocks the login but keeps the bindings. Reactivating or unlocking the account
restores all access at once, and sessions and local accounts may still work."""
remedy = """
Remove people who left from their groups and devices, or delete them. Find out why an account was
locked before you unlock it."""

[evidence]
state = "state of the user"
suspended = "true if the user is suspended"
account_locked = "true if the account was locked after too many wrong passwords"
system_count = "number of devices that the user can access"
application_count = """
number of applications that the user can access and that are not disabled; null if applications
are not pulled"""

[needs]
endpoints = ["systemusers", "applications", "applications_users"]
fields = ["systemusers.state", "systemusers.suspended", "systemusers.account_locked"]
direct_bindings = true
*/
WITH application_access AS (
    SELECT h.integration, h.user_id, count(*) AS active_count
    FROM main.application_users h
    JOIN main.applications a USING (integration, application_id)
    WHERE a.active IS NOT FALSE
    GROUP BY ALL
)
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    coalesce(u.username, u.email, u.user_id) AS asset_name,
    u.state, u.suspended, u.account_locked, u.system_count,
    CASE WHEN u.application_count IS NOT NULL THEN coalesce(a.active_count, 0) END
        AS application_count
FROM main.users u LEFT JOIN application_access a USING (integration, user_id)
WHERE (u.suspended OR u.account_locked OR u.state = 'SUSPENDED')
    AND (u.system_count > 0 OR a.active_count > 0)
