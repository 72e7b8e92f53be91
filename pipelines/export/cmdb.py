"""Tables for the CSV imports of Jira Assets and ServiceNow: a file for each type of object.

The first column is the unique key, `<integration>/<id>`, by which an import updates an object that
it has created before. Rows without a record in JumpCloud are left out.
"""

from collections.abc import Mapping, Sequence

import duckdb

from pipelines.errors import InventoryError
from pipelines.export.query_results import Relation
from pipelines.schema.assets import has_mfa
from pipelines.sql import quoted

# Both importers read it without further configuration.
_MACROS = """
CREATE OR REPLACE TEMP MACRO external_id(integration, id) AS
    CASE WHEN id IS NOT NULL THEN integration || '/' || id END;
CREATE OR REPLACE TEMP MACRO import_time(value) AS strftime(value, '%Y-%m-%d %H:%M:%S');
CREATE OR REPLACE TEMP MACRO import_list(items) AS nullif(array_to_string(items, '||'), '');
"""

_JIRA_ASSETS = {
    "devices": """
SELECT external_id(a.integration, a.system_id) AS "External ID",
    coalesce(a.display_name, a.hostname, a.system_id) AS "Name",
    a.hostname AS "Hostname",
    a.serial_number AS "Serial number",
    a.hardware_vendor AS "Vendor",
    a.os AS "OS",
    a.os_version AS "OS version",
    a.arch AS "Architecture",
    a.active AS "Active",
    a.disk_encrypted AS "Disk encrypted",
    import_list(a.ipv4_addresses) AS "IPv4 addresses",
    a.public_ip AS "Public IP",
    import_list(list_transform(a.group_ids, lambda id: external_id(a.integration, id))) AS "Groups",
    external_id(a.integration, a.primary_user_id) AS "Primary user",
    import_time(a.created_at) AS "Enrolled",
    import_time(a.last_contact_at) AS "Last contact"
FROM systems a
WHERE a.resolved AND {owned}
ORDER BY a.integration, a.system_id
""",
    "users": """
SELECT external_id(a.integration, a.user_id) AS "External ID",
    coalesce(a.display_name, a.username, a.user_id) AS "Name",
    a.username AS "Username",
    a.email AS "Email",
    a.state AS "State",
    {has_mfa} AS "Has MFA",
    a.company AS "Company",
    a.department AS "Department",
    a.job_title AS "Job title",
    a.location AS "Location",
    a.employee_id AS "Employee ID",
    external_id(a.integration, a.manager_id) AS "Manager",
    import_time(a.created_at) AS "Enrolled"
FROM users a
WHERE a.resolved AND {owned}
ORDER BY a.integration, a.user_id
""",
    "applications": """
SELECT external_id(a.integration, a.application_id) AS "External ID",
    coalesce(a.display_label, a.display_name, a.name, a.application_id) AS "Name",
    a.sso_type AS "SSO type",
    a.sso_url AS "SSO URL",
    a.active AS "Active",
    a.user_count AS "User count",
    import_time(a.created_at) AS "Enrolled"
FROM applications a
WHERE a.resolved AND {owned}
ORDER BY a.integration, a.application_id
""",
    "device_groups": """
SELECT external_id(a.integration, a.group_id) AS "External ID",
    coalesce(a.name, a.group_id) AS "Name",
    a.description AS "Description"
FROM system_groups a WHERE {owned}
ORDER BY a.integration, a.group_id
""",
}
# The columns are fields of the tables cmdb_ci_computer, sys_user and cmdb_ci_appl.
_SERVICENOW = {
    "computers": """
SELECT external_id(a.integration, a.system_id) AS correlation_id,
    coalesce(a.hostname, a.display_name, a.system_id) AS name,
    a.serial_number,
    a.hardware_vendor AS manufacturer,
    a.os,
    a.os_version,
    a.ipv4_addresses[1] AS ip_address,
    a.domain_name AS os_domain,
    a.hardware_kind = 'virtual' AS virtual,
    coalesce(u.email, u.username) AS assigned_to,
    a.display_name AS short_description,
    'JumpCloud' AS discovery_source,
    import_time(a.created_at) AS first_discovered,
    import_time(a.last_contact_at) AS last_discovered
FROM systems a
LEFT JOIN users u ON u.integration = a.integration AND u.user_id = a.primary_user_id
WHERE a.resolved AND {owned}
ORDER BY a.integration, a.system_id
""",
    "users": """
SELECT external_id(a.integration, a.user_id) AS correlation_id,
    a.username AS user_name,
    a.first_name,
    a.last_name,
    a.email,
    a.job_title AS title,
    a.department,
    a.company,
    a.location,
    a.employee_id AS employee_number,
    m.email AS manager,
    NOT a.suspended AS active
FROM users a
LEFT JOIN users m ON m.integration = a.integration AND m.user_id = a.manager_id
WHERE a.resolved AND {owned}
ORDER BY a.integration, a.user_id
""",
    "applications": """
SELECT external_id(a.integration, a.application_id) AS correlation_id,
    coalesce(a.display_label, a.display_name, a.name, a.application_id) AS name,
    a.sso_type AS short_description,
    'JumpCloud' AS discovery_source,
    import_time(a.created_at) AS first_discovered
FROM applications a
WHERE a.resolved AND {owned}
ORDER BY a.integration, a.application_id
""",
}
JIRA_ASSETS, SERVICENOW = "jira-assets", "servicenow"
_IMPORTS: Mapping[str, Mapping[str, str]] = {JIRA_ASSETS: _JIRA_ASSETS, SERVICENOW: _SERVICENOW}


def select_imports(
    connection: duckdb.DuckDBPyConnection,
    program: str,
    names: Sequence[str],
    integration: str | None,
) -> dict[str, Relation]:
    """Return the rows of an import by type of object; of all types if no name is given.

    Args:
        connection: to the inventory, in UTC.
        program: `jira-assets` or `servicenow`.
        names: types of objects.
        integration: the integration to select; None for all.

    Raises:
        InventoryError: a name is not a type of object.
    """
    queries = _IMPORTS[program]
    unknown = set(names) - set(queries)
    if unknown:
        raise InventoryError(
            f"{program} has no file {', '.join(sorted(unknown))}; there are: {', '.join(queries)}"
        )
    connection.execute(_MACROS)
    owned = f"a.integration = {quoted(integration)}" if integration else "TRUE"
    return {
        name: connection.sql(queries[name].format(owned=owned, has_mfa=has_mfa("a")))
        for name in dict.fromkeys(names) or queries
    }
