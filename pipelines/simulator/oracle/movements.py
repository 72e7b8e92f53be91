"""What a pull of an organization must find that the one before did not."""

from collections.abc import Iterator

from pipelines.simulator.oracle.graph import Graph, Rows, asset_name, system_row, user_row
from pipelines.simulator.oracle.tables import Row, Tables

_RIGHTS = ("sudo", "sudo_without_password")


class Movements:
    """Compares two pulls.

    Args:
        now: The organization's truth at the later.
        before: The same at the earlier.
    """

    NAMES = ("systems_appeared", "systems_vanished", "access_gained")

    def __init__(self, now: Tables, before: Tables) -> None:
        self._now, self._before = Graph(now), Graph(before)
        self._labels = {
            str(row["application_id"]): asset_name(row["display_label"])
            for row in now["applications"]
        }

    def found(self) -> dict[str, Rows]:
        """Return what came, went, and was granted."""
        now, before = self._now.systems, self._before.systems
        shown = ("os", "serial_number", "primary_user_id", "user_count")
        return {
            "systems_appeared": [
                system_row(row, "os", "primary_user_id", "group_ids", is_back=False)
                for key, row in now.items()
                if key not in before
            ],
            "systems_vanished": [
                system_row(row, *shown) for key, row in before.items() if key not in now
            ],
            "access_gained": [
                *self._sudo(),
                *self._members(),
                *self._applications(),
                *self._administrators(),
            ],
        }

    def _sudo(self) -> Iterator[Row]:
        for (group_id, user_id), row in self._now.bindings.items():
            old = self._before.bindings.get((group_id, user_id))
            rights = {"access": True} | {name: row[name] for name in _RIGHTS}
            had = {"access": True} | {name: old[name] for name in _RIGHTS} if old else {}
            gained = [name for name, has in rights.items() if has and not had.get(name)]
            members = self._now.members[group_id]
            if gained and members:
                yield user_row(
                    self._now.users[user_id],
                    gained=gained,
                    group_id=group_id,
                    application_id=None,
                    through=self._now.groups[group_id]["name"] or group_id,
                    reach=len(members),
                )

    def _members(self) -> Iterator[Row]:
        for group_id, members in self._now.members.items():
            users = [row for key, row in self._now.bindings.items() if key[0] == group_id]
            rights = [name for name in _RIGHTS if any(row[name] for row in users)]
            new = members - self._before.members.get(group_id, set()) if users else set()
            for system_id in new:
                yield system_row(
                    self._now.systems[system_id],
                    gained=["access", *rights],
                    group_id=group_id,
                    application_id=None,
                    through=self._now.groups[group_id]["name"] or group_id,
                    reach=len(users),
                )

    def _applications(self) -> Iterator[Row]:
        for application_id, user_id in self._now.held_active() - self._before.held_active():
            yield user_row(
                self._now.users[user_id],
                gained=["access"],
                group_id=None,
                application_id=application_id,
                through=self._labels[application_id] or application_id,
                reach=None,
            )

    def _administrators(self) -> Iterator[Row]:
        for user_id, row in self._now.users.items():
            had = self._rights_as_administrator(self._before.users.get(user_id, {}))
            gained = [name for name in self._rights_as_administrator(row) if name not in had]
            reached = self._now.reachable_users(user_id)
            if gained and reached:
                yield user_row(
                    row,
                    gained=gained,
                    group_id=None,
                    application_id=None,
                    through="global administrator",
                    reach=len(reached),
                )

    def _rights_as_administrator(self, row: Row) -> list[str]:
        if not row.get("global_admin"):
            return []
        return ["sudo", "sudo_without_password"] if row["passwordless_sudo"] else ["sudo"]
