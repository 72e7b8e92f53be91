"""Notices fields that nobody knew when this was written: names only, never values.

Where a list honors `fields`, as v1's and that of the groups do, nothing new can appear in it.
"""

import re
from collections.abc import Iterable, Mapping

from pipelines.jumpcloud.endpoints import Endpoint

# Known of JumpCloud's Swagger files and of real answers, and not taken: of no use to an inventory,
# or, like `systemToken` and `config`, secret.
_GRAPH_EDGE = "attributes from to"
_GRAPH_OBJECT = "compiledAttributes externalId syncStatus"
LEFT_OUT = {
    name: frozenset(fields.split())
    for name, fields in {
        "organizations": "created id logoUrl",
        "systemgroups": """
            attributes memberQuery memberQueryErrorFlags memberQueryExemptions
            memberSuggestionsNotify""",
        "systemgroups_members": _GRAPH_EDGE,
        "systemgroups_users": _GRAPH_OBJECT,
        "systemgroups_associations": _GRAPH_EDGE,
        "systems": """
            agentHasFullDiskAccess allowPublicKeyAuthentication amazonInstanceID archFamily
            attributes azureAdJoined builtInCommands connectionHistory description desktopCapable
            displayManager domainInfo fileSystem hasServiceAccount hwVendor id isPolicyBound
            memberof modifySSHDConfig osVersionDetail provisionMetadata
            remoteAssistAgentVersion secureLogin serviceAccountState sshRootEnabled sshdParams
            systemInsights systemTimezone systemToken templateName userMetrics""",
        "systemusers": """
            account_locked_date addresses admin allow_public_key alternateEmail attributes
            badLoginAttempts costCenter creationSource delegatedAuthority description
            disableDeviceMaxLoginAttempts enable_managed_uid enable_user_portal_multifactor
            external_dn external_password_expiration_date external_source_type externally_managed
            id ldap_binding_user managedAppleId memberof mfaEnrollment middlename organization
            password_date password_expiration_date password_hash phoneNumbers public_key
            recoveryEmail relationships restrictedFields samba_service_user ssh_keys systemUsername
            totp_secret unix_guid unix_uid""",
        "applications": """
            beta color config databaseAttributes description id learnMore logo organization
            parentApp""",
        "applications_users": _GRAPH_OBJECT,
    }.items()
}

MAX_NAMES = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
# A key, an id or a number: where records are keyed by what users entered, it is no field's name.
_MAX_DIGITS = 3


def unknown_fields(endpoint: Endpoint, records: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """The names of fields, of records themselves, that are neither taken nor left out on purpose.

    At most `MAX_NAMES`, and none that may be something else than a name.
    """
    found = set[str]().union(*records).difference(endpoint.schema.names, LEFT_OUT[endpoint.name])
    return frozenset(sorted(filter(_is_name, found))[:MAX_NAMES])


def _is_name(text: str) -> bool:
    digits = sum(map(str.isdigit, text))
    return _NAME.fullmatch(text) is not None and digits <= _MAX_DIGITS
