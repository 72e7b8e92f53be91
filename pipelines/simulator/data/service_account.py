"""A service account: its role, and what the API shows of it."""

import secrets
from dataclasses import dataclass, field
from typing import Final, Literal

from pipelines.simulator.data.records import Record

READ_ONLY_SCOPES: Final = frozenset(
    f"{name}.readonly"
    for name in (
        "applications",
        "associations.groups",
        "associations.systems",
        "associations.users",
        "commands",
        "groups",
        "organizations",
        "radius",
        "roles",
        "serviceaccounts",
        "systems",
        "users",
    )
)


@dataclass
class ServiceAccount:
    """A service account of a key holder, with two sets of credentials. All can be changed.

    Attributes:
        client_id: Public part of the first.
        api_key: The second, an API key.
        name, role: Names of the account and of its role.
        scopes: Scopes of the role.
        secret_ends_at, key_ends_at: End of the client secret and of the API key.
        shown: Answers that have the credentials' records: lists and records, only records, none.
        others: Number of further accounts of the same role.
    """

    client_id: str
    api_key: str = field(default_factory=lambda: f"jcs_{secrets.token_hex(24)}", repr=False)
    name: str = "inventory"
    role: str = "Inventory reader"
    scopes: set[str] = field(default_factory=lambda: set(READ_ONLY_SCOPES))
    secret_ends_at: str = "2099-01-31T12:00:00Z"  # noqa: S105 - a time
    key_ends_at: str = "2099-06-30T12:00:00Z"
    shown: Literal["lists", "records", "never"] = "lists"
    others: int = 1

    def roles(self) -> list[Record]:
        """Return the roles of the organization."""
        administrator = ("Administrator", ["associations", "groups", "roles", "systems", "users"])
        return [
            {
                "id": f"{number:024x}",
                "name": name,
                "isCustom": bool(number),
                "scopes": list(scopes),
            }
            for number, (name, scopes) in enumerate(
                (administrator, (self.role, sorted(self.scopes)))
            )
        ]

    def accounts(self, *, in_list: bool) -> list[Record]:
        """Return the records of the organization's service accounts, its own last.

        Args:
            in_list: True for the records as the list has them.
        """
        names = [*(f"other-{number}" for number in range(self.others)), self.name]
        hidden = self.shown == "never" or (in_list and self.shown == "records")
        return [
            {
                "objectId": f"{number:024x}",
                "name": name,
                "roleId": self.roles()[-1]["id"],
                "status": "ACTIVE",
                "expiresAt": self.secret_ends_at,
            }
            | ({} if hidden else {"authConfigList": self._credentials(is_own=name == self.name)})
            for number, name in enumerate(names, 100)
        ]

    def _credentials(self, *, is_own: bool) -> list[Record]:
        client_id, key = (self.client_id, self.api_key) if is_own else ("other", "jcs_other")
        return [
            {
                "authType": "CLIENT_SECRET",
                "clientSecretConfig": {"clientId": client_id, "expiresAt": self.secret_ends_at},
            },
            {
                "authType": "API_KEY",
                "apiKeyConfig": {"apiKeyPrefix": key[:8], "expiresAt": self.key_ends_at},
            },
        ]
