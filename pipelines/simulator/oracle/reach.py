"""Who reaches what in an organization's graph, worked out from its edges alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Attributes, Record

Sudo = tuple[bool | None, bool | None]
"""Whether sudo is granted, and whether without a password; None where nothing is said."""


@dataclass
class Grant:
    """How one user reaches one system group or application.

    Attributes:
        direct: Bound itself.
        via: User groups through which it is bound.
        sudo: The most that any edge on the way grants.
    """

    direct: bool = False
    via: set[str] = field(default_factory=set)
    sudo: Sudo = (None, None)


class Reach:
    """Reads an organization's edges; holds what it found, so make a new one after edits.

    Args:
        org: The organization, locked by the caller.

    Attributes:
        systems_of: Systems by system group; deleted ones are left out.
        users_of: Users with their grants, by system group.
        holders_of: Users with their grants, by application.
    """

    def __init__(self, org: Organization) -> None:
        self._org = org
        groups = [group_id for group_id in org.system_groups if group_id not in org.vanished]
        self.systems_of: dict[str, set[str]] = {
            group_id: set(org.members.get(group_id, ())) - org.deleted for group_id in groups
        }
        self.group_members = {group_id: self._grants(group_id) for group_id in groups}
        applications = [app_id for app_id in org.applications if app_id not in org.vanished]
        self.holders_of = {app_id: self._grants(app_id) for app_id in applications}

    def _grants(self, source_id: str) -> dict[str, Grant]:
        grants: dict[str, Grant] = {}
        for (kind, target_id), attributes in self._org.bindings.get(source_id, {}).items():
            sudo = combined_sudo(attributes)
            if kind == "user":
                grant = grants.setdefault(target_id, Grant())
                grant.direct = True
                grant.sudo = most(grant.sudo, sudo)
            if kind == "user_group":
                members = self._org.user_group_members.get(target_id, {})
                for user_id, own in members.items():
                    grant = grants.setdefault(user_id, Grant())
                    grant.via.add(target_id)
                    grant.sudo = most(grant.sudo, sudo, combined_sudo(own))
        for user_id, grant in grants.items():
            said = combined_sudo(self._org.compiled.get((source_id, user_id)))
            grant.sudo = grant.sudo if said[0] is None else said
        return grants


def combined_sudo(attributes: Attributes) -> Sudo:
    """Return what an edge's attributes say of sudo; without a password needs it enabled."""
    sudo: Record | None = attributes.get("sudo") if isinstance(attributes, dict) else None
    if sudo is None:
        return (None, None)
    enabled = bool(sudo["enabled"])
    return enabled, enabled and bool(sudo["withoutPassword"])


def most(*sudos: Sudo) -> Sudo:
    """Return the most that any of them grants; None where none says anything."""
    enabled = [sudo[0] for sudo in sudos if sudo[0] is not None]
    without = [sudo[1] for sudo in sudos if sudo[1] is not None]
    return any(enabled) if enabled else None, any(without) if without else None


def inverted(sets: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Turn members by group into groups by member."""
    found: dict[str, set[str]] = {}
    for key, values in sets.items():
        for value in values:
            found.setdefault(value, set()).add(key)
    return found
