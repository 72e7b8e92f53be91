"""The OCSF event classes of an export, as queries of the published tables.

A line of a query that ends in `-- from 1.8` is for that version of the schema and later ones, and
one that ends in `-- before 1.8` for the versions before it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from pipelines.config.exports import OcsfVersion
from pipelines.findings.catalog import FINDINGS
from pipelines.findings.life import OPEN
from pipelines.schema.assets import has_mfa
from pipelines.sql import quoted

OCSF_VERSIONS: tuple[OcsfVersion, ...] = get_args(OcsfVersion)
LATEST: OcsfVersion = "1.9"
_MARK = re.compile(r"^.* -- (from|before) (1\.\d)\n", re.MULTILINE)

# The schema's own pattern of an e-mail address, without characters that it allows by accident.
MACROS = r"""
CREATE OR REPLACE TEMP MACRO email_address(value) AS CASE WHEN regexp_full_match(
    value, '[a-zA-Z0-9!#$%&''*+\-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9.-]+'
) THEN value END;
CREATE OR REPLACE TEMP MACRO domain_name(value) AS CASE WHEN regexp_full_match(
    value, '([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?[.])*[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?'
) THEN value END;
CREATE OR REPLACE TEMP MACRO iso_time(value) AS strftime(value, '%Y-%m-%dT%H:%M:%S.%fZ');
CREATE OR REPLACE TEMP MACRO observe(path, type_id, type, items) AS list_transform(
    list_filter(items, lambda item: item IS NOT NULL),
    lambda item: {name: path, type_id: type_id, type: type, value: item}
);
CREATE OR REPLACE TEMP MACRO event_metadata(integration, snapshot_id, id, organization_id) AS {
    version: getvariable('ocsf_version'),
    product: {name: 'JumpCloud', vendor_name: 'JumpCloud'},
    log_provider: 'jumpcloud-inventory',
    uid: concat_ws('/', integration, snapshot_id, id),
    correlation_uid: concat_ws('/', integration, snapshot_id),
    tenant_uid: organization_id
};
CREATE OR REPLACE TEMP MACRO jumpcloud_agents(version) AS CASE WHEN version IS NOT NULL THEN
    [{name: 'JumpCloud Agent', vendor_name: 'JumpCloud', version: version}]
END;
CREATE OR REPLACE TEMP MACRO device_owner(id, username, email) AS {
    uid: id, name: username, email_addr: email_address(email)
};
CREATE OR REPLACE TEMP MACRO os_type(os, family) AS CASE
    WHEN lower(os) = 'android' THEN {id: 201, name: 'Android'}
    WHEN lower(os) = 'ios' THEN {id: 301, name: 'iOS'}
    WHEN lower(os) = 'ipados' THEN {id: 302, name: 'iPadOS'}
    WHEN family = 'windows' THEN {id: 100, name: 'Windows'}
    WHEN family = 'darwin' THEN {id: 300, name: 'macOS'}
    WHEN family = 'linux' THEN {id: 200, name: 'Linux'}
    WHEN family = 'ios' THEN {id: 301, name: 'iOS'}
    WHEN family = 'android' THEN {id: 201, name: 'Android'}
    ELSE {id: 99, name: coalesce(os, family)}
END;
CREATE OR REPLACE TEMP MACRO device_type(kind) AS CASE kind
    WHEN 'tablet' THEN {id: 4, name: 'Tablet'}
    WHEN 'mobile' THEN {id: 5, name: 'Mobile'}
    WHEN 'virtual' THEN {id: 6, name: 'Virtual'}
    ELSE {id: 0, name: 'Unknown'}
