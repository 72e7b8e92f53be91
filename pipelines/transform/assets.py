"""Transforms of assets: system groups, systems, users, applications and IPv4 addresses.

An id that is in the graph but in no list gets a row with `resolved` FALSE.
"""

from pipelines.schema import tables as contract
from pipelines.transform.graph import RULE
from pipelines.transform.reach import APPLICATION_WORDS, GROUPS, WAYS, count_distinct
from pipelines.transform.transform import Transform

# Counts are NULL, not zero, if the users of applications were not pulled. If there is no
# application, there is no list of users either.
_APP_USERS_PULLED = """(
    EXISTS (FROM jumpcloud.completeness WHERE endpoint = 'applications_users')
    OR EXISTS (FROM jumpcloud.completeness WHERE endpoint = 'applications')
        AND NOT EXISTS (FROM jumpcloud.applications)
)"""

# The first pattern that matches the name of an operating system, in lower case, gives its family.
_OS_FAMILIES = {
    "windows": "^windows",
    "darwin": "^(mac|os x|darwin)",
    "ios": "^(ios|ipados)",
    "android": "^android",
    "linux": "linux|ubuntu|debian|centos|red hat|rhel|fedora|rocky|suse|mint|arch|kali|raspbian",
}
_OS_FAMILY = " ".join(
    f"WHEN regexp_matches(lower(os), '{pattern}') THEN '{family}'"
    for family, pattern in _OS_FAMILIES.items()
)
# Vendors that the firmware of virtual machines names, in lower case.
_HYPERVISORS = (
    "vmware|qemu|kvm|xen|innotek|virtualbox|parallels|bochs|bhyve|amazon ec2|openstack|ovirt|"
    "nutanix|red hat|digitalocean"
)
_HARDWARE_KIND = f"""CASE
        WHEN lower(os) IN ('ios', 'android') THEN 'mobile'
        WHEN lower(os) = 'ipados' THEN 'tablet'
        WHEN regexp_matches(lower(hwVendor), '{_HYPERVISORS}') THEN 'virtual'
    END"""

SYSTEM_GROUPS = Transform(
    contract.SYSTEM_GROUPS,
    inputs=("jumpcloud.systemgroups", "system_group_members", "system_group_users"),
    sql=f"""
WITH members AS (
    SELECT group_id, count(*) AS system_count FROM system_group_members GROUP BY group_id
),
users AS (
    SELECT group_id, count(*) AS user_count FROM system_group_users GROUP BY group_id
)
SELECT $integration AS integration, id AS group_id, text_of(name) AS name,
    text_of(description) AS description, text_of(email) AS email,
    text_of(membershipMethod) AS membership_method,
    coalesce(system_count, 0) AS system_count, coalesce(user_count, 0) AS user_count, {RULE}
FROM jumpcloud.systemgroups AS groups
LEFT JOIN members ON members.group_id = groups.id
LEFT JOIN users ON users.group_id = groups.id
""",
)

