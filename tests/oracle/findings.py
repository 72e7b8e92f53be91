"""The findings that a correct inventory must report, computed row by row from its tables."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.oracle.changes import Changes
from tests.oracle.graph import Graph, Rows, display_name, finding, has_mfa
from tests.oracle.tables import Row, Tables

Findings = dict[str, Rows]
Key = tuple[str, str, str]  # finding, type and id of the asset


_THRESHOLDS = {"stale_days": 30, "many_devices": 10, "few_devices": 5, "certificate_days": 30}


def findings(now: Tables, before: Tables | None, at: datetime, **changed: int) -> Findings:
    """Return the rows of each finding: type, id and name of the asset, and the evidence.

    Args:
        now: The expected tables of a pull of everything.
        before: The expected tables of the previous pull; None for the first pull.
        at: Start of the pull.
        changed: Thresholds that are not the default, by name of the setting.
    """
    limits = _THRESHOLDS | changed
    found = _Users(now).findings() | _Devices(now).findings(at, limits["stale_days"])
    found |= (
        _Groups(now).findings()
        | _Privileges(now).findings()
        | _certificates(now, at, limits["certificate_days"])
        | _addresses(now, limits["many_devices"], limits["few_devices"])
    )
    found |= Changes(now, before).findings() if before else {name: [] for name in Changes.NAMES}
    return found


@dataclass
class Lives:
    """Findings with the time when a pull first found them, and when one found them gone."""

    open: dict[Key, datetime] = field(default_factory=dict)
    closed: set[tuple[Key, datetime, datetime]] = field(default_factory=set)

    def step(self, found: set[Key], asked: Collection[str], at: datetime) -> None:
        """Add a pull, with what it found and the findings that it could answer."""
        for key in [key for key in self.open if key not in found and key[0] in asked]:
            self.closed.add((key, self.open.pop(key), at))
        for key in found:
            self.open.setdefault(key, at)


class _Users(Graph):
    def findings(self) -> Findings:
        shown = ("state", "suspended", "account_locked", "system_count")
        held = Counter(user for _, user in self.held_active())
        return {
            "suspended_users_with_access": [
                finding("users", row, *shown, application_count=held[user_id])
                for user_id, row in self.users.items()
                if row["suspended"] or row["account_locked"] or row["state"] == "SUSPENDED"
                if self.reachable_systems(user_id) or held[user_id]
            ],
            "users_without_mfa_with_sudo": [
                finding(
                    "users",
                    row,
                    "state",
                    "global_admin",
                    "mfa_exclusion",
                    sudo_group_ids=self.sudo_groups(user_id),
                    **self.direct_sudo(user_id),
                )
                for user_id, row in self.users.items()
                if has_mfa(row) is False
                if self.is_privileged(user_id)
            ],
            "users_without_systems": [
                finding("users", row, "state", "application_count")
                for user_id, row in self.users.items()
                if row["resolved"] and not self.reachable_systems(user_id)
                if all(s["primary_user_id"] != user_id for s in self.systems.values())
            ],
        }


class _Devices(Graph):
    def findings(self, at: datetime, stale_days: int) -> Findings:
        stale_before = at - timedelta(days=stale_days)
        systems = list(self.systems.values())
        return {
            "unencrypted_systems_of_privileged_users": list(self._unencrypted()),
            "stale_systems_with_access": [
                finding(
                    "systems",
                    row,
                    "user_count",
                    days_without_contact=(at - last_at).days,
                    last_contact_at=_iso(row["last_contact_at"]),
                )
                for row in systems
                for last_at in [row["last_contact_at"] or row["created_at"]]
                if last_at and last_at < stale_before and row["active"] is not True
                if row["last_contact_at"] or row["active"] is False
                if self.reaching_users(row["system_id"])
            ],
            "systems_with_same_serial_number": [
                finding("systems", row, "serial_number", system_ids=sorted(ids))
                for row in systems
                for ids in [self._with_number(row["serial_number"])]
                if len(ids) > 1
            ],
            "systems_without_users": [
                finding("systems", row, "group_ids")
                for row in systems
                if row["resolved"] and not row["primary_user_id"]
                if not self.reaching_users(row["system_id"])
            ],
            "systems_in_no_group": [
                finding("systems", row, "os", "primary_user_id")
                for row in systems
                if not any(row["system_id"] in members for members in self.members.values())
            ],
            "systems_with_failing_policies": [
                finding("systems", row, "policies_failed", "policies_total")
                for row in systems
                if (row["policies_failed"] or 0) > 0
            ],
        }

    def _with_number(self, serial_number: str | None) -> set[str]:
        """Return the devices with this serial number; none if it is a placeholder."""
        number = (serial_number or "").strip().upper()
        if number in {"TO BE FILLED BY O.E.M.", "DEFAULT STRING", "NONE"} or set(number) <= {"0"}:
            return set()
        return {
            system_id
            for system_id, row in self.systems.items()
            if (row["serial_number"] or "").strip().upper() == number
        }

    def _unencrypted(self) -> Iterator[Row]:
        for row in self.systems.values():
            if row["disk_encrypted"] is not False:
                continue
            grants = [
                (group, user)
                for (group, user), binding in self.bindings.items()
                if row["system_id"] in self.members[group]
                if binding["sudo"] or self.users[user]["global_admin"]
            ]
            direct = [
                (way, user)
                for system_id, user, way in self.direct_ways()
                if system_id == row["system_id"]
                if way["sudo"] or self.users[user]["global_admin"]
            ]
            users = {user for _, user in (*grants, *direct)}
            known = row["primary_user_id"] if row["primary_user_id"] in self.users else None
            if (known in users or self.users[known]["global_admin"]) if known else users:
                ways = [way for way, _ in direct]
                yield finding(
                    "systems",
                    row,
                    primary_user_id=known,
                    sudo_group_ids=sorted({group for group, _ in grants}),
                    sudo_users=sorted(
                        display_name("users", self.users[way["user_id"]])
                        for way in ways
                        if "user_id" in way
                    ),
                    sudo_user_groups=sorted(
                        {way["user_group_name"] for way in ways if "user_group_id" in way}
                    ),
                )


class _Groups(Graph):
    def findings(self) -> Findings:
        unresolved = [
            finding(
                "systems",
                row,
                "group_ids",
                application_count=None,
                **self._referring(system_id=system_id),
            )
            for system_id, row in self.systems.items()
            if not row["resolved"]
        ]
        unresolved += [
            finding(
                "users",
                row,
                "application_count",
                group_ids=row["system_group_ids"],
                **self._referring(user_id=user_id),
            )
            for user_id, row in self.users.items()
            if not row["resolved"]
        ]
        return {
            "groups_with_passwordless_sudo": [
                finding("system_groups", group, "system_count", user_count=users, targets=targets)
                for group_id, group in self.groups.items()
                for users, targets in [self._passwordless(group_id)]
                if users or targets
            ],
            "groups_without_members": [
                finding("system_groups", group, "user_count")
                for group_id, group in self.groups.items()
                if not self.members[group_id]
            ],
            "applications_without_users": [
                finding("applications", row, "active")
                for application_id, row in self.applications.items()
                if all(application != application_id for application, _ in self.held)
            ],
            "unresolved_ids": unresolved,
        }

    def _referring(self, **row_id: str) -> Row:
        """Return the names in bindings of a device or user outside system groups."""
        ((column, value),) = row_id.items()

        def rows(table: str) -> Rows:
            return [row for row in self.tables[table] if row.get(column) == value]

        groups = [*rows("user_group_system_bindings"), *rows("user_group_members")]
        bound = rows("user_system_bindings")
        users = {display_name("users", self.users[row["user_id"]]) for row in bound}
        systems = {display_name("systems", self.systems[row["system_id"]]) for row in bound}
        return {
            "users": sorted(users) if column == "system_id" else [],
            "systems": sorted(systems) if column == "user_id" else [],
            "user_groups": sorted({row["user_group_name"] for row in groups}),
        }

    def _passwordless(self, group_id: str) -> tuple[int, Rows]:
        """Return the number of users, and the targets, with sudo without a password."""
        users = [row for (group, _), row in self.bindings.items() if group == group_id]
        targets = sorted(
            (row["target_type"], row["target_id"], row["target_name"])
            for row in self.tables["system_group_associations"]
            if row["group_id"] == group_id and row["sudo_without_password"]
        )
        number = sum(row["sudo_without_password"] is True for row in users)
        return number, [dict(zip(("type", "id", "name"), one, strict=True)) for one in targets]


class _Privileges(Graph):
    def findings(self) -> Findings:
        kinds = ("system_groups", "user_groups")
        return {
            "systems_with_direct_sudo": [
                finding("systems", row, **evidence)
                for system_id, row in self.systems.items()
                for evidence in [self._exceptions(system_id)]
                if evidence["users"] or evidence["user_groups"]
            ],
            "groups_with_rule_errors": [
                finding(kind, row, "query_errors", "membership_method")
                for kind in kinds
                for row in self.tables[kind]
                if row["query_errors"]
            ],
            "systems_with_unmanaged_administrators": [
                finding("systems", row, accounts=accounts)
                for system_id, row in self.systems.items()
                for accounts in [self._unmanaged(system_id)]
                if accounts
            ],
            "users_exempt_from_mfa_without_end": [
                finding("users", row, "state", "mfa_status", "system_count")
                for row in self.users.values()
                if row["mfa_exclusion"] and not row["mfa_exclusion_until"]
            ],
            "users_without_password_expiry_with_sudo": [
                finding(
                    "users",
                    row,
                    "state",
                    "global_admin",
                    password_date=_iso(row["password_date"]),
                    sudo_group_ids=self.sudo_groups(user_id),
                    **self.direct_sudo(user_id),
                )
                for user_id, row in self.users.items()
                if row["password_never_expires"] and self.is_privileged(user_id)
            ],
        }

    def _exceptions(self, system_id: str) -> Row:
        def bindings(table: str) -> Rows:
            rows = self.tables[table]
            return [row for row in rows if row["system_id"] == system_id and row["sudo"]]

        users, groups = bindings("user_system_bindings"), bindings("user_group_system_bindings")
        names = {row["user_id"]: display_name("users", self.users[row["user_id"]]) for row in users}
        of_groups = {row["user_group_id"]: row["user_group_name"] for row in groups}
        return {
            "users": [{"id": key, "name": names[key]} for key in sorted(names)],
            "user_groups": [{"id": key, "name": of_groups[key]} for key in sorted(of_groups)],
            "sudo_without_password": any(r["sudo_without_password"] for r in (*users, *groups)),
        }

    def _unmanaged(self, system_id: str) -> list[str]:
        built_in = {"root", "_jumpcloudserviceaccount"}
        return sorted(
            row["username"]
            for row in self.tables["system_local_accounts"]
            if row["system_id"] == system_id and row["username"].lower() not in built_in
            if row["admin"] and row["managed"] is False and row["suspended"] is not True
        )


def _certificates(tables: Tables, at: datetime, days: int) -> Findings:
    return {
        "applications_with_expiring_certificate": [
            finding(
                "applications",
                row,
                "user_count",
                expires_at=_iso(end),
                days_left=(end - at) // timedelta(days=1),
            )
            for row in tables["applications"]
            for end in [row["idp_certificate_expires_at"]]
            if end and end < at + timedelta(days=days) and row["active"] is not False
        ]
    }


def _iso(time: datetime | None) -> str | None:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else None


def _addresses(tables: Tables, many: int, few: int) -> Findings:
    places: dict[object, Rows] = {}
    for row in tables["systems"]:
        places.setdefault(row["public_ip"], []).append(row)
    places.pop(None, None)
    return {
        "shared_private_addresses": [
            finding("ipv4_addresses", row, "system_count", "interfaces")
            for row in tables["ipv4_addresses"]
            if row["scope"] == "private" and row["system_count"] >= many
        ],
        "shared_public_addresses": [
            finding(
                "systems", row, "public_ip", system_ids=sorted(one["system_id"] for one in rows)
            )
            for rows in places.values()
            if 1 < len(rows) <= few
            for row in rows
        ],
    }
