"""The tables that a correct pull of an organization must publish."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Attributes
from tests.oracle.columns import (
    APPLICATION,
    APPLICATION_ADDED,
    LOCAL_ACCOUNT,
    SYSTEM_ADDED,
    SYSTEM_GROUP,
    SYSTEM_HARDWARE,
    SYSTEM_POLICIES,
    SYSTEM_SSH,
    USER,
    USER_ADDED,
    column_values,
    hardware_kind,
    interface_addresses,
    is_active,
    scope,
    system_values,
    text,
)
from tests.oracle.names import Names, rule
from tests.oracle.reach import Reach, Sudo, edge_sudo, inverted, most, sudo_columns

Row = dict[str, Any]
Tables = dict[str, list[Row]]

TARGETS: Final = ("user", "user_group", "policy", "policy_group", "command", "radius_server")


def expected_tables(
    org: Organization,
    *,
    associations: Collection[str] = TARGETS,
    details: bool = True,
    direct: bool = True,
    from_devices: bool = False,
    views: bool = True,
) -> Tables:
    """Return every asset and relationship table of the contract, and its three views.

    Rows hold all contract columns except `integration`, `first_seen_at` and `last_seen_at`, and
    are sorted by key. Times are aware and in UTC.

    Args:
        org: The organization as it is now.
        associations: Target types of the pull.
        details: Read the bulk lists of systems, users and applications; without them, assets have
            ids only.
        direct: Read bindings to single systems.
        from_devices: Read those of users from the devices that a report names.
        views: Include the views, which can be very large.
    """
    with org.lock:
        reach = Reach(org, direct=details and direct, from_devices=from_devices)
        tables = _Tables(org, reach, associations, details=details)
        return tables.stored() | (tables.views() if views else {})


class _Tables:
    """The tables of one organization, and the indexes that they share."""

    def __init__(
        self, org: Organization, reach: Reach, associations: Collection[str], *, details: bool
    ) -> None:
        self._org = org
        self._associations = associations
        self._details = details
        self._reach = reach
        self._names = Names(org, reach, read=details)
        self._holders = reach.application_users if details else {}
        self._systems = org.systems if details else {}
        self._users = org.users if details else {}
        self._applications = org.applications if details else {}
        self._groups_of_system = inverted(reach.group_systems)
        self._groups_of_user = inverted(reach.group_users)
        self._systems_of_user = {
            user_id: _union(reach.group_systems[group_id] for group_id in groups)
            for user_id, groups in self._groups_of_user.items()
        }
        self._direct_ways: dict[tuple[str, str], list[tuple[str | None, Sudo]]] = {}
        self._direct_users: dict[str, set[str]] = {}
        for system_id, user_id, group_id, sudo in reach.direct_ways():
            self._systems_of_user.setdefault(user_id, set()).add(system_id)
            self._direct_users.setdefault(system_id, set()).add(user_id)
            self._direct_ways.setdefault((system_id, user_id), []).append((group_id, sudo))
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
            "system_ipv4_addresses": self._ipv4_rows(),
            "system_ip_addresses": self._ip_rows(),
            "system_local_accounts": self._account_rows(),
            **self._names.tables(),
            "access_differences": [],
            "custom_attributes": [],
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
            | system_values(self._systems.get(system_id))
            | self._system_groups(system_id)
            | {"user_count": len(self._system_user_ids(system_id))}
            | {"application_count": self._count_applications(self._system_user_ids(system_id))}
            | {"resolved": system_id in self._systems}
            | column_values(SYSTEM_POLICIES, self._systems.get(system_id))
            | {"active_user_count": self._count_active(self._system_user_ids(system_id))}
            | column_values(SYSTEM_HARDWARE, self._systems.get(system_id))
            | {"hardware_kind": hardware_kind(self._systems.get(system_id, {}))}
            | column_values(SYSTEM_SSH, self._systems.get(system_id))
            | column_values(SYSTEM_ADDED, self._systems.get(system_id))
            for system_id in self._system_ids()
        ]

    def _system_ids(self) -> list[str]:
        bound = [*self._reach.user_systems.values(), *self._reach.user_group_systems.values()]
        return sorted({*self._systems, *self._groups_of_system, *_union(bound)})

    def _system_groups(self, system_id: str) -> Row:
        groups = self._groups_of_system.get(system_id, set())
        names = {text(self._org.system_groups[group_id].get("name")) for group_id in groups}
        return {"group_ids": sorted(groups), "group_names": sorted(filter(None, names))}

    def _system_user_ids(self, system_id: str) -> set[str]:
        groups = frozenset(self._groups_of_system.get(system_id, ()))
        if groups not in self._users_of_groups:
            self._users_of_groups[groups] = _union(self._reach.group_users[g] for g in groups)
        return self._users_of_groups[groups] | self._direct_users.get(system_id, set())

    def _count_active(self, users: Iterable[str]) -> int | None:
        if not self._details:
            return None
        return sum(is_active(self._users.get(user_id)) for user_id in users)

    def _count_applications(self, users: Iterable[str]) -> int | None:
        if not self._details:
            return None
        return len(_union(self._apps_of_user.get(user_id, ()) for user_id in users))

    def _user_rows(self) -> list[Row]:
        bound = {r["target_id"] for r in self._association_rows() if r["target_type"] == "user"}
        members = _union(self._reach.user_group_members.values()) if self._details else ()
        ids = {*self._users, *self._systems_of_user, *self._apps_of_user, *bound, *members}
        return [
            {"user_id": user_id}
            | column_values(USER, self._users.get(user_id))
            | {"system_group_ids": sorted(self._groups_of_user.get(user_id, ()))}
            | {"system_count": len(self._systems_of_user.get(user_id, ()))}
            | {"application_count": self._count_applications([user_id])}
            | {"resolved": user_id in self._users}
            | column_values(USER_ADDED, self._users.get(user_id))
            for user_id in sorted(ids)
        ]

    def _application_rows(self) -> list[Row]:
        return [
            {"application_id": app_id}
            | column_values(APPLICATION, self._applications[app_id])
            | {"user_count": len(holders)}
            | {"system_count": len(_union(self._systems_of_user.get(u, ()) for u in holders))}
            | {"resolved": True}
            | column_values(APPLICATION_ADDED, self._applications[app_id])
            for app_id in sorted(self._applications)
            for holders in [self._holders.get(app_id, {})]
        ]

    def _address_rows(self) -> list[Row]:
        systems: dict[str, set[str]] = {}
        interfaces: dict[str, set[str]] = {}
        for system_id, interface, address, family in self._system_addresses():
            if family == 6:
                continue
            systems.setdefault(address, set()).add(system_id)
            interfaces.setdefault(address, set()).add(interface)
        return [
            {"address": address, "scope": scope(address)}
            | {"system_ids": sorted(systems[address]), "system_count": len(systems[address])}
            | {"interfaces": sorted(interfaces[address])}
            for address in sorted(systems)
        ]

    def _group_rows(self) -> list[Row]:
        reach = self._reach
        return [
            {"group_id": group_id}
            | column_values(SYSTEM_GROUP, record)
            | {"system_count": len(reach.group_systems.get(group_id, ()))}
            | {"user_count": len(reach.group_users.get(group_id, ()))}
            | rule(record)
            for group_id, record in sorted(self._org.system_groups.items())
        ]

    def _member_rows(self) -> list[Row]:
        return [
            {"group_id": group_id, "system_id": system_id}
            for group_id, systems in sorted(self._reach.group_systems.items())
            for system_id in sorted(systems)
        ]

    def _group_user_rows(self) -> list[Row]:
        return [
            {"group_id": group_id, "user_id": user_id}
            | {"direct": grant.direct, "via_user_group_ids": sorted(grant.via)}
            | sudo_columns(grant.sudo)
            | self._names.group_names(grant.via)
            for group_id, users in sorted(self._reach.group_users.items())
            for user_id, grant in sorted(users.items(), key=itemgetter(0))
        ]

    def _association_rows(self) -> list[Row]:
        return [
            {"group_id": group_id, "target_type": kind, "target_id": target_id}
            | sudo_columns(edge_sudo(attributes))
            | {"attributes": _allowed(attributes)}
            | {"target_name": self._names.name(kind, target_id)}
            for group_id in sorted(self._reach.group_systems)
            for (kind, target_id), attributes in sorted(
                self._org.bindings.get(group_id, {}).items(), key=itemgetter(0)
            )
            if kind in self._associations
        ]

    def _application_user_rows(self, *, user_first: bool = False) -> list[Row]:
        key = ("user_id", "application_id") if user_first else ("application_id", "user_id")
        rows: list[Row] = [
            {"application_id": application_id, "user_id": user_id}
            | {"direct": grant.direct, "via_user_group_ids": sorted(grant.via)}
            | self._names.group_names(grant.via)
            for application_id, holders in self._holders.items()
            for user_id, grant in holders.items()
        ]
        ordered = ({name: row[name] for name in (*key, *row)} for row in rows)
        return sorted(ordered, key=itemgetter(*key))

    def _ip_rows(self) -> list[Row]:
        names = ("system_id", "interface", "address", "family")
        return [
            dict(zip(names, row, strict=True)) | {"scope": scope(row[2])}
            for row in sorted(self._system_addresses())
        ]

    def _ipv4_rows(self) -> list[Row]:
        names = ("system_id", "interface", "address")
        return [{n: row[n] for n in names} for row in self._ip_rows() if row["family"] == 4]

    def _account_rows(self) -> list[Row]:
        accounts: dict[tuple[str, str], list[Row]] = {}
        for system_id, record in self._systems.items():
            for account in record.get("userMetrics") or ():
                if account and (name := text(account.get("userName"))):
                    values = column_values(LOCAL_ACCOUNT, account)
                    accounts.setdefault((system_id, name), []).append(values)
        return [
            {"system_id": system_id, "username": name}
            | {key: _any(row[key] for row in rows) for key in ("admin", "managed")}
            | {"suspended": _all(row["suspended"] for row in rows)}
            | {"secure_token": _any(row["secure_token"] for row in rows)}
            for (system_id, name), rows in sorted(accounts.items())
        ]

    def _system_addresses(self) -> set[tuple[str, str, str, int]]:
        return {
            (system_id, interface, str(address), address.version)
            for system_id, record in self._systems.items()
            for interface, address in interface_addresses(record.get("networkInterfaces"))
        }

    def _system_user_rows(self) -> list[Row]:
        rows: list[Row] = []
        for system_id in self._system_ids():
            groups = self._groups_of_system.get(system_id, set())
            for user_id in sorted(self._system_user_ids(system_id)):
                granting = sorted(groups & self._groups_of_user.get(user_id, set()))
                ways = self._direct_ways.get((system_id, user_id), [])
                sudo = [self._reach.group_users[group][user_id].sudo for group in granting]
                user_groups = {group for group, _ in ways if group}
                rows.append(
                    {"system_id": system_id, "user_id": user_id, "via_group_ids": granting}
                    | sudo_columns(most(*sudo, *(own for _, own in ways)))
                    | {"direct": any(group is None for group, _ in ways)}
                    | {"via_user_group_ids": sorted(user_groups)}
                    | self._names.group_names(user_groups)
                )
        return rows

    def _system_application_rows(self) -> list[Row]:
        rows: list[Row] = []
        for system_id in self._system_ids():
            counts = Counter(
                application_id
                for user_id in self._system_user_ids(system_id)
                for application_id in self._apps_of_user.get(user_id, ())
            )
            rows.extend(
                {"system_id": system_id, "application_id": app_id, "user_count": counts[app_id]}
                for app_id in sorted(counts)
            )
        return rows


def custom_attributes(org: Organization, names: Collection[str]) -> list[Row]:
    """Return the rows of `custom_attributes` with these names."""
    values: dict[tuple[str, str, str], list[str | None]] = {}
    for kind, records in (("systems", org.systems), ("users", org.users)):
        for asset_id, record in records.items():
            for one in record.get("attributes") or ():
                if one.get("name") in names:
                    values.setdefault((kind, asset_id, one["name"]), []).append(one.get("value"))
    return [
        dict(zip(("asset_type", "asset_id", "name"), key, strict=True))
        | {"value": max(filter(None, values[key]), default=None)}
        for key in sorted(values)
    ]


def _allowed(attributes: Attributes) -> Row | None:
    """Return the attributes that cannot hold a secret."""
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


def _any(flags: Iterable[bool | None]) -> bool | None:
    known = [flag for flag in flags if flag is not None]
    return any(known) if known else None


def _all(flags: Iterable[bool | None]) -> bool | None:
    known = [flag for flag in flags if flag is not None]
    return all(known) if known else None


def _union(sets: Iterable[Iterable[str]]) -> set[str]:
    return set().union(*sets)