SYSTEMS = Transform(
    contract.SYSTEMS,
    inputs=(
        "jumpcloud.systems",
        "jumpcloud.systemusers",
        "jumpcloud.completeness",
        "jumpcloud.applications",
        "system_groups",
        *WAYS,
        "application_users",
        "system_ipv4_addresses",
    ),
    steps=f"""
{GROUPS}
{count_distinct("reaching_users", "sys", "memberships", "usr", "bindings")}
CREATE TABLE active AS
    SELECT usr
    FROM user_numbers LEFT JOIN jumpcloud.systemusers AS records ON records._id = user_id
    WHERE suspended IS NOT TRUE AND coalesce(state, '') NOT IN ('STAGED', 'SUSPENDED');
CREATE TABLE active_bindings AS FROM bindings SEMI JOIN active USING (usr);
{count_distinct("active_users", "sys", "memberships", "usr", "active_bindings")}
{APPLICATION_WORDS}
CREATE TABLE counts AS
    WITH single_users AS (
        SELECT sys, count(*) AS count, count(active.usr) AS active_count
        FROM single LEFT JOIN active USING (usr) GROUP BY sys
    ),
    reached_applications AS (
        SELECT sys, sum(bit_count(bits))::BIGINT AS application_count FROM system_words GROUP BY sys
    )
    SELECT system_id, reaching_users.set AS set, application_count,
        coalesce(reaching_users.count, 0) + coalesce(single_users.count, 0) AS user_count,
        coalesce(active_users.count, 0) + coalesce(active_count, 0) AS active_user_count
    FROM system_numbers
    LEFT JOIN reaching_users USING (sys) LEFT JOIN active_users USING (sys)
    LEFT JOIN single_users USING (sys) LEFT JOIN reached_applications USING (sys);
-- Few sets of groups differ.
CREATE TABLE named_sets AS
    SELECT set, as_set(list(group_id)) AS group_ids, as_set(list(name)) AS group_names
    FROM (SELECT set, unnest(groups) AS grp FROM reaching_users_numbers)
    JOIN group_numbers USING (grp) JOIN system_groups USING (group_id)
    GROUP BY set;
""",
    sql=f"""
WITH addresses AS (
    SELECT system_id, as_set(list(address)) AS ipv4_addresses
    FROM system_ipv4_addresses GROUP BY system_id
),
ids AS (
    SELECT _id AS system_id FROM jumpcloud.systems
    UNION SELECT system_id FROM system_group_members
    UNION SELECT system_id FROM user_system_bindings
    UNION SELECT system_id FROM user_group_system_bindings
)
SELECT $integration AS integration, system_id,
    text_of(hostname) AS hostname, text_of(displayName) AS display_name, text_of(os) AS os,
    coalesce(lower(text_of(osFamily)), CASE {_OS_FAMILY} END) AS os_family,
    text_of(version) AS os_version, text_of(arch) AS arch,
    text_of(serialNumber) AS serial_number, text_of(agentVersion) AS agent_version, active,
    time_of(created) AS created_at, time_of(lastContact) AS last_contact_at,
    text_of(remoteIP) AS public_ip, coalesce(ipv4_addresses, []) AS ipv4_addresses,
    fde.active AS disk_encrypted, allowMultiFactorAuthentication AS mfa_enabled,
    -- Otherwise, a configuration that JumpCloud does not know decides.
    CASE WHEN modifySSHDConfig IS NOT FALSE THEN allowSshRootLogin END AS ssh_root_login,
    CASE WHEN modifySSHDConfig IS NOT FALSE THEN allowSshPasswordAuthentication END
        AS ssh_password_login,
    text_of(mdm.vendor) AS mdm_vendor, text_of(primarySystemUser.id) AS primary_user_id,
    coalesce(group_ids, []) AS group_ids, coalesce(group_names, []) AS group_names,
    coalesce(user_count, 0) AS user_count,
    CASE WHEN {_APP_USERS_PULLED} THEN coalesce(application_count, 0) END AS application_count,
    _id IS NOT NULL AS resolved,
    policyStats.total AS policies_total, policyStats.failed AS policies_failed,
    CASE WHEN EXISTS (FROM jumpcloud.completeness WHERE endpoint = 'systemusers')
        THEN coalesce(active_user_count, 0) END AS active_user_count,
    fde.keyPresent AS recovery_key_present, text_of(hwVendor) AS hardware_vendor,
    {_HARDWARE_KIND} AS hardware_kind, modifySSHDConfig AS ssh_managed,
    text_of(osVersionDetail.releaseName) AS os_release_name,
    text_of(osVersionDetail.distributionName) AS os_distribution_name,
    osVersionDetail.majorNumber AS os_version_major,
    osVersionDetail.minorNumber AS os_version_minor,
    osVersionDetail.patchNumber AS os_version_patch,
    text_of(mdm.enrollmentType) AS mdm_enrollment_type, mdm.dep AS mdm_dep,
    mdm.userApproved AS mdm_user_approved, text_of(mdm.lostModeStatus) AS mdm_lost_mode_status,
    domainInfo.partOfDomain AS part_of_domain, text_of(domainInfo.domainName) AS domain_name,
    azureAdJoined AS azure_ad_joined, text_of(systemInsights.state) AS system_insights_state,
    hasServiceAccount AS has_service_account,
    serviceAccountState.hasSecureToken AS service_account_secure_token,
    serviceAccountState.passwordODValid AS service_account_password_od_valid,
    serviceAccountState.passwordAPFSValid AS service_account_password_apfs_valid,
    policyStats.pending AS policies_pending, policyStats.success AS policies_success,
    policyStats.duplicate AS policies_duplicate,
    policyStats.unsupportedOs AS policies_unsupported_os
FROM ids
LEFT JOIN jumpcloud.systems AS records ON records._id = ids.system_id
LEFT JOIN counts USING (system_id)
LEFT JOIN named_sets USING (set)
LEFT JOIN addresses USING (system_id)
""",
)

