"""The tables that a correct pull of an organization must publish."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Attributes, Record
from pipelines.simulator.oracle.columns import (
    APPLICATION,
    SYSTEM,
    SYSTEM_GROUP,
    SYSTEM_POLICIES,
    USER,
    Columns,
)
from pipelines.simulator.oracle.reach import Reach, Sudo, combined_sudo, inverted, most
from pipelines.simulator.oracle.values import ipv4_addresses, scope, text

Row = dict[str, object]
Tables = dict[str, list[Row]]

TARGETS: Final = ("user", "user_group", "policy", "policy_group", "command")


def expected_tables(
    org: Organization,
    *,
    associations: Collection[str] = TARGETS,
    details: bool = True,
    views: bool = True,
) -> Tables:
    """Return every asset and relationship table of the contract, and its three views.

    Rows hold all contract columns but `integration`, `first_seen_at` and `last_seen_at`, and are
    sorted by key. Times are aware and in UTC.

    Args:
        org: The organization as it is now.
        associations: Target types that are asked for.
        details: Whether the bulk lists of systems, users and applications are read; without them
            assets carry ids only.
        views: Whether to work out the views too, which can be very large.
    """
    with org.lock:
        tables = _Tables(org, associations, details=details)
        return tables.stored() | (tables.views() if views else {})


class _Tables:
    """The tables of one organization, and the indexes that several of them need."""

    def __init__(self, org: Organization, associations: Collection[str], *, details: bool) -> None:
        self._org = org
        self._associations = associations
        self._details = details
        self._reach = reach = Reach(org)
        self._holders = reach.holders_of if details else {}
        self._systems = org.systems if details else {}
        self._groups_of_system = inverted(reach.systems_of)
        self._groups_of_user = inverted(reach.group_members)
        self._systems_of_user = {
            user_id: _union(reach.systems_of[group_id] for group_id in groups)
            for user_id, groups in self._groups_of_user.items()
        }
        self._apps_of_user = inverted(self._holders)
        self._users_of_groups: dict[frozenset[str], set[str]] = {}

    def stored(self) -> Tables:
        return {
            "systems": self._system_rows(),
            "users": self._user_rows(),
            "applications": self._application_rows(),
            "ipv4_addresses": self._address_rows(),
            "system_groups": self._group_rows(),
            "system_group_members": self._member_rows(),
            "system_group_users": self._group_user_rows(),
            "system_group_associations": self._association_rows(),
            "application_users": self._application_user_rows(),
            "system_ipv4_addresses": self._system_address_rows(),
        }

    def views(self) -> Tables:
        return {
            "system_users": self._system_user_rows(),
            "system_applications": self._system_application_rows(),
            "user_applications": self._application_user_rows(user_first=True),
        }

    def _system_rows(self) -> list[Row]:
        return [
            {"system_id": system_id}
            | _own(SYSTEM, self._systems.get(system_id))
            | self._system_groups(system_id)
            | {
                "user_count": len(self._system_user_ids(system_id)),
                "application_count": self._count_applications(self._system_user_ids(system_id)),
                "resolved": system_id in self._systems,
            }
            | _own(SYSTEM_POLICIES, self._systems.get(system_id))
            for system_id in self._system_ids()
        ]

    def _system_ids(self) -> list[str]:
        return sorted({*self._systems, *self._groups_of_system})

    def _system_groups(self, system_id: str) -> Row:
        groups = self._groups_of_system.get(system_id, set())
        names = {text(self._org.system_groups[group_id].get("name")) for group_id in groups}
        return {
            "group_ids": sorted(groups),
            "group_names": sorted(name for name in names if name is not None),
        }

    def _system_user_ids(self, system_id: str) -> set[str]:
        groups = frozenset(self._groups_of_system.get(system_id, ()))
        if groups not in self._users_of_groups:
            self._users_of_groups[groups] = _union(self._reach.group_members[g] for g in groups)
        return self._users_of_groups[groups]

    def _count_applications(self, users: Iterable[str]) -> int | None:
        if not self._details:
            return None
        return len(_union(self._apps_of_user.get(user_id, ()) for user_id in users))

    def _user_rows(self) -> list[Row]:
        records = self._org.users if self._details else {}
        bound = {
            target_id
            for kind, target_id in self._direct_targets()
            if kind == "user" and kind in self._associations
        }
        ids = {*records, *self._groups_of_user, *self._apps_of_user, *bound}
        return [
            {"user_id": user_id}
            | _own(USER, records.get(user_id))
            | {
                "system_group_ids": sorted(self._groups_of_user.get(user_id, ())),
                "system_count": len(self._systems_of_user.get(user_id, ())),
                "application_count": self._count_applications([user_id]),
                "resolved": user_id in records,
            }
            for user_id in sorted(ids)
        ]

    def _direct_targets(self) -> Iterable[tuple[str, str]]:
        for group_id in self._reach.systems_of:
            yield from self._org.bindings.get(group_id, {})

    def _application_rows(self) -> list[Row]:
        if not self._details:
            return []
        return [
            {"application_id": application_id}
            | _own(APPLICATION, self._org.applications[application_id])
            | {
                "user_count": len(holders),
                "system_count": len(
                    _union(self._systems_of_user.get(user, ()) for user in holders)
                ),
                "resolved": True,
            }
            for application_id in sorted(self._org.applications)
            for holders in [self._holders.get(application_id, {})]
        ]

    def _address_rows(self) -> list[Row]:
        systems: dict[str, set[str]] = {}
        interfaces: dict[str, set[str]] = {}
        for system_id, record in self._systems.items():
            for interface, address in ipv4_addresses(record):
                systems.setdefault(address, set()).add(system_id)
                interfaces.setdefault(address, set()).add(interface)
        return [
            {
                "address": address,
                "scope": scope(address),
                "system_ids": sorted(systems[address]),
                "system_count": len(systems[address]),
                "interfaces": sorted(interfaces[address]),
            }
            for address in sorted(systems)
        ]

    def _group_rows(self) -> list[Row]:
        reach = self._reach
        return [
            {"group_id": group_id}
            | _own(SYSTEM_GROUP, self._org.system_groups[group_id])
            | {
                "system_count": len(reach.systems_of.get(group_id, ())),
                "user_count": len(reach.group_members.get(group_id, ())),
            }
            for group_id in sorted(self._org.system_groups)
        ]

    def _member_rows(self) -> list[Row]:
        return [
            {"group_id": group_id, "system_id": system_id}
            for group_id, systems in sorted(self._reach.systems_of.items())
            for system_id in sorted(systems)
        ]

    def _group_user_rows(self) -> list[Row]:
        return [
            {
                "group_id": group_id,
                "user_id": user_id,
                "direct": users[user_id].direct,
                "via_user_group_ids": sorted(users[user_id].via),
            }
            | _sudo_columns(users[user_id].sudo)
            for group_id, users in sorted(self._reach.group_members.items())
            for user_id in sorted(users)
        ]

    def _association_rows(self) -> list[Row]:
        return [
            {"group_id": group_id, "target_type": kind, "target_id": target_id}
            | _sudo_columns(combined_sudo(attributes))
            | {"attributes": _allowed(attributes)}
            for group_id in sorted(self._reach.systems_of)
            for (kind, target_id), attributes in sorted(
                self._org.bindings.get(group_id, {}).items(), key=lambda edge: edge[0]
            )
            if kind in self._associations
        ]

    def _application_user_rows(self, *, user_first: bool = False) -> list[Row]:
        rows: list[Row] = []
        for application_id, holders in self._holders.items():
            for user_id, grant in holders.items():
                user: Row = {"user_id": user_id}
                application: Row = {"application_id": application_id}
                how: Row = {"direct": grant.direct, "via_user_group_ids": sorted(grant.via)}
                rows.append((user | application if user_first else application | user) | how)
        return sorted(rows, key=lambda row: [str(value) for value in list(row.values())[:2]])

    def _system_address_rows(self) -> list[Row]:
        found = {
            (system_id, interface, address)
            for system_id, record in self._systems.items()
            for interface, address in ipv4_addresses(record)
        }
        return [
            {"system_id": system_id, "interface": interface, "address": address}
            for system_id, interface, address in sorted(found)
        ]

    def _system_user_rows(self) -> list[Row]:
        rows: list[Row] = []
        for system_id in self._system_ids():
            groups = self._groups_of_system.get(system_id, set())
            for user_id in sorted(self._system_user_ids(system_id)):
                granting = sorted(groups & self._groups_of_user[user_id])
                sudo = most(*(self._reach.group_members[g][user_id].sudo for g in granting))
                key: Row = {"system_id": system_id, "user_id": user_id, "via_group_ids": granting}
                rows.append(key | _sudo_columns(sudo))
        return rows

    def _system_application_rows(self) -> list[Row]:
        rows: list[Row] = []
        for system_id in self._system_ids():
            counts: dict[str, int] = {}
            for user_id in self._system_user_ids(system_id):
                for application_id in self._apps_of_user.get(user_id, ()):
                    counts[application_id] = counts.get(application_id, 0) + 1
            rows.extend(
                {"system_id": system_id, "application_id": app_id, "user_count": counts[app_id]}
                for app_id in sorted(counts)
            )
        return rows


def _own(columns: Columns, record: Record | None) -> Row:
    """Return the columns that come from the record itself; empty ones if there is none."""
    if record is None:
        return {name: [] if name == "ipv4_addresses" else None for name in columns}
    return {name: value_of(record) for name, value_of in columns.items()}


def _sudo_columns(sudo: Sudo) -> Row:
    return {"sudo": sudo[0], "sudo_without_password": sudo[1]}


def _allowed(attributes: Attributes) -> Row | None:
    """Return the attributes that are known to hold no secret."""
    if not isinstance(attributes, dict):
        return None
    kept: Row = {}
    if attributes.get("sudo") is not None:
        kept["sudo"] = _only(attributes["sudo"], ("enabled", "withoutPassword"))
    for name, keys in (("ldapGroups", ("name",)), ("posixGroups", ("id", "name"))):
        if attributes.get(name) is not None:
            kept[name] = [_only(group, keys) for group in attributes[name]]
    return kept


def _only(value: Mapping[str, Any], keys: tuple[str, ...]) -> Row:
    return {key: value[key] for key in keys if value.get(key) is not None}


def _union(sets: Iterable[Iterable[str]]) -> set[str]:
    return set().union(*sets)
