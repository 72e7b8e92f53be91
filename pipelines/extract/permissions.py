"""Read what a service account may do: its record, its role, and the end of its secret.

No call returns who the caller is. The account is the one that shows the client id, or the first
letters of the API key, in use (docs/reference/jumpcloud-api.md, section 2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from pipelines.config.credentials import ApiKey, Credentials
from pipelines.jumpcloud.client import PAGE_SIZE, JumpCloudClient, Request
from pipelines.jumpcloud.errors import ExtractError, MalformedError
from pipelines.jumpcloud.responses import Json

Record = dict[str, Json]

ROLES_PATH: Final = "/api/v2/roles"
ROLES_SCOPE: Final = "roles.readonly"
ACCOUNTS_PATH: Final = "/api/v2/service-accounts"
ACCOUNTS_SCOPE: Final = "serviceaccounts.readonly"
# An organization has at most 40 service accounts.
MAX_ACCOUNTS: Final = 40
MAX_ROLES: Final = 1000
ACCOUNT_KEY: Final = "jcs_"
_SHOWN_LETTERS = 8  # of an API key
_READ_ONLY = ".readonly"


# The fields are published by `check --json`.
@dataclass(frozen=True)
class Permissions:
    """Permissions of a key, as far as JumpCloud shows them.

    Attributes:
        account: name of the service account, or "".
        is_assumed: True if no record shows the credentials in use, and there is one account.
        role: name of its role, or "".
        missing_scopes: names of the endpoints that need it, by the scope that the role does not
            have.
        write_scopes: scopes of the role that may write.
        secret_expires_at: end of the client secret or API key in use, or None.
        unknown: reason why the scopes are not known, or "".
    """

    account: str = ""
    is_assumed: bool = False
    role: str = ""
    missing_scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    write_scopes: tuple[str, ...] = ()
    secret_expires_at: datetime | None = None
    unknown: str = ""


def read_permissions(
    client: JumpCloudClient, credentials: Credentials, needed: Mapping[str, str]
) -> Permissions:
    """Read the permissions of a key. A failure is a reason why they are not known.

    Args:
        client: client of the organization.
        credentials: the key, or the service account's credentials.
        needed: least scope of each endpoint that a run would read, by name.
    """
    if isinstance(credentials, ApiKey) and not credentials.key.startswith(ACCOUNT_KEY):
        return Permissions(unknown="JumpCloud does not show the role of an administrator's API key")
    try:
        account, credential = _find_account(client, credentials)
    except ExtractError as error:
        return Permissions(unknown=str(error))
    end = _end(credential or account)
    known = Permissions(_text(account, "name"), not credential, secret_expires_at=end)
    try:
        role = _find_role(client, _text(account, "roleId"))
    except ExtractError as error:
        return replace(known, unknown=str(error))
    scopes = {scope for scope in _list(role, "scopes") if isinstance(scope, str)}
    return replace(
        known,
        role=_text(role, "name"),
        missing_scopes=find_missing(scopes, needed),
        write_scopes=tuple(sorted(one for one in scopes if not one.endswith(_READ_ONLY))),
    )


def find_missing(scopes: set[str], needed: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the names of the endpoints that scopes do not allow, by the least scope needed."""
    missing: dict[str, tuple[str, ...]] = {}
    for name, scope in needed.items():
        if scopes.isdisjoint(allowing_scopes(scope)):
            missing[scope] = (*missing.get(scope, ()), name)
    return missing


def allowing_scopes(scope: str) -> set[str]:
    """Return the scopes that allow a read: the least, the wider ones, and all of these that write.

    Args:
        scope: the least scope, such as `associations.groups.readonly`.
    """
    parts = scope.removesuffix(_READ_ONLY).split(".")
    names = [".".join(parts[: length + 1]) for length in range(len(parts))]
    return {*names, *(name + _READ_ONLY for name in names)}


def _find_account(client: JumpCloudClient, credentials: Credentials) -> tuple[Record, Record]:
    """Return the record of the service account, and that of the credentials in use or {}."""
    accounts = _read_list(client, ACCOUNTS_PATH, ACCOUNTS_SCOPE, MAX_ACCOUNTS)
    shown = [
        one if _list(one, "authConfigList") else _read_account(client, one) for one in accounts
    ]
    found = [
        (account, credential)
        for account in shown
        for credential in _credentials(account)
        if _is_in_use(credential, credentials)
    ]
    if len(found) == 1:
        return found[0]
    if len(shown) == 1 and not _credentials(shown[0]):
        return shown[0], {}
    raise MalformedError(
        f"{ACCOUNTS_PATH}: none of the {len(shown)} service accounts shows the credentials in use"
    )


def _credentials(account: Record) -> list[Record]:
    return [
        credential
        for entry in _list(account, "authConfigList")
        if isinstance(entry, dict)
        for kind in ("clientSecretConfig", "apiKeyConfig")
        if isinstance(credential := entry.get(kind), dict)
    ]


def _is_in_use(credential: Record, credentials: Credentials) -> bool:
    if isinstance(credentials, ApiKey):
        return _text(credential, "apiKeyPrefix") == credentials.key[:_SHOWN_LETTERS]
    return _text(credential, "clientId") == credentials.client_id


def _read_account(client: JumpCloudClient, listed: Record) -> Record:
    path = f"{ACCOUNTS_PATH}/{quote(_text(listed, 'objectId'), safe='')}"
    document = client.send(Request(path, {}, ACCOUNTS_SCOPE)).document
    wrapped = document.get("serviceAccount", document) if isinstance(document, dict) else None
    return wrapped if isinstance(wrapped, dict) else listed


def _find_role(client: JumpCloudClient, role_id: str) -> Record:
    for role in _read_list(client, ROLES_PATH, ROLES_SCOPE, MAX_ROLES):
        if role_id and role.get("id") == role_id:
            return role
    raise MalformedError(f"{ROLES_PATH}: the role of the service account is not in the list")


def _read_list(client: JumpCloudClient, path: str, scope: str, limit: int) -> list[Record]:
    """Return the records of a list, or its first ones if it has too many."""
    records: list[Record] = []
    while len(records) < limit:
        parameters = {"limit": str(PAGE_SIZE), "skip": str(len(records))}
        document = client.send(Request(path, parameters, scope)).document
        if not isinstance(document, dict) or not isinstance(document.get("results"), list):
            raise MalformedError(f"{path}: the response has no list of results")
        page = [record for record in _list(document, "results") if isinstance(record, dict)]
        records += page
        total = document.get("totalCount")
        if not page or not isinstance(total, int) or len(records) >= total:
            break
    return records[:limit]


def _list(record: Record, name: str) -> list[Json]:
    value = record.get(name)
    return value if isinstance(value, list) else []


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _end(record: Record) -> datetime | None:
    """Return the time at which a credential ends, in UTC, or None if none is shown."""
    try:
        time = datetime.fromisoformat(_text(record, "expiresAt"))
        time = time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # The zero time of a clock means never.
    return time if time.year > 1 else None