USERS = Transform(
    contract.USERS,
    inputs=(
        "jumpcloud.systemusers",
        "jumpcloud.completeness",
        "jumpcloud.applications",
        *WAYS,
        "system_group_associations",
        "application_users",
    ),
    steps=f"""
{GROUPS}
{count_distinct("reached_systems", "usr", "bindings", "sys", "memberships")}
CREATE TABLE counts AS
    SELECT user_id, coalesce(reached_systems.count, 0) + coalesce(single_count, 0) AS system_count
    FROM user_numbers LEFT JOIN reached_systems USING (usr)
    LEFT JOIN (SELECT usr, count(*) AS single_count FROM single GROUP BY usr) USING (usr);
""",
    sql=f"""
WITH user_groups AS (
    SELECT user_id, as_set(list(group_id)) AS system_group_ids
    FROM system_group_users GROUP BY user_id
),
applications AS (
    SELECT user_id, count(*) AS application_count FROM application_users GROUP BY user_id
),
ids AS (
    SELECT _id AS user_id FROM jumpcloud.systemusers
    UNION SELECT user_id FROM system_group_users
    UNION SELECT user_id FROM application_users
    UNION SELECT target_id FROM system_group_associations WHERE target_type = 'user'
    UNION SELECT user_id FROM user_system_bindings
    UNION SELECT user_id FROM user_group_members
)
SELECT $integration AS integration, user_id,
    text_of(username) AS username, text_of(email) AS email, text_of(displayname) AS display_name,
    text_of(firstname) AS first_name, text_of(lastname) AS last_name, text_of(state) AS state,
    activated, suspended, account_locked, mfa.configured AS mfa_configured, totp_enabled,
    sudo AS global_admin, passwordless_sudo, text_of(department) AS department,
    text_of(jobTitle) AS job_title, text_of(company) AS company, text_of(location) AS location,
    text_of(employeeIdentifier) AS employee_id, text_of(employeeType) AS employee_type,
    text_of(manager) AS manager_id, password_expired, password_never_expires,
    time_of(created) AS created_at, coalesce(system_group_ids, []) AS system_group_ids,
    coalesce(system_count, 0) AS system_count,
    CASE WHEN {_APP_USERS_PULLED} THEN coalesce(application_count, 0) END AS application_count,
    _id IS NOT NULL AS resolved,
    text_of(mfaEnrollment.overallStatus) AS mfa_status,
    text_of(mfaEnrollment.totpStatus) AS mfa_totp_status,
    text_of(mfaEnrollment.webAuthnStatus) AS mfa_webauthn_status,
    text_of(mfaEnrollment.pushStatus) AS mfa_push_status,
    text_of(mfaEnrollment.smsStatus) AS mfa_sms_status,
    text_of(mfaEnrollment.jcGoStatus) AS mfa_jumpcloud_go_status,
    mfa.exclusion AS mfa_exclusion, time_of(mfa.exclusionUntil) AS mfa_exclusion_until,
    text_of(systemUsername) AS system_username, unix_uid,
    time_of(records.password_date) AS password_date,
    time_of(records.password_expiration_date) AS password_expiration_date,
    text_of(admin.roleName) AS admin_role, text_of(creationSource) AS creation_source,
    text_of(records.external_source_type) AS external_source_type,
    text_of(costCenter) AS cost_center, text_of(alternateEmail) AS alternate_email
FROM ids
LEFT JOIN jumpcloud.systemusers AS records ON records._id = ids.user_id
LEFT JOIN user_groups USING (user_id)
LEFT JOIN counts USING (user_id)
LEFT JOIN applications USING (user_id)
""",
)

APPLICATIONS = Transform(
    contract.APPLICATIONS,
    inputs=(
        "jumpcloud.applications",
        "jumpcloud.completeness",
        *WAYS,
        "application_users",
    ),
    steps=f"{GROUPS}{APPLICATION_WORDS}",
    sql=f"""
WITH users AS (
    SELECT application_id, count(*) AS user_count FROM application_users GROUP BY application_id
),
systems AS (
    SELECT application_id, count(*) AS system_count
    FROM application_numbers JOIN system_words USING (word)
    WHERE bits & bit <> 0
    GROUP BY application_id
)
SELECT $integration AS integration, _id AS application_id, text_of(name) AS name,
    text_of(displayName) AS display_name, text_of(displayLabel) AS display_label,
    text_of(sso.type) AS sso_type, text_of(ssoUrl) AS sso_url, active,
    time_of(created) AS created_at,
    CASE WHEN {_APP_USERS_PULLED} THEN coalesce(user_count, 0) END AS user_count,
    CASE WHEN {_APP_USERS_PULLED} THEN coalesce(system_count, 0) END AS system_count,
    TRUE AS resolved, time_of(sso.idpCertExpirationAt) AS idp_certificate_expires_at
FROM jumpcloud.applications AS records
LEFT JOIN users ON users.application_id = records._id
LEFT JOIN systems ON systems.application_id = records._id
""",
)

IPV4_ADDRESSES = Transform(
    contract.IPV4_ADDRESSES,
    inputs=("system_ip_addresses",),
    sql="""
SELECT $integration AS integration, address, scope,
    as_set(list(system_id)) AS system_ids, count(DISTINCT system_id) AS system_count,
    as_set(list(interface)) AS interfaces
FROM system_ip_addresses
WHERE family = 4
GROUP BY ALL
""",
)
