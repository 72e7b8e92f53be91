"""An organization as plain data: records, edges, and the edits that change them."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any, cast

from pipelines.simulator.data.records import ABSENT, SECRET, Attributes, Ids, Record, Rng, Target


class KeyHolder:
    """The owner of an API key and of a service account, which never come from a seed.

    Attributes:
        api_key: Value of the header `x-api-key`.
        client_id, client_secret: Credentials for OAuth 2's token endpoint.
    """

    def __init__(self) -> None:
        self.api_key = f"jca_{secrets.token_hex(24)}"
        self.client_id = secrets.token_hex(12)
        self.client_secret = f"simsecret{secrets.token_hex(16)}"


class Organization(KeyHolder):
    """A JumpCloud organization that can be edited while it is served.

    Records are stored as the API delivers them, including secrets. The bulk lists and the graph are
    separate: an edge may name an id that is in no list.

    Args:
        name: The organization's display name.
        rng: Source of ids; keys never come from it.

    Attributes:
        systems, users, applications, system_groups, user_groups, policies, policy_groups,
            commands, radius_servers: Records by id, in insertion order.
        members: System ids, with edge attributes, by system group id.
        user_group_members: User ids, with edge attributes, by user group id.
        bindings: Direct edges by the id of their source, a system group or an application.
        user_systems: System ids, with edge attributes, by the id of a user bound to them directly.
        user_group_systems: The same by the id of a user group.
        deleted: Systems and users that lists still count as members but no longer deliver.
        vanished: System groups that are listed, but answer 404 when read.
        compiled: `compiledAttributes` by (source id, user id), where it differs from the merged
            attributes of the edges.
        repeated: Ids that every list delivers and counts twice.
        version: Counter of changes.
    """

    def __init__(self, name: str | None, rng: Rng) -> None:
        super().__init__()
        self.lock = RLock()
        self.version = 0
        self.ids = Ids(rng)
        self.random = rng
        self.id = self.ids.new()
        self.name = name
        self.created = "2021-02-03T04:05:06.789Z"
        self.systems: dict[str, Record] = {}
        self.users: dict[str, Record] = {}
        self.applications: dict[str, Record] = {}
        self.system_groups: dict[str, Record] = {}
        self.user_groups: dict[str, Record] = {}
        self.policies: dict[str, Record] = {}
        self.policy_groups: dict[str, Record] = {}
        self.commands: dict[str, Record] = {}
        self.radius_servers: dict[str, Record] = {}
        self.members: dict[str, dict[str, Attributes]] = {}
        self.user_group_members: dict[str, dict[str, Attributes]] = {}
        self.bindings: dict[str, dict[Target, Attributes]] = {}
        self.user_systems: dict[str, dict[str, Attributes]] = {}
        self.user_group_systems: dict[str, dict[str, Attributes]] = {}
        self.deleted: set[str] = set()
        self.vanished: set[str] = set()
        self.compiled: dict[tuple[str, str], Attributes] = {}
        self.repeated: set[str] = set()

    @contextmanager
    def edit(self) -> Iterator[None]:
        """Hold the lock for a change, and make it visible to readers at the end."""
        with self.lock:
            yield
            self.version += 1

    def record(self) -> Record:
        """Return the organization's own record."""
        return {
            "_id": self.id,
            "id": self.id,
            "displayName": self.name,
            "logoUrl": None,
            "created": self.created,
        }

    def collections(self) -> tuple[dict[str, Record], ...]:
        """Return every collection of records that has a bulk list."""
        v1_lists = (self.systems, self.users, self.applications, self.commands)
        return (*v1_lists, self.radius_servers, self.policies, *self._groups().values())

    def secrets(self) -> set[str]:
        """Return every secret, each of one line that can be searched for in files."""
        found = {self.api_key, self.client_secret}
        with self.lock:
            held = [*self.collections(), *self.bindings.values(), self.compiled]
            for values in cast("list[Mapping[object, object]]", held):
                text = json.dumps(list(values.values()), default=str)
                found.update(SECRET.findall(text))
        return found

    def add_system(self, **fields: object) -> str:
        """Add a plain system with these fields (`ABSENT` leaves one out), and return its id."""
        name = f"ADDED-{len(self.systems):05}"
        record: Record = {
            "hostname": name,
            "displayName": name,
            "os": "Ubuntu",
            "osFamily": "linux",
            "version": "24.04",
            "active": True,
            "created": self.created,
            "lastContact": self.created,
            "networkInterfaces": [],
        }
        return self._add(self.systems, record | fields)

    def add_user(self, **fields: object) -> str:
        """Add a plain user with these fields, and return its id."""
        name = f"added.user{len(self.users):05}"
        record: Record = {
            "username": name,
            "email": f"{name}@example.com",
            "displayname": name,
            "state": "ACTIVATED",
            "activated": True,
            "suspended": False,
            "account_locked": False,
            "created": self.created,
        }
        return self._add(self.users, record | fields)

    def add_application(self, **fields: object) -> str:
        """Add a plain SSO application with these fields, and return its id."""
        name = f"added-{len(self.applications):05}"
        record: Record = {
            "name": name,
            "displayName": name,
            "displayLabel": name,
            "active": True,
            "created": self.created,
            "sso": {"type": "saml"},
        }
        application_id = self._add(self.applications, record | fields)
        self.bindings.setdefault(application_id, {})
        return application_id

    def add_group(self, name: str, kind: str = "system_group", **fields: object) -> str:
        """Add an empty group and return its id.

        Args:
            name: Name of the group; need not be unique.
            kind: `system_group`, `user_group` or `policy_group`.
            **fields: Further fields of the record.
        """
        record: Record = {"name": name, "type": kind, "description": "", "email": ""}
        record["attributes"] = None
        if kind != "policy_group":
            record["membershipMethod"] = "STATIC"
        group_id = self._add(self._groups()[kind], record | fields, v1=False)
        if kind == "user_group":
            self.user_group_members.setdefault(group_id, {})
        if kind == "system_group":
            self.members.setdefault(group_id, {})
            self.bindings.setdefault(group_id, {})
        return group_id

    def _groups(self) -> dict[str, dict[str, Record]]:
        return {
            "system_group": self.system_groups,
            "user_group": self.user_groups,
            "policy_group": self.policy_groups,
        }

    def _add(self, collection: dict[str, Record], record: Record, *, v1: bool = True) -> str:
        with self.edit():
            record_id = str(record.get("id") or record.get("_id") or self.ids.new())
            own: Record = {"_id": record_id, "id": record_id} if v1 else {"id": record_id}
            given = {name: value for name, value in record.items() if value is not ABSENT}
            collection[record_id] = own | given
            return record_id

    def update(self, record_id: str, **fields: Any) -> None:  # noqa: ANN401 - JSON values
        """Change fields of the record with this id in any collection.

        Raises:
            KeyError: No collection has the id.
        """
        with self.edit():
            collection = next((c for c in self.collections() if record_id in c), {})
            collection[record_id] = collection[record_id] | fields

    def remove_system(self, system_id: str) -> None:
        """Delete a system; its memberships remain as holes."""
        with self.edit():
            del self.systems[system_id]
            self.deleted.add(system_id)
            for edges in (*self.user_systems.values(), *self.user_group_systems.values()):
                edges.pop(system_id, None)

    def remove_user(self, user_id: str) -> None:
        """Delete a user and every edge of it; its memberships remain as holes."""
        with self.edit():
            del self.users[user_id]
            self.deleted.add(user_id)
            self.user_systems.pop(user_id, None)
            self._drop_target(("user", user_id))

    def remove_application(self, application_id: str) -> None:
        """Delete an application and its edges."""
        with self.edit():
            del self.applications[application_id]
            self.bindings.pop(application_id, None)

    def hide(self, record_id: str) -> None:
        """Remove a record from its bulk list only; the graph still names its id."""
        with self.edit():
            for collection in self.collections():
                collection.pop(record_id, None)

    def remove_group(self, group_id: str) -> None:
        """Delete a group of any kind and its edges; its id then answers 404."""
        with self.edit():
            kind, groups = next(item for item in self._groups().items() if group_id in item[1])
            del groups[group_id]
            self.members.pop(group_id, None)
            self.bindings.pop(group_id, None)
            self.user_group_members.pop(group_id, None)
            self.user_group_systems.pop(group_id, None)
            self._drop_target((kind, group_id))

    def _drop_target(self, target: Target) -> None:
        for edges in self.bindings.values():
            edges.pop(target, None)

    def bind(
        self, source_id: str, target_type: str, target_id: str, attributes: Attributes = None
    ) -> None:
        """Bind a target to a system group or an application, or change the edge's attributes."""
        with self.edit():
            self.bindings.setdefault(source_id, {})[target_type, target_id] = attributes

    def unbind(self, source_id: str, target_type: str, target_id: str) -> None:
        """Remove a direct edge of a system group or an application."""
        with self.edit():
            del self.bindings[source_id][target_type, target_id]

    def bind_system(self, source_id: str, system_id: str, attributes: Attributes = None) -> None:
        """Bind a user or a user group directly to a system, or change the edge's attributes."""
        with self.edit():
            self._bound_systems(source_id).setdefault(source_id, {})[system_id] = attributes

    def unbind_system(self, source_id: str, system_id: str) -> None:
        """Remove a direct edge between a user or a user group and a system."""
        with self.edit():
            del self._bound_systems(source_id)[source_id][system_id]

    def _bound_systems(self, source_id: str) -> dict[str, dict[str, Attributes]]:
        return self.user_group_systems if source_id in self.user_groups else self.user_systems

    def add_member(self, group_id: str, member_id: str, attributes: Attributes = None) -> None:
        """Add a system to a system group, or a user to a user group."""
        with self.edit():
            self._group_members(group_id)[member_id] = attributes

    def remove_member(self, group_id: str, member_id: str) -> None:
        """Remove a system or a user from its group, without leaving a hole."""
        with self.edit():
            del self._group_members(group_id)[member_id]

    def _group_members(self, group_id: str) -> dict[str, Attributes]:
        users = self.user_group_members.get(group_id)
        return self.members[group_id] if users is None else users
