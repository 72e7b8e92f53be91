/*
title = "Applications without users"
severity = "low"
why = """
An unused SSO application is still a trust relationship between two systems, with a certificate
to renew. A suspended user who is bound to it counts as a user."""
remedy = "Bind the users who need the application, or delete it."

[evidence]
active = "true if the application is enabled"

[needs]
endpoints = ["applications", "applications_users"]
fields = ["applications.active"]
*/
SELECT integration, 'applications' AS asset_type, application_id AS asset_id,
    coalesce(display_label, display_name, name, application_id) AS asset_name,
    active
FROM main.applications
WHERE user_count = 0
