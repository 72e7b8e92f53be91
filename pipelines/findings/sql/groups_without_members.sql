/*
title = "System groups without devices"
severity = "low"
why = """
The bindings of an empty group have no visible effect. The first device that is added to the
group becomes accessible to all its users, including forgotten ones."""
remedy = "Delete the group or its bindings, unless a membership rule will fill it soon."

[evidence]
user_count = "number of users who would get access to its devices"

[needs]
*/
SELECT integration, 'system_groups' AS asset_type, group_id AS asset_id,
    coalesce(name, group_id) AS asset_name,
    user_count
FROM main.system_groups
WHERE system_count = 0
