"""The findings about changes: expected only of a pull that has a previous one."""

from collections.abc import Iterator

from tests.oracle.graph import Graph, Rows, display_name, finding
from tests.oracle.tables import Row, Tables

_RIGHTS = ("sudo", "sudo_without_password")


class Changes:
    """A comparison of two pulls.

    Args:
        now: Expected tables of the later pull.
        before: Expected tables of the earlier pull.
    """

    NAMES = ("systems_appeared", "systems_vanished", "access_gained")

    def __init__(self, now: Tables, before: Tables) -> None:
        self._now, self._before = Graph(now), Graph(before)

    def findings(self) -> dict[str, Rows]:
        """Return what appeared, vanished, and was granted."""
        now, before = self._now.systems, self._before.systems
        shown = ("os", "serial_number", "primary_user_id", "user_count")
        return {
            "systems_appeared": [
                finding("systems", row, "os", "primary_user_id", "group_ids", is_back=False)
                for key, row in now.items()
                if key not in before
            ],
            "systems_vanished": [
                finding("systems", row, *shown) for key, row in before.items() if key not in now
            ],
            "access_gained": [
                *self._bindings(),
                *self._members(),
                *self._direct_bindings(),
                *self._user_groups(),
                *self._applications(),
                *self._administrators(),
            ],
        }

    def _bindings(self) -> Iterator[Row]:
        for (group_id, user_id), row in self._now.bindings.items():
            old = self._before.bindings.get((group_id, user_id))
            had = {name for name in _RIGHTS if old[name]} | {"access"} if old else set()
            rights = ["access", *(name for name in _RIGHTS if row[name])]
            gained = [name for name in rights if name not in had]
            members = self._now.members[group_id]
            if gained and members:
                user = self._now.users[user_id]
                yield self._group_access("users", user, group_id, gained, len(members))

    def _members(self) -> Iterator[Row]:
        for group_id, members in self._now.members.items():
            users = [row for key, row in self._now.bindings.items() if key[0] == group_id]
            rights = [name for name in _RIGHTS if any(row[name] for row in users)]
            new = members - self._before.members.get(group_id, set()) if users else set()
            for system_id in new:
                system = self._now.systems[system_id]
                gained = ["access", *rights]
                yield self._group_access("systems", system, group_id, gained, len(users))

    def _group_access(
        self, kind: str, row: Row, group_id: str, gained: list[str], reach: int
    ) -> Row:
        through = self._now.groups[group_id]["name"] or group_id
        return _access(kind, row, gained, through, reach, group_id=group_id)

    def _direct_bindings(self) -> Iterator[Row]:
        old = {_key(row): row for row in _direct_rows(self._before)}
        for row in _direct_rows(self._now):
            gained = [name for name in _rights(row) if name not in _rights(old.get(_key(row)))]
            system = self._now.systems[row["system_id"]]
            if gained and "user_id" in row:
                user, through = self._now.users[row["user_id"]], display_name("systems", system)
                yield _access("users", user, gained, through, 1, system_id=row["system_id"])
            elif gained and (users := self._now.group_members.get(row["user_group_id"])):
                yield _of_user_group("systems", system, gained, row, len(users))

    def _user_groups(self) -> Iterator[Row]:
        rows = self._now.tables["user_group_system_bindings"]
        for group_id, users in self._now.group_members.items():
            own = [row for row in rows if row["user_group_id"] == group_id]
            rights = [name for name in _RIGHTS if any(row[name] for row in own)]
            for user_id in users - self._before.group_members.get(group_id, set()):
                if own:
                    user, gained = self._now.users[user_id], ["access", *rights]
                    yield _of_user_group("users", user, gained, own[0], len(own))

    def _applications(self) -> Iterator[Row]:
        for app_id, user_id in self._now.held_active() - self._before.held_active():
            through = display_name("applications", self._now.applications[app_id])
            user = self._now.users[user_id]
            yield _access("users", user, ["access"], through, None, application_id=app_id)

    def _administrators(self) -> Iterator[Row]:
        for user_id, row in self._now.users.items():
            had = _admin_rights(self._before.users.get(user_id, {}))
            gained = [name for name in _admin_rights(row) if name not in had]
            reached = self._now.reachable_systems(user_id)
            if gained and reached:
                yield _access("users", row, gained, "global administrator", len(reached))


def _access(
    kind: str,
    row: Row,
    gained: list[str],
    through: str,
    reach: int | None,
    **ids: str,
) -> Row:
    names = ("group_id", "application_id", "system_id", "user_group_id")
    evidence = {"gained": gained, **dict.fromkeys(names), **ids}
    return finding(kind, row, **evidence, through=through, reach=reach)


def _of_user_group(kind: str, row: Row, gained: list[str], binding: Row, reach: int) -> Row:
    through, group_id = binding["user_group_name"], binding["user_group_id"]
    return _access(kind, row, gained, through, reach, user_group_id=group_id)


def _direct_rows(graph: Graph) -> Rows:
    tables = ("user_system_bindings", "user_group_system_bindings")
    return [row for table in tables for row in graph.tables[table]]


def _key(row: Row) -> tuple[object, ...]:
    return row.get("user_id"), row.get("user_group_id"), row["system_id"]


def _rights(row: Row | None) -> list[str]:
    return ["access", *(name for name in _RIGHTS if row[name])] if row else []


def _admin_rights(row: Row) -> list[str]:
    if not row.get("global_admin"):
        return []
    return ["sudo", "sudo_without_password"] if row["passwordless_sudo"] else ["sudo"]
