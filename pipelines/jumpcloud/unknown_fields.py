"""Detect fields that JumpCloud added to its API: names only, never values.

A list that honors the parameter `fields`, as v1 lists and the group lists do, has none.
"""

import re
from collections.abc import Iterable, Mapping

from pipelines.jumpcloud.endpoints import Endpoint

# Known from JumpCloud's Swagger files and real responses, but not read: useless to an inventory or,
# like `systemToken` and `config`, secret.
_GRAPH_EDGE = "attributes from to"
_GRAPH_OBJECT = "compiledAttributes externalId syncStatus"
IGNORED = {
    name: frozenset(fields.split())
    for name, fields in {
        "organizations": "created id logoUrl",
        "systemgroups": "attributes memberSuggestionsNotify",
        "systemgroups_members": _GRAPH_EDGE,
        "systemgroups_users": _GRAPH_OBJECT,
        "systemgroups_associations": _GRAPH_EDGE,
        "systems": """
            agentHasFullDiskAccess allowPublicKeyAuthentication amazonInstanceID archFamily
            builtInCommands connectionHistory description desktopCapable
            displayManager fileSystem id isPolicyBound
            memberof provisionMetadata
            remoteAssistAgentVersion secureLogin sshRootEnabled sshdParams
            systemTimezone systemToken templateName""",
        "systemusers": """
            account_locked_date addresses allow_public_key
            badLoginAttempts delegatedAuthority description
            disableDeviceMaxLoginAttempts enable_managed_uid enable_user_portal_multifactor
            external_dn external_password_expiration_date externally_managed
            id ldap_binding_user managedAppleId memberof middlename organization
            password_hash phoneNumbers public_key
            recoveryEmail relationships restrictedFields samba_service_user ssh_keys
            totp_secret unix_guid""",
        "applications": """
            beta color config databaseAttributes description id learnMore logo organization
            parentApp""",
        "applications_users": _GRAPH_OBJECT,
        "usergroups": "email memberSuggestionsNotify organizationObjectId suggestionCounts",
        "usergroups_members": _GRAPH_EDGE,
        "usergroups_associations": _GRAPH_EDGE,
        "users_associations": _GRAPH_EDGE,
        "systems_associations": _GRAPH_EDGE,
        "policies": "",
        "policygroups": "attributes email organizationObjectId type",
        "commands": """
            aiGenerated command commandRunners description files id listensTo organization schedule
            scheduleRepeatType scheduleYear shell systems template templatingRequired
            timeToLiveSeconds timeout timeoutAction user""",
        "radiusservers": """
            authIdp caCert caSource deviceCertEnabled id mfa organization radsecEnabled
            requireRadsec requireTlsAuth sharedSecret tagNames tags userCertEnabled
            userLockoutAction userPasswordEnabled userPasswordExpirationAction""",
    }.items()
}

MAX_NAMES = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
# More digits make it a key, an id or a number: some objects are keyed by user input.
_MAX_DIGITS = 3


def unknown_fields(endpoint: Endpoint, records: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """Return the names of top-level fields that are neither read nor ignored.

    Returns at most `MAX_NAMES` names. Strings that may be user input are not returned.
    """
    found = set[str]().union(*records).difference(endpoint.schema.names, IGNORED[endpoint.name])
    return frozenset(sorted(filter(_is_name, found))[:MAX_NAMES])


def _is_name(text: str) -> bool:
    digits = sum(map(str.isdigit, text))
    return _NAME.fullmatch(text) is not None and digits <= _MAX_DIGITS
