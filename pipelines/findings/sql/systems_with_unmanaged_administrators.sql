/*
title = "Devices with a local administrator that JumpCloud does not manage"
severity = "medium"
why = """
JumpCloud neither suspends such an account nor changes its password. Whoever knows the password
controls the device, also after leaving the company."""
remedy = """
Let JumpCloud take over the account, remove its administrator rights, or disable it. `root` and
JumpCloud's own service account are not reported, and neither are disabled accounts. All accounts
are in `system_local_accounts`."""

[evidence]
accounts = "names of these accounts on the device"

[needs]
endpoints = ["systems"]
fields = ["systems.userMetrics"]
*/
WITH unmanaged AS (
    SELECT integration, system_id, list_sort(list(username)) AS accounts
    FROM main.system_local_accounts
    WHERE admin AND managed = FALSE AND suspended IS NOT TRUE
        -- Unix always has `root`; the other is JumpCloud's own account on a Mac.
        AND lower(username) NOT IN ('root', '_jumpcloudserviceaccount')
    GROUP BY ALL
)
SELECT s.integration, 'systems' AS asset_type, s.system_id AS asset_id,
    coalesce(s.hostname, s.display_name, s.serial_number, s.system_id) AS asset_name,
    u.accounts
FROM unmanaged u JOIN main.systems s USING (integration, system_id)