END;
"""

_DEVICES = """
SELECT a.integration, {
    time: epoch_ms(a.last_seen_at),
    metadata: event_metadata(a.integration, i.last_snapshot_id, a.system_id, i.organization_id),
    device: {
        uid: a.system_id,
        hostname: a.hostname, -- from 1.4
        hostname: domain_name(a.hostname), -- before 1.4
        name: a.display_name,
        type_id: device_type(a.hardware_kind).id,
        type: device_type(a.hardware_kind).name,
        is_managed: nullif(a.resolved, FALSE),
        ip: CASE WHEN len(a.ipv4_addresses) = 1 THEN a.ipv4_addresses[1] END,
        network_interfaces: n.interfaces,
        os: CASE WHEN coalesce(a.os, a.os_family) IS NOT NULL THEN {
            name: coalesce(a.os, a.os_family),
            version: a.os_version,
            type_id: os_type(a.os, a.os_family).id,
            type: os_type(a.os, a.os_family).name
        } END,
        hw_info: {
            vendor_name: a.hardware_vendor, -- from 1.4
            serial_number: a.serial_number
        },
        agent_list: jumpcloud_agents(a.agent_version), -- from 1.4
        owner: device_owner(a.primary_user_id, u.username, u.email), -- from 1.4
        groups: g.groups,
        org: {uid: i.organization_id, name: i.organization_name},
        created_time: epoch_ms(a.created_at),
        first_seen_time: epoch_ms(a.first_seen_at),
        last_seen_time: epoch_ms(a.last_seen_at)
    },
    observables: flatten([
        observe('device.uid', 47, 'Device Object: uid', [a.system_id]), -- from 1.6
        observe('device.hw_info.serial_number', 37, 'Serial Number', [a.serial_number]), -- from 1.4
        observe('device.hostname', 1, 'Hostname', [a.hostname]),
        observe('device.network_interfaces[].ip', 2, 'IP Address', n.addresses)
    ]),
    unmapped: {
        integration: a.integration,
        hostname: a.hostname, -- before 1.4
        hardware_vendor: a.hardware_vendor, -- before 1.4
        agent_version: a.agent_version, -- before 1.4
        primary_user_id: a.primary_user_id, -- before 1.4
        arch: a.arch,
        active: a.active,
        last_contact_at: iso_time(a.last_contact_at),
        public_ip: a.public_ip,
        disk_encrypted: a.disk_encrypted,
        mfa_enabled: a.mfa_enabled,
        ssh_root_login: a.ssh_root_login,
        ssh_password_login: a.ssh_password_login,
        mdm_vendor: a.mdm_vendor,
        user_count: a.user_count,
        application_count: a.application_count,
        resolved: a.resolved,
        policies_total: a.policies_total,
        policies_failed: a.policies_failed,
        active_user_count: a.active_user_count,
        recovery_key_present: a.recovery_key_present,
        hardware_kind: a.hardware_kind,
        ssh_managed: a.ssh_managed,
        os_release_name: a.os_release_name,
        os_distribution_name: a.os_distribution_name,
        os_version_major: a.os_version_major,
        os_version_minor: a.os_version_minor,
        os_version_patch: a.os_version_patch,
        mdm_enrollment_type: a.mdm_enrollment_type,
        mdm_dep: a.mdm_dep,
        mdm_user_approved: a.mdm_user_approved,
        mdm_lost_mode_status: a.mdm_lost_mode_status,
        part_of_domain: a.part_of_domain,
        domain_name: a.domain_name,
        azure_ad_joined: a.azure_ad_joined,
        system_insights_state: a.system_insights_state,
        has_service_account: a.has_service_account,
        service_account_secure_token: a.service_account_secure_token,
        service_account_password_od_valid: a.service_account_password_od_valid,
        service_account_password_apfs_valid: a.service_account_password_apfs_valid,
        policies_pending: a.policies_pending,
        policies_success: a.policies_success,
        policies_duplicate: a.policies_duplicate,
        policies_unsupported_os: a.policies_unsupported_os
    }
} AS event, 2 AS activity_id, 1 AS severity_id
FROM systems a
JOIN integrations i USING (integration)
LEFT JOIN users u ON u.integration = a.integration AND u.user_id = a.primary_user_id
LEFT JOIN (
    SELECT integration, system_id,
        list(
            {name: interface, ip: address, type_id: 0, type: 'Unknown'} ORDER BY interface, address
        ) AS interfaces,
        list_sort(list_distinct(list(address))) AS addresses
    FROM (
        SELECT integration, system_id, interface, address FROM system_ipv4_addresses
        -- Empty in the snapshots of an earlier version.
        UNION SELECT integration, system_id, interface, address FROM system_ip_addresses
    )
    GROUP BY ALL
) n ON n.integration = a.integration AND n.system_id = a.system_id
LEFT JOIN (
    SELECT m.integration, m.system_id,
        list({uid: m.group_id, name: s.name} ORDER BY m.group_id) AS groups
    FROM (SELECT integration, system_id, unnest(group_ids) AS group_id FROM systems) m
    LEFT JOIN system_groups s USING (integration, group_id)
    GROUP BY ALL
) g ON g.integration = a.integration AND g.system_id = a.system_id
WHERE a.integration = coalesce($integration, a.integration)
ORDER BY a.integration, a.system_id
"""

_USERS = """
SELECT a.integration, {
    time: epoch_ms(a.last_seen_at),
    metadata: event_metadata(a.integration, i.last_snapshot_id, a.user_id, i.organization_id),
    user: {
        uid: a.user_id,
        name: a.username,
        display_name: a.display_name, -- from 1.5
        email_addr: email_address(a.email),
        type_id: CASE WHEN NOT a.resolved THEN 0 WHEN a.global_admin THEN 2 ELSE 1 END,
        type: CASE WHEN NOT a.resolved THEN 'Unknown' WHEN a.global_admin THEN 'Admin' ELSE 'User'
        END,
        has_mfa: a.has_mfa, -- from 1.4
        account: {
            uid: a.user_id,
            name: a.username,
            is_disabled: a.suspended, -- from 1.8
            is_locked: a.account_locked, -- from 1.8
            type_id: 99,
            type: 'JumpCloud'
        },
        ldap_person: {
            given_name: a.first_name,
            surname: a.last_name,
            department: a.department, -- from 1.8
            job_title: a.job_title,
            office_location: a.location,
            employee_uid: a.employee_id,
            manager: {uid: a.manager_id},
            created_time: epoch_ms(a.created_at)
        },
        org: {uid: i.organization_id, name: i.organization_name}
    },
    observables: flatten([
        observe('user.uid', 31, 'User Object: uid', [a.user_id]), -- from 1.4
        observe('user.name', 4, 'User Name', [a.username]),
        observe('user.email_addr', 5, 'Email Address', [email_address(a.email)])
    ]),
    unmapped: {
        integration: a.integration,
        display_name: a.display_name, -- before 1.5
        has_mfa: a.has_mfa, -- before 1.4
        suspended: a.suspended, -- before 1.8
        account_locked: a.account_locked, -- before 1.8
        department: a.department, -- before 1.8
        state: a.state,
        activated: a.activated,
        email: CASE WHEN email_address(a.email) IS NULL THEN a.email END,
        mfa_configured: a.mfa_configured,
        totp_enabled: a.totp_enabled,
        global_admin: a.global_admin,
        passwordless_sudo: a.passwordless_sudo,
        company: a.company,
        employee_type: a.employee_type,
        password_expired: a.password_expired,
        password_never_expires: a.password_never_expires,
        system_group_ids: a.system_group_ids,
        system_count: a.system_count,
        application_count: a.application_count,
        first_seen_at: iso_time(a.first_seen_at),
        resolved: a.resolved,
        mfa_status: a.mfa_status,
        mfa_totp_status: a.mfa_totp_status,
        mfa_webauthn_status: a.mfa_webauthn_status,
        mfa_push_status: a.mfa_push_status,
        mfa_sms_status: a.mfa_sms_status,
        mfa_jumpcloud_go_status: a.mfa_jumpcloud_go_status,
        mfa_exclusion: a.mfa_exclusion,
        mfa_exclusion_until: iso_time(a.mfa_exclusion_until),
        system_username: a.system_username,
        unix_uid: a.unix_uid,
        password_date: iso_time(a.password_date),
        password_expiration_date: iso_time(a.password_expiration_date),
        admin_role: a.admin_role,
        creation_source: a.creation_source,
        external_source_type: a.external_source_type,
        cost_center: a.cost_center,
        alternate_email: a.alternate_email
    }
} AS event, 2 AS activity_id, 1 AS severity_id
FROM (SELECT *, {has_mfa} AS has_mfa FROM users) a
JOIN integrations i USING (integration)
WHERE a.integration = coalesce($integration, a.integration)
ORDER BY a.integration, a.user_id
"""


_FINDINGS = """
SELECT f.integration, {
    time: epoch_ms(s.started_at),
    metadata: event_metadata(f.integration, i.last_snapshot_id, f.uid, i.organization_id),
    finding_info: {
        uid: concat_ws('/', f.integration, f.uid),
        title: f.title,
        'desc': f.why,
        types: [f.finding],
        analytic: {uid: f.finding, name: f.title, type_id: 1, type: 'Rule'},
        created_time: epoch_ms(f.since)
    },
    compliance: {
        standards: ['jumpcloud-inventory findings'],
        control: f.finding,
        status_id: 3,
        status: 'Fail'
    },
    remediation: {'desc': f.remedy},
    resources: [{uid: f.asset_id, name: f.asset_name, type: f.asset_type}],
    unmapped: {integration: f.integration, evidence: f.evidence::VARCHAR}
} AS event,
CASE WHEN f.since >= s.started_at THEN 1 ELSE 2 END AS activity_id,
CASE f.severity WHEN 'high' THEN 4 WHEN 'medium' THEN 3 ELSE 2 END AS severity_id
FROM (
    -- An asset may have several rows of a finding, for example a row for each new permission.
    SELECT *, concat_ws('/', finding, asset_type, asset_id, nullif(row_number() OVER (
        PARTITION BY integration, finding, asset_type, asset_id ORDER BY evidence::VARCHAR
    ), 1)) AS uid
    FROM ({findings})
) f
JOIN integrations i USING (integration)
JOIN snapshots s ON s.integration = f.integration AND s.snapshot_id = i.last_snapshot_id
WHERE f.integration = coalesce($integration, f.integration)
ORDER BY f.integration, f.uid
"""
_TEXTS = ", ".join(
    f"({', '.join(map(quoted, (one.name, one.title, one.why, one.remedy)))})" for one in FINDINGS
)
_FINDING_ROWS = f"""
    FROM (VALUES {_TEXTS}) AS t(finding, title, why, remedy)
    JOIN (FROM {OPEN.qualified_name} WHERE confirmed) USING (finding)
