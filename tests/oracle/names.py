"""The expected tables of user groups, and of the names of the targets of system groups."""

from typing import Any, Final

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Record
from tests.oracle.columns import Columns, boolean, column_values, text
from tests.oracle.reach import Reach, sudo_columns

Row = dict[str, Any]

USER_GROUP: Final[Columns] = {
    "name": (text, "name"),
    "description": (text, "description"),
    "membership_method": (text, "membershipMethod"),
}
POLICY: Final[Columns] = {
    "name": (text, "name"),
    "template_name": (text, "template.name"),
    "os_family": (text, "template.osMetaFamily"),
}
POLICY_GROUP: Final[Columns] = {"name": (text, "name"), "description": (text, "description")}
COMMAND: Final[Columns] = {
    "name": (text, "name"),
    "command_type": (text, "commandType"),
    "launch_type": (text, "launchType"),
    "trigger": (text, "trigger"),
    "sudo": (boolean, "sudo"),
}
RADIUS_SERVER: Final[Columns] = {
    "name": (text, "name"),
    "network_source_ip": (text, "networkSourceIp"),
}


class Names:
    """The names of user groups, policies, policy groups, commands and RADIUS servers.

    Args:
        org: The organization, locked by the caller.
        reach: Its relations.
        read: False if the pull reads no details.
    """

    def __init__(self, org: Organization, reach: Reach, *, read: bool) -> None:
        self._reach = reach
        self._records: dict[str, dict[str, Record]] = {
            "user": org.users,
            "user_group": org.user_groups,
            "policy": org.policies,
            "policy_group": org.policy_groups,
            "command": org.commands,
            "radius_server": org.radius_servers,
        }
        if not read:
            self._records = {kind: {} for kind in self._records}

    def name(self, kind: str, target_id: str) -> str:
        """Return the name of a target; its id if it has none."""
        record = self._records[kind].get(target_id, {})
        names = ("username", "email") if kind == "user" else ("name",)
        return next((str(record[name]) for name in names if record.get(name)), target_id)

    def group_names(self, group_ids: set[str]) -> Row:
        """Return the column with the names of user groups on the way of a user."""
        names = {self.name("user_group", group_id) for group_id in group_ids}
        return {"via_user_group_names": sorted(names)}

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables."""
        return {
            "user_groups": self._rows("user_group", USER_GROUP),
            "policies": self._rows("policy", POLICY),
            "policy_groups": self._rows("policy_group", POLICY_GROUP),
            "commands": self._rows("command", COMMAND),
            "radius_servers": self._rows("radius_server", RADIUS_SERVER),
            "user_group_members": [
                {"user_group_id": group_id, "user_id": user_id} | self._group_name(group_id)
                for group_id in sorted(self._records["user_group"])
                for user_id in sorted(self._reach.user_group_members[group_id])
            ],
            "user_system_bindings": [
                {"user_id": user_id, "system_id": system_id} | sudo_columns(sudo)
                for user_id, systems in sorted(self._reach.user_systems.items())
                for system_id, sudo in sorted(systems.items())
            ],
            "user_group_system_bindings": [
                {"user_group_id": group_id, "system_id": system_id}
                | sudo_columns(sudo)
                | self._group_name(group_id)
                for group_id, systems in sorted(self._reach.user_group_systems.items())
                for system_id, sudo in sorted(systems.items())
            ],
        }

    def _group_name(self, group_id: str) -> Row:
        return {"user_group_name": self.name("user_group", group_id)}

    def _rows(self, kind: str, columns: Columns) -> list[Row]:
        return [
            {f"{kind}_id": record_id}
            | column_values(columns, record)
            | (self._rule_and_size(record_id, record) if kind == "user_group" else {})
            for record_id, record in sorted(self._records[kind].items())
        ]

    def _rule_and_size(self, group_id: str, record: Record) -> Row:
        return rule(record) | {"user_count": len(self._reach.user_group_members[group_id])}


def rule(record: Record) -> Row:
    """Return the columns of the rule of a dynamic group."""
    return {
        "member_query": record.get("memberQuery"),
        "member_exemptions": record.get("memberQueryExemptions"),
        "query_errors": sorted(set(record.get("memberQueryErrorFlags") or ())),
    }
