/*
title = "Dynamic groups with an error in their rule"
severity = "medium"
why = """
JumpCloud does not evaluate such a rule. The group keeps members who left, and new ones do not
get its access and policies."""
remedy = """
Correct the rule in JumpCloud. `CYCLE` means that groups refer to one another, and
`INVALID_GROUP_REFERENCE` that the rule names a group that was deleted."""

[evidence]
query_errors = "errors of the rule"
membership_method = "way in which the group gets its members"

[needs]
endpoints = ["usergroups"]
fields = ["systemgroups.memberQueryErrorFlags", "usergroups.memberQueryErrorFlags"]
*/
SELECT integration, 'system_groups' AS asset_type, group_id AS asset_id,
    coalesce(name, group_id) AS asset_name, query_errors, membership_method
FROM main.system_groups
WHERE len(query_errors) > 0
UNION ALL
SELECT integration, 'user_groups', user_group_id, coalesce(name, user_group_id), query_errors,
    membership_method
FROM main.user_groups
WHERE len(query_errors) > 0
