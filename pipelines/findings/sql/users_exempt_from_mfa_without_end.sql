/*
title = "Users who are exempt from MFA without an end"
severity = "medium"
why = """
An exemption is meant for the days until a user has enrolled a factor. Without an end, it is
forgotten, and one stolen password is enough."""
remedy = """
End the exemption, or give it an end. For an account that cannot have a second factor, restrict
its access instead."""

[evidence]
state = "state of the user"
mfa_status = "status of MFA with any factor"
system_count = "number of devices that the user can access"

[needs]
endpoints = ["systemusers"]
fields = ["systemusers.mfa"]
*/
SELECT integration, 'users' AS asset_type, user_id AS asset_id,
    coalesce(username, email, user_id) AS asset_name,
    state, mfa_status, system_count
FROM main.users
WHERE mfa_exclusion AND mfa_exclusion_until IS NULL
