"""Export systems and users as events of the Open Cybersecurity Schema Framework (OCSF).

The classes are Device Inventory Info (5001) and User Inventory Info (5003) of version 1.9.0,
without profiles. Columns without an attribute in the schema are in `unmapped`.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from pipelines.errors import InventoryError
from pipelines.schema.assets import has_mfa

_BATCH_ROWS = 2_000

# The schema's own pattern of an e-mail address, without characters that it allows by accident.
_MACROS = r"""
CREATE TEMP MACRO email_address(value) AS CASE WHEN regexp_full_match(
    value, '[a-zA-Z0-9!#$%&''*+\-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9.-]+'
) THEN value END;
CREATE TEMP MACRO iso_time(value) AS strftime(value, '%Y-%m-%dT%H:%M:%S.%fZ');
CREATE TEMP MACRO observables(path, type_id, type, items) AS list_transform(
    list_filter(items, lambda item: item IS NOT NULL),
    lambda item: {name: path, type_id: type_id, type: type, value: item}
);
CREATE TEMP MACRO event_metadata(integration, snapshot_id, id, organization_id) AS {
    version: '1.9.0',
    product: {name: 'JumpCloud', vendor_name: 'JumpCloud'},
    log_provider: 'jumpcloud-inventory',
    uid: concat_ws('/', integration, snapshot_id, id),
    correlation_uid: concat_ws('/', integration, snapshot_id),
    tenant_uid: organization_id
};
CREATE TEMP MACRO os_type(os, family) AS CASE
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
CREATE TEMP MACRO device_type(kind) AS CASE kind
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
        hostname: a.hostname,
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
        hw_info: {serial_number: a.serial_number, vendor_name: a.hardware_vendor},
        agent_list: CASE WHEN a.agent_version IS NOT NULL THEN
            [{name: 'JumpCloud Agent', vendor_name: 'JumpCloud', version: a.agent_version}]
        END,
        owner: {uid: a.primary_user_id, name: u.username, email_addr: email_address(u.email)},
        groups: a.group_ids,
        org: {uid: i.organization_id, name: i.organization_name},
        created_time: epoch_ms(a.created_at),
        first_seen_time: epoch_ms(a.first_seen_at),
        last_seen_time: epoch_ms(a.last_seen_at)
    },
    observables: flatten([
        observables('device.uid', 47, 'Device Object: uid', [a.system_id]),
        observables('device.hostname', 1, 'Hostname', [a.hostname]),
        observables('device.network_interfaces[].ip', 2, 'IP Address', n.addresses),
        observables('device.hw_info.serial_number', 37, 'Serial Number', [a.serial_number])
    ]),
    unmapped: {
        integration: a.integration,
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
} AS event
FROM systems a
JOIN integrations i USING (integration)
LEFT JOIN users u ON u.integration = a.integration AND u.user_id = a.primary_user_id
LEFT JOIN (
    SELECT integration, system_id,
        list({name: interface, ip: address} ORDER BY interface, address) AS interfaces,
        list_sort(list_distinct(list(address))) AS addresses
    FROM (
        SELECT integration, system_id, interface, address FROM system_ipv4_addresses
        -- Empty in the snapshots of an earlier version.
        UNION SELECT integration, system_id, interface, address FROM system_ip_addresses
    )
    GROUP BY ALL
) n ON n.integration = a.integration AND n.system_id = a.system_id
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
        display_name: a.display_name,
        email_addr: email_address(a.email),
        type_id: CASE WHEN NOT a.resolved THEN 0 WHEN a.global_admin THEN 2 ELSE 1 END,
        type: CASE WHEN NOT a.resolved THEN 'Unknown' WHEN a.global_admin THEN 'Admin' ELSE 'User'
        END,
        has_mfa: a.has_mfa,
        account: {
            uid: a.user_id,
            name: a.username,
            type_id: 99,
            type: 'JumpCloud',
            is_disabled: a.suspended,
            is_locked: a.account_locked
        },
        ldap_person: {
            given_name: a.first_name,
            surname: a.last_name,
            department: a.department,
            job_title: a.job_title,
            office_location: a.location,
            employee_uid: a.employee_id,
            manager: {uid: a.manager_id},
            created_time: epoch_ms(a.created_at)
        },
        org: {uid: i.organization_id, name: i.organization_name}
    },
    observables: flatten([
        observables('user.uid', 31, 'User Object: uid', [a.user_id]),
        observables('user.name', 4, 'User Name', [a.username]),
        observables('user.email_addr', 5, 'Email Address', [email_address(a.email)])
    ]),
    unmapped: {
        integration: a.integration,
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
} AS event
FROM (SELECT *, {has_mfa} AS has_mfa FROM users) a
JOIN integrations i USING (integration)
WHERE a.integration = coalesce($integration, a.integration)
ORDER BY a.integration, a.user_id
"""

# By table: the number and name of the event class, and the query of the other attributes.
_CLASSES = {
    "systems": (5001, "Device Inventory Info", _DEVICES),
    "users": (5003, "User Inventory Info", _USERS.replace("{has_mfa}", has_mfa("users"))),
}


def write_events(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[str],
    integration: str | None,
    path: Path,
) -> None:
    """Write an event for each system and user, one per line.

    Args:
        connection: a connection to the inventory, in UTC.
        tables: `systems`, `users` or both; both if empty.
        integration: the integration to select; None for all.
        path: the file.

    Raises:
        InventoryError: a table has no events.
        OSError: the file cannot be written.
    """
    unknown = set(tables) - set(_CLASSES)
    if unknown:
        raise InventoryError(
            f"there are no OCSF events for {', '.join(sorted(unknown))}; "
            f"there are for: {', '.join(_CLASSES)}"
        )
    connection.execute(_MACROS)
    with path.open("w", encoding="utf-8") as file:
        for table in dict.fromkeys(tables) or _CLASSES:
            class_uid, name, query = _CLASSES[table]
            classification = _classification(class_uid, name)
            for event in _events(connection, query, integration):
                line = json.dumps(classification | event, ensure_ascii=False)
                file.write(f"{line}\n")


def _classification(class_uid: int, name: str) -> dict[str, object]:
    """Return the attributes that classify an event: discovery, collected, informational."""
    return {
        "category_uid": 5,
        "category_name": "Discovery",
        "class_uid": class_uid,
        "class_name": name,
        "activity_id": 2,
        "activity_name": "Collect",
        "type_uid": class_uid * 100 + 2,
        "type_name": f"{name}: Collect",
        "severity_id": 1,
        "severity": "Informational",
    }


def _events(
    connection: duckdb.DuckDBPyConnection, query: str, integration: str | None
) -> Iterator[dict[str, object]]:
    names = {
        (owner, group_id): name
        for owner, group_id, name in connection.sql(
            "SELECT integration, group_id, name FROM system_groups"
        ).fetchall()
    }
    rows = connection.sql(query, params={"integration": integration})
    for batch in rows.to_arrow_reader(_BATCH_ROWS):
        owners, events = (column.to_pylist() for column in batch.columns)
        for owner, event in zip(owners, events, strict=True):
            if "device" in event:
                event["device"]["groups"] = [
                    {"uid": group_id, "name": names.get((owner, group_id))}
                    for group_id in event["device"]["groups"]
                ]
            yield {name: _without_empty(value) for name, value in event.items()}


def _without_empty(value: object) -> object:
    """Return a value without its unknown and empty parts, as OCSF has no null."""
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    items = ((name, _without_empty(item)) for name, item in value.items())
    return {name: item for name, item in items if item not in (None, "", [], {})}
