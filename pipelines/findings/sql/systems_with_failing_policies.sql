/*
title = "Devices on which a policy fails"
severity = "medium"
why = "A failing policy does not protect the device, although it is assigned to the device."
remedy = "Open the device's policies in JumpCloud. Each failed policy shows the agent's message."

[evidence]
policies_failed = "number of policies that fail on the device"
policies_total = "number of policies bound to the device"

[needs]
endpoints = ["systems"]
fields = ["systems.policyStats"]
*/
SELECT integration, 'systems' AS asset_type, system_id AS asset_id,
    coalesce(hostname, display_name, serial_number, system_id) AS asset_name,
    policies_failed, policies_total
FROM main.systems
WHERE policies_failed > 0