"""


@dataclass(frozen=True)
class OcsfClass:
    """An event class.

    Attributes:
        uid: its number.
        name: its name.
        category_uid: number of its category.
        category: name of its category.
        activities: names of its activities, by number.
        sql: query with the columns `integration`, `event`, `activity_id` and `severity_id`.
    """

    uid: int
    name: str
    category_uid: int
    category: str
    activities: Mapping[int, str]
    sql: str

    def query(self, version: OcsfVersion) -> str:
        """Return the query of the events, with a column for each attribute, in a version."""
        return f"""
SELECT {self.category_uid} AS category_uid, '{self.category}' AS category_name,
    {self.uid} AS class_uid, '{self.name}' AS class_name,
    activity_id, activity_name, {self.uid * 100} + activity_id AS type_uid,
    '{self.name}: ' || activity_name AS type_name,
    severity_id, {_case("severity_id", _SEVERITIES)} AS severity, unnest(event)
FROM (
    SELECT *, {_case("activity_id", self.activities)} AS activity_name
    FROM ({_select_lines(self.sql, version)})
)
"""


_SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High"}
_COLLECT = {2: "Collect"}
# By table; the findings are those of all views.
OCSF_CLASSES = {
    "systems": OcsfClass(5001, "Device Inventory Info", 5, "Discovery", _COLLECT, _DEVICES),
    "users": OcsfClass(
        5003,
        "User Inventory Info",
        5,
        "Discovery",
        _COLLECT,
        _USERS.replace("{has_mfa}", has_mfa("users")),
    ),
    "findings": OcsfClass(
        2003,
        "Compliance Finding",
        2,
        "Findings",
        {1: "Create", 2: "Update"},
        _FINDINGS.replace("{findings}", _FINDING_ROWS),
    ),
}


def _case(column: str, names: Mapping[int, str]) -> str:
    return " ".join(
        (f"CASE {column}", *(f"WHEN {one} THEN '{name}'" for one, name in names.items()), "END")
    )


def _select_lines(sql: str, version: str) -> str:
    """Return a query without the lines that are not for this version."""

    def keep(line: re.Match[str]) -> str:
        return line[0] if (version >= line[2]) == (line[1] == "from") else ""

    return _MARK.sub(keep, sql)
