/*
title = "Applications with a certificate that has expired or expires soon"
severity = "medium"
why = """
JumpCloud signs logins with the certificate. Many applications refuse a login that an expired
certificate signed, so nobody can log in."""
remedy = """
Renew the certificate in JumpCloud, and upload it to the application in the same maintenance
window. Disable the application if nobody uses it: disabled ones are not reported."""

[evidence]
expires_at = "end of the certificate, UTC"
days_left = "whole days from the start of the pull to the end; negative after it"
user_count = "number of users bound to the application; null if they are not pulled"

[needs]
endpoints = ["applications"]
fields = ["applications.active", "applications.sso"]
*/
WITH ending AS (
    SELECT a.*, a.idp_certificate_expires_at AS ends_at, t.certificate_days,
        (epoch_us(ends_at) - epoch_us(n.started_at)) / 86_400_000_000 AS days
    FROM main.applications a
    JOIN main.integrations i USING (integration)
    JOIN main.snapshots n
        ON n.integration = i.integration AND n.snapshot_id = i.last_snapshot_id
    JOIN findings.thresholds t ON t.integration = i.integration
    WHERE a.active IS NOT FALSE
)
SELECT integration, 'applications' AS asset_type, application_id AS asset_id,
    coalesce(display_label, display_name, name, application_id) AS asset_name,
    strftime(make_timestamp(epoch_us(ends_at)), '%Y-%m-%dT%H:%M:%SZ') AS expires_at,
    floor(days)::BIGINT AS days_left, user_count
FROM ending
WHERE days < certificate_days
