/*
title = "Users who cannot access any device and are not the primary user of one"
severity = "low"
why = """
An account that is not used on any device has often been forgotten. It costs a license, and
nobody notices when someone else uses it."""
remedy = """
Check that the person still works here. If so, bind the user to a device or document the reason;
otherwise suspend the account. Put service accounts into a separate group."""

[evidence]
state = "state of the user"
application_count = """
number of applications that the user can access; null if applications are not pulled"""

[needs]
endpoints = ["systemusers", "systems"]
fields = ["systems.primarySystemUser"]
direct_bindings = true
*/
SELECT integration, 'users' AS asset_type, user_id AS asset_id,
    coalesce(username, email, user_id) AS asset_name,
    state, application_count
FROM main.users
WHERE resolved AND system_count = 0
    AND (integration, user_id) NOT IN (
        SELECT (integration, primary_user_id) FROM main.systems WHERE primary_user_id IS NOT NULL
    )
    -- Primary users are known only if the devices' records are pulled.
    AND integration IN (SELECT integration FROM main.completeness WHERE endpoint = 'systems')
