"""The access graph of an organization's tables, and the rows of findings."""

from typing import Final

from tests.oracle.tables import Row, Tables

Rows = list[Row]
ID_AND_NAMES: Final = {
    "systems": ("system_id", "hostname", "display_name", "serial_number"),
    "users": ("user_id", "username", "email"),
    "applications": ("application_id", "display_label", "display_name", "name"),
    "system_groups": ("group_id", "name"),
    "ipv4_addresses": ("address",),
    "user_groups": ("user_group_id", "name"),
}


class Graph:
    """The relations between users, systems, groups and applications.

    Args:
        tables: The organization's expected tables.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.users = {row["user_id"]: row for row in tables["users"]}
        self.systems = {row["system_id"]: row for row in tables["systems"]}
        self.groups = {row["group_id"]: row for row in tables["system_groups"]}
        self.applications = {row["application_id"]: row for row in tables["applications"]}
        self.members: dict[str, set[str]] = {group_id: set() for group_id in self.groups}
        for row in tables["system_group_members"]:
            self.members[row["group_id"]].add(row["system_id"])
        self.bindings = {
            (row["group_id"], row["user_id"]): row for row in tables["system_group_users"]
        }
        self.group_members: dict[str, set[str]] = {}
        for row in tables["user_group_members"]:
            self.group_members.setdefault(row["user_group_id"], set()).add(row["user_id"])
        self.held = {(row["application_id"], row["user_id"]) for row in tables["application_users"]}

    def held_active(self) -> set[tuple[str, str]]:
        """Return application and user for each application that is not inactive."""
        return {pair for pair in self.held if self.applications[pair[0]]["active"] is not False}

    def direct_ways(self) -> list[tuple[str, str, Row]]:
        """Return system, user and binding of each way without a system group."""
        ways = [(r["system_id"], r["user_id"], r) for r in self.tables["user_system_bindings"]]
        for row in self.tables["user_group_system_bindings"]:
            users = self.group_members.get(row["user_group_id"], ())
            ways += [(row["system_id"], user_id, row) for user_id in users]
        return ways

    def reachable_systems(self, user_id: str) -> set[str]:
        """Return the systems that the user reaches."""
        groups = [group for group, user in self.bindings if user == user_id]
        direct = {system for system, user, _ in self.direct_ways() if user == user_id}
        return direct.union(*(self.members[group] for group in groups))

    def reaching_users(self, system_id: str) -> set[str]:
        """Return the users who reach the system."""
        direct = {user for system, user, _ in self.direct_ways() if system == system_id}
        return direct | {user for group, user in self.bindings if system_id in self.members[group]}

    def direct_sudo(self, user_id: str) -> Row:
        """Return the evidence of sudo without a system group."""
        rows = [row for _, user, row in self.direct_ways() if user == user_id and row["sudo"]]
        groups = {row["user_group_name"] for row in rows if "user_group_name" in row}
        systems = {row["system_id"] for row in rows if "user_id" in row}
        return {"sudo_system_ids": sorted(systems), "sudo_user_groups": sorted(groups)}

    def sudo_groups(self, user_id: str) -> list[str]:
        """Return the groups with devices on which the user has sudo."""
        return sorted(
            group
            for (group, user), row in self.bindings.items()
            if user == user_id and row["sudo"] and self.members[group]
        )

    def is_privileged(self, user_id: str) -> bool:
        """Return whether the user has sudo on any device."""
        admin = self.users[user_id]["global_admin"]
        direct = any(self.direct_sudo(user_id).values())
        return bool(
            direct or self.sudo_groups(user_id) or (admin and self.reachable_systems(user_id))
        )


def display_name(kind: str, row: Row) -> str:
    """Return the first name that an asset has, or its id."""
    id_column, *names = ID_AND_NAMES[kind]
    return next(str(row[name]) for name in (*names, id_column) if row[name])


def has_mfa(user: Row) -> bool | None:
    """Return whether a user has a factor of MFA; None if unknown."""
    if user["mfa_status"]:
        return bool(user["mfa_status"] == "ENROLLED")
    known: bool | None = user["mfa_configured"]
    return True if user["totp_enabled"] else known


def finding(kind: str, row: Row, *columns: str, **evidence: object) -> Row:
    """Return the row of a finding.

    Args:
        kind: Table of the asset.
        row: Row of the asset.
        *columns: Columns of the asset that are part of the evidence.
        **evidence: Further evidence.
    """
    return {
        "asset_type": kind,
        "asset_id": row[ID_AND_NAMES[kind][0]],
        "asset_name": display_name(kind, row),
        "evidence": {name: row[name] for name in columns} | evidence,
    }
