"""What an inventory of an organization must find, worked out row by row from its tables."""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from pipelines.simulator.oracle.graph import Graph, Rows, asset_row, group_row, system_row, user_row
from pipelines.simulator.oracle.movements import Movements
from pipelines.simulator.oracle.tables import Row, Tables

Findings = dict[str, Rows]


def findings(
    now: Tables,
    before: Tables | None,
    at: datetime,
    stale_days: int = 30,
    many_devices: int = 10,
    few_devices: int = 5,
) -> Findings:
    """Return by finding its rows: type, id and name of the asset, and the evidence.

    Args:
        now: The organization's truth, all of it pulled.
        before: The same of the pull before; None where there was none.
        at: Start of the pull.
        stale_days: Days without contact after which a device is stale.
        many_devices: Devices from which on a private address is shared.
        few_devices: Devices up to which a public address is shared by a few.
    """
    found = _People(now).found() | _Devices(now, at - timedelta(days=stale_days), at).found()
    found |= _Things(now).found() | _addresses(now, many_devices, few_devices)
    found |= Movements(now, before).found() if before else {name: [] for name in Movements.NAMES}
    return found


class _People(Graph):
    def found(self) -> Findings:
        users = list(self.users.values())
        held = Counter(user for _, user in self.held_active())
        return {
            "suspended_users_with_access": [
                user_row(
                    row,
                    *("state", "suspended", "account_locked", "system_count"),
                    application_count=held[row["user_id"]],
                )
                for row in users
                if row["suspended"] or row["account_locked"] or row["state"] == "SUSPENDED"
                if self.reachable_users(row["user_id"]) or held[row["user_id"]]
            ],
            "users_without_mfa_with_sudo": [
                user_row(
                    row,
                    *("state", "global_admin"),
                    sudo_group_ids=self.sudo_groups(row["user_id"]),
                )
                for row in users
                if row["mfa_configured"] is False and row["totp_enabled"] is not True
                if self.is_privileged(row["user_id"])
            ],
            "users_without_systems": [
                user_row(row, "state", "application_count")
                for row in users
                if row["resolved"] and not self.reachable_users(row["user_id"])
                if all(s["primary_user_id"] != row["user_id"] for s in self.systems.values())
            ],
        }


class _Devices(Graph):
    def __init__(self, tables: Tables, stale_before: datetime, at: datetime) -> None:
        super().__init__(tables)
        self._stale_before = stale_before
        self._at = at

    def found(self) -> Findings:
        systems = list(self.systems.values())
        return {
            "unencrypted_systems_of_privileged_users": list(self._unencrypted()),
            "stale_systems_with_access": [
                system_row(
                    row,
                    "user_count",
                    days_without_contact=(self._at - row["last_contact_at"]).days,
                    last_contact_at=f"{row['last_contact_at']:%Y-%m-%dT%H:%M:%SZ}",
                )
                for row in systems
                if row["last_contact_at"] and row["last_contact_at"] < self._stale_before
                if self.group_members(row["system_id"])
            ],
            "systems_without_users": [
                system_row(row, "group_ids")
                for row in systems
                if row["resolved"] and not row["primary_user_id"]
                if not self.group_members(row["system_id"])
            ],
            "systems_in_no_group": [
                system_row(row, "os", "primary_user_id")
                for row in systems
                if not any(row["system_id"] in members for members in self.members.values())
            ],
            "systems_with_failing_policies": [
                system_row(row, "policies_failed", "policies_total")
                for row in systems
                if (row["policies_failed"] or 0) > 0
            ],
        }

    def _unencrypted(self) -> Iterator[Row]:
        for row in self.systems.values():
            if row["disk_encrypted"] is not False:
                continue
            grants = {
                (group, user)
                for (group, user), binding in self.bindings.items()
                if row["system_id"] in self.members[group]
                if binding["sudo"] or self.users[user]["global_admin"]
            }
            groups = {group for group, _ in grants}
            known = row["primary_user_id"] if row["primary_user_id"] in self.users else None
            own = any(user == known for _, user in grants)
            if (own or self.users[known]["global_admin"]) if known else groups:
                yield system_row(row, primary_user_id=known, sudo_group_ids=sorted(groups))


class _Things(Graph):
    def found(self) -> Findings:
        passwordless = [
            (group, self._users_free(group_id), self._targets_free(group_id))
            for group_id, group in self.groups.items()
        ]
        strangers = [
            system_row(row, "group_ids", application_count=None) for row in self._unknown()
        ]
        strangers += [
            user_row(row, "application_count", group_ids=row["system_group_ids"])
            for row in self.users.values()
            if not row["resolved"]
        ]
        return {
            "groups_with_passwordless_sudo": [
                group_row(group, "system_count", user_count=len(users), targets=targets)
                for group, users, targets in passwordless
                if users or targets
            ],
            "groups_without_members": [
                group_row(group, "user_count")
                for group_id, group in self.groups.items()
                if not self.members[group_id]
            ],
            "applications_without_users": [
                asset_row(
                    "applications",
                    row["application_id"],
                    row["display_label"],
                    active=row["active"],
                )
                for row in self.tables["applications"]
                if all(application != row["application_id"] for application, _ in self.held)
            ],
            "unresolved_ids": strangers,
        }

    def _unknown(self) -> Rows:
        return [row for row in self.systems.values() if not row["resolved"]]

    def _users_free(self, group_id: str) -> list[str]:
        return [
            user
            for (group, user), row in self.bindings.items()
            if group == group_id and row["sudo_without_password"]
        ]

    def _targets_free(self, group_id: str) -> list[dict[str, str]]:
        targets = sorted(
            (row["target_type"], row["target_id"])
            for row in self.tables["system_group_associations"]
            if row["group_id"] == group_id and row["sudo_without_password"]
        )
        return [{"type": kind, "id": target_id} for kind, target_id in targets]


def _addresses(tables: Tables, many: int, few: int) -> Findings:
    places: dict[object, Rows] = {}
    for row in tables["systems"]:
        places.setdefault(row["public_ip"], []).append(row)
    places.pop(None, None)
    return {
        "shared_private_addresses": [
            asset_row(
                "ipv4_addresses",
                str(row["address"]),
                None,
                system_count=row["system_count"],
                interfaces=row["interfaces"],
            )
            for row in tables["ipv4_addresses"]
            if row["scope"] == "private" and _length(row["system_ids"]) >= many
        ],
        "shared_public_addresses": [
            system_row(row, "public_ip", system_ids=sorted(each["system_id"] for each in rows))
            for rows in places.values()
            if 1 < len(rows) <= few
            for row in rows
        ],
    }


def _length(value: object) -> int:
    return len(value) if isinstance(value, Collection) else 0
