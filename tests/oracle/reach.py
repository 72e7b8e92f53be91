"""The access relations of an organization, computed from the edges of its graph alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Attributes, Record

Sudo = tuple[bool | None, bool | None]
"""Sudo, and sudo without a password; None where no edge defines it."""


@dataclass
class Grant:
    """The access of one user to one system group or application.

    Attributes:
        direct: The user is bound itself.
        via: User groups through which the user is bound.
        sudo: The most that any edge on the way grants.
    """

    direct: bool = False
    via: set[str] = field(default_factory=set)
    sudo: Sudo = (None, None)


class Reach:
    """The relations of one organization. Edits made later do not show.

    Args:
        org: The organization, locked by the caller.
        direct: Include bindings to single systems.
        from_devices: Read those of users from the devices that a report names, instead of from
            the users.

    Attributes:
        group_systems: Systems by system group, without deleted ones.
        group_users: Users with their grants, by system group.
        application_users: Users with their grants, by application.
        user_group_members: Users by user group, without deleted ones.
        user_systems: Systems with their sudo, by a user bound to them directly.
        user_group_systems: The same by user group; the group may have sudo itself.
    """

    def __init__(
        self, org: Organization, *, direct: bool = True, from_devices: bool = False
    ) -> None:
        groups = [group_id for group_id in org.system_groups if group_id not in org.vanished]
        applications = [app_id for app_id in org.applications if app_id not in org.vanished]
        self.group_systems: dict[str, set[str]] = {
            group_id: set(org.members.get(group_id, ())) - org.deleted for group_id in groups
        }
        self.group_users = {group_id: _grants(org, group_id) for group_id in groups}
        self.application_users = {app_id: _grants(org, app_id) for app_id in applications}
        self.user_group_members: dict[str, set[str]] = {
            group_id: set(org.user_group_members.get(group_id, ())) - org.deleted
            for group_id in org.user_groups
        }
        self.user_systems = _user_systems(org, from_devices=from_devices) if direct else {}
        self.user_group_systems: dict[str, dict[str, Sudo]] = {
            group_id: {
                system_id: most(edge_sudo(edge), edge_sudo(group.get("attributes")))
                for system_id, edge in org.user_group_systems.get(group_id, {}).items()
            }
            for group_id, group in org.user_groups.items()
            if direct
        }

    def direct_ways(self) -> Iterator[tuple[str, str, str | None, Sudo]]:
        """Yield system, user, user group or None, and sudo of each way without a system group."""
        for user_id, systems in self.user_systems.items():
            for system_id, sudo in systems.items():
                yield system_id, user_id, None, sudo
        for group_id, systems in self.user_group_systems.items():
            for system_id, sudo in systems.items():
                for user_id in self.user_group_members[group_id]:
                    yield system_id, user_id, group_id, sudo


def _user_systems(org: Organization, *, from_devices: bool) -> dict[str, dict[str, Sudo]]:
    """Return the direct bindings that one end sees.

    The list of a user also has devices that are in no list. The list of a device also has users
    that are in no list. A report names the devices with a user, both of them in a list.
    """
    named = {
        system_id
        for user_id, edges in org.user_systems.items()
        for system_id in edges
        if user_id in org.users and system_id in org.systems
    }
    found: dict[str, dict[str, Sudo]] = {}
    for user_id, edges in org.user_systems.items():
        for system_id, edge in edges.items():
            if system_id in named if from_devices else user_id in org.users:
                found.setdefault(user_id, {})[system_id] = edge_sudo(edge)
    return found


def bound_users(
    org: Organization, source_id: str
) -> Iterator[tuple[str, str | None, Attributes, Attributes]]:
    """Yield every path from a system group or application to a user.

    Each is the user, the user group between them or None, and the attributes of the binding and of
    the membership in the user group.
    """
    for (kind, target_id), attributes in org.bindings.get(source_id, {}).items():
        if kind == "user":
            yield target_id, None, attributes, None
        if kind == "user_group":
            for user_id, own in org.user_group_members.get(target_id, {}).items():
                if user_id not in org.deleted:
                    yield user_id, target_id, attributes, own


def _grants(org: Organization, source_id: str) -> dict[str, Grant]:
    grants: dict[str, Grant] = {}
    for user_id, group_id, attributes, own in bound_users(org, source_id):
        grant = grants.setdefault(user_id, Grant())
        grant.sudo = most(grant.sudo, edge_sudo(attributes), edge_sudo(own))
        if group_id is None:
            grant.direct = True
        else:
            grant.via.add(group_id)
    for user_id, grant in grants.items():
        compiled = edge_sudo(org.compiled.get((source_id, user_id)))
        grant.sudo = grant.sudo if compiled[0] is None else compiled
    return grants


def edge_sudo(attributes: Attributes) -> Sudo:
    """Return the sudo of an edge's attributes; sudo without a password needs sudo enabled."""
    sudo: Record | None = attributes.get("sudo") if isinstance(attributes, dict) else None
    if sudo is None:
        return (None, None)
    enabled = bool(sudo["enabled"])
    return enabled, enabled and bool(sudo["withoutPassword"])


def most(*sudos: Sudo) -> Sudo:
    """Return the most that any of them grants; None where none defines it."""
    enabled = [sudo[0] for sudo in sudos if sudo[0] is not None]
    without = [sudo[1] for sudo in sudos if sudo[1] is not None]
    return any(enabled) if enabled else None, any(without) if without else None


def sudo_columns(sudo: Sudo, prefix: str = "") -> dict[str, object]:
    """Return the published columns of sudo."""
    return {f"{prefix}sudo": sudo[0], f"{prefix}sudo_without_password": sudo[1]}


def inverted(sets: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Turn members by group into groups by member."""
    found: dict[str, set[str]] = {}
    for key, values in sets.items():
        for value in values:
            found.setdefault(value, set()).add(key)
    return found
