"""Columns of JumpCloud's records that were added after the first version."""

from pipelines.schema.model import Column, ColumnType


def _added(endpoint: str, fields: dict[str, tuple[ColumnType, str, str]]) -> tuple[Column, ...]:
    """Return added columns, from the type, the raw field and the description of each."""
    return tuple(
        Column(name, kind, description, f"{endpoint}.{field}", is_added=True)
        for name, (kind, field, description) in fields.items()
    )


_MFA_STATUS = "NOT_ENROLLED, IN_ENROLLMENT, ENROLLED, ..."
MFA_FACTORS = tuple(
    Column(name, "TEXT", f"{factor}: {_MFA_STATUS}", "systemusers.mfaEnrollment", is_added=True)
    for name, factor in {
        "mfa_status": "MFA with any factor",
        "mfa_totp_status": "One-time passwords",
        "mfa_webauthn_status": "Security keys and passkeys",
        "mfa_push_status": "Push to a phone",
        "mfa_sms_status": "Text messages",
        "mfa_jumpcloud_go_status": "JumpCloud Go",
    }.items()
)

SYSTEM_FIELDS = _added(
    "systems",
    {
        "os_release_name": ("TEXT", "osVersionDetail", "Name of the release, such as 23H2"),
        "os_distribution_name": ("TEXT", "osVersionDetail", "Name of the Linux distribution"),
        "os_version_major": ("BIGINT", "osVersionDetail", "First number of the version"),
        "os_version_minor": ("BIGINT", "osVersionDetail", "Second number of the version"),
        "os_version_patch": ("BIGINT", "osVersionDetail", "Third number: the build on Windows"),
        "mdm_enrollment_type": ("TEXT", "mdm", "automated device, device, user or unknown"),
        "mdm_dep": ("BOOLEAN", "mdm", "TRUE if enrolled by Apple's automated enrollment"),
        "mdm_user_approved": ("BOOLEAN", "mdm", "TRUE if the user approved the enrollment"),
        "mdm_lost_mode_status": ("TEXT", "mdm", "State of the lost mode"),
        "part_of_domain": ("BOOLEAN", "domainInfo", "TRUE if it joined a Windows domain"),
        "domain_name": ("TEXT", "domainInfo", "Name of that domain"),
        "azure_ad_joined": ("BOOLEAN", "azureAdJoined", "TRUE if it joined Microsoft Entra ID"),
        "system_insights_state": ("TEXT", "systemInsights", "enabled, disabled or deferred"),
        "has_service_account": (
            "BOOLEAN",
            "hasServiceAccount",
            "TRUE if it has JumpCloud's service account, which manages passwords on a Mac",
        ),
        "service_account_secure_token": (
            "BOOLEAN",
            "serviceAccountState",
            "TRUE if that account has a secure token",
        ),
        "service_account_password_od_valid": (
            "BOOLEAN",
            "serviceAccountState",
            "TRUE if its password is valid for Open Directory",
        ),
        "service_account_password_apfs_valid": (
            "BOOLEAN",
            "serviceAccountState",
            "TRUE if its password unlocks the disk",
        ),
        "policies_pending": ("BIGINT", "policyStats", "Number of policies without a result yet"),
        "policies_success": ("BIGINT", "policyStats", "Number of policies that succeed on it"),
        "policies_duplicate": (
            "BIGINT",
            "policyStats",
            "Number of policies that JumpCloud counts as duplicates",
        ),
        "policies_unsupported_os": (
            "BIGINT",
            "policyStats",
            "Number of policies that are not for its operating system",
        ),
    },
)

USER_FIELDS = _added(
    "systemusers",
    {
        "password_date": ("TIMESTAMPTZ", "password_date", "Last change of the password"),
        "password_expiration_date": (
            "TIMESTAMPTZ",
            "password_expiration_date",
            "End of the password; NULL if it has none",
        ),
        "admin_role": (
            "TEXT",
            "admin",
            "Role in JumpCloud's administration; NULL if the user is not an administrator",
        ),
        "creation_source": ("TEXT", "creationSource", "Way in which the user was created"),
        "external_source_type": (
            "TEXT",
            "external_source_type",
            "Directory that the user is imported from",
        ),
        "cost_center": ("TEXT", "costCenter", "Cost center"),
        "alternate_email": ("TEXT", "alternateEmail", "Second email address"),
    },
)

LOCAL_ACCOUNT_FLAGS = (
    Column("admin", "BOOLEAN", "TRUE if the account is a local administrator"),
    Column("managed", "BOOLEAN", "TRUE if JumpCloud manages the account"),
    Column("suspended", "BOOLEAN", "TRUE if the account is disabled"),
    Column("secure_token", "BOOLEAN", "TRUE if it has a secure token (macOS)"),
)
