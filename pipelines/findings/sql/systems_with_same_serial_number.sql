/*
title = "Devices that have the same serial number as another one"
severity = "low"
why = """
A machine that was wiped and enrolled again has a new record and its old serial number. It counts
twice, and the old record keeps its users."""
remedy = """
Delete the record that no longer checks in. If both do, one of them is a copy of a virtual
machine: give it a number of its own. Letter case and spaces around do not matter. Placeholders
such as `To be filled by O.E.M.` are not reported."""

[evidence]
serial_number = "serial number of the device"
system_ids = "all devices that have it"

[needs]
endpoints = ["systems"]
fields = ["systems.serialNumber"]
*/
WITH numbered AS (
    SELECT *, upper(trim(serial_number)) AS number
    FROM main.systems
    -- Texts that manufacturers leave in place of a serial number.
    WHERE upper(trim(serial_number)) NOT IN (
        '0123456789', '123456', '1234567', '12345678', '123456789', '1234567890',
        'BASE BOARD SERIAL NUMBER', 'CHASSIS SERIAL NUMBER', 'DEFAULT STRING', 'EMPTY', 'INVALID',
        'N/A', 'NA', 'NONE', 'NOT APPLICABLE', 'NOT AVAILABLE', 'NOT SPECIFIED', 'NULL', 'O.E.M.',
        'OEM', 'SERIAL NUMBER', 'SYSTEM SERIAL NUMBER', 'TO BE FILLED BY O.E.M',
        'TO BE FILLED BY O.E.M.', 'TO BE FILLED BY OEM', 'UNKNOWN'
    )
        -- One character repeated, such as 0000000, is a placeholder, too.
        AND replace(trim(serial_number), left(trim(serial_number), 1), '') <> ''
),
shared AS (
    SELECT integration, number, list_sort(list(system_id)) AS system_ids
    FROM numbered GROUP BY integration, number
    HAVING count(*) > 1
)
SELECT n.integration, 'systems' AS asset_type, n.system_id AS asset_id,
    coalesce(n.hostname, n.display_name, n.serial_number, n.system_id) AS asset_name,
    n.serial_number, s.system_ids
FROM numbered n JOIN shared s USING (integration, number)
