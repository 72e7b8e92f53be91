"""The graph that an organization's tables tell of, and the rows of what is found in it."""

from typing import Any

from pipelines.simulator.oracle.tables import Row

Rows = list[dict[str, Any]]


class Graph:
    """Who reaches what, by the relationship tables.

    Args:
        tables: The organization's truth.
    """

    def __init__(self, tables: dict[str, Rows]) -> None:
        self.tables = tables
        self.users = {row["user_id"]: row for row in self.tables["users"]}
        self.systems = {row["system_id"]: row for row in self.tables["systems"]}
        self.groups = {row["group_id"]: row for row in self.tables["system_groups"]}
        self.members: dict[str, set[str]] = {each: set() for each in self.groups}
        for row in self.tables["system_group_members"]:
            self.members[row["group_id"]].add(row["system_id"])
        self.bindings = {
            (row["group_id"], row["user_id"]): row for row in self.tables["system_group_users"]
        }
        self.held = {
            (row["application_id"], row["user_id"]) for row in self.tables["application_users"]
        }

    def held_active(self) -> set[tuple[str, str]]:
        """Return application and user where the application is not switched off."""
        off = {
            row["application_id"] for row in self.tables["applications"] if row["active"] is False
        }
        return {each for each in self.held if each[0] not in off}

    def reachable_users(self, user_id: str) -> set[str]:
        """Return the systems that the user reaches."""
        groups = [group for group, user in self.bindings if user == user_id]
        return set().union(*(self.members[group] for group in groups))

    def group_members(self, system_id: str) -> set[str]:
        """Return the users who reach the system."""
        return {user for group, user in self.bindings if system_id in self.members[group]}

    def sudo_groups(self, user_id: str) -> list[str]:
        """Return the groups with devices on which the user is granted sudo."""
        return sorted(
            group
            for (group, user), row in self.bindings.items()
            if user == user_id and row["sudo"] and self.members[group]
        )

    def is_privileged(self, user_id: str | None) -> bool:
        """Return whether the user has sudo on any device."""
        if user_id is None or user_id not in self.users:
            return False
        admin = self.users[user_id]["global_admin"]
        return bool(self.sudo_groups(user_id) or (admin and self.reachable_users(user_id)))


def asset_row(kind: str, asset_id: str, name: str | None, **evidence: object) -> Row:
    """Return a row of a finding."""
    return {
        "asset_type": kind,
        "asset_id": asset_id,
        "asset_name": name or asset_id,
        "evidence": evidence,
    }


def user_row(row: Row, *columns: str, **evidence: object) -> Row:
    """Return the row of a user, with some of its columns as evidence."""
    shown = {name: row[name] for name in columns}
    return asset_row("users", str(row["user_id"]), asset_name(row["username"]), **shown, **evidence)


def system_row(row: Row, *columns: str, **evidence: object) -> Row:
    """Return the row of a system, with some of its columns as evidence."""
    shown = {name: row[name] for name in columns}
    return asset_row(
        "systems", str(row["system_id"]), asset_name(row["hostname"]), **shown, **evidence
    )


def asset_name(value: object) -> str | None:
    """Return a name, if there is one."""
    return None if value is None else str(value)


def group_row(row: Row, *columns: str, **evidence: object) -> Row:
    """Return the row of a system group, with some of its columns as evidence."""
    shown = {name: row[name] for name in columns}
    return asset_row(
        "system_groups", str(row["group_id"]), asset_name(row["name"]), **shown, **evidence
    )
