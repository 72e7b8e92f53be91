"""Every access path from a user to a system or an application, followed edge by edge."""

from pipelines.simulator.data.organization import Organization
from tests.oracle.columns import (
    APPLICATION,
    SYSTEM,
    SYSTEM_GROUP,
    USER,
    column_value,
)
from tests.oracle.names import Names
from tests.oracle.reach import Reach, Sudo, bound_users, edge_sudo, sudo_columns
from tests.oracle.tables import Row


def system_paths(org: Organization) -> list[Row]:
    """Return each path from a user to a system: through groups, or bound to the system itself."""
    with org.lock:
        reach = Reach(org)
        names = Names(org, reach, read=True)
        paths: list[tuple[str, str | None, str | None, str, Sudo, Sudo]] = [
            (user_id, user_group_id, group_id, system_id, edge_sudo(binding), all_ways.sudo)
            for group_id, systems in reach.group_systems.items()
            for user_id, user_group_id, binding, _ in bound_users(org, group_id)
            for all_ways in [reach.group_users[group_id][user_id]]
            for system_id in systems
        ]
        paths += [
            (user_id, user_group_id, None, system_id, sudo, sudo)
            for system_id, user_id, user_group_id, sudo in reach.direct_ways()
        ]
        return [
            _user_columns(org, user_id)
            | _user_group_columns(names, user_group_id)
            | {"group_id": group_id}
            | {
                "group_name": column_value(SYSTEM_GROUP, "name", org.system_groups[group_id])
                if group_id
                else None
            }
            | {"system_id": system_id}
            | {"hostname": column_value(SYSTEM, "hostname", org.systems.get(system_id, {}))}
            | sudo_columns(own_sudo, "binding_")
            | sudo_columns(sudo)
            | _admin_columns(org, user_id)
            for user_id, user_group_id, group_id, system_id, own_sudo, sudo in paths
        ]


def application_paths(org: Organization) -> list[Row]:
    """Return each path from a user, directly or through a user group, to an application."""
    with org.lock:
        reach = Reach(org)
        names = Names(org, reach, read=True)
        return [
            _user_columns(org, user_id)
            | _user_group_columns(names, user_group_id)
            | {"application_id": app_id}
            | {
                "application_name": column_value(
                    APPLICATION, "display_label", org.applications[app_id]
                )
            }
            for app_id in reach.application_users
            for user_id, user_group_id, _, _ in bound_users(org, app_id)
        ]


def _user_columns(org: Organization, user_id: str) -> Row:
    record = org.users.get(user_id, {})
    shown = {name: column_value(USER, name, record) for name in ("username", "state")}
    return {"user_id": user_id} | shown


def _user_group_columns(names: Names, group_id: str | None) -> Row:
    name = names.name("user_group", group_id) if group_id else None
    return {"user_group_id": group_id, "user_group_name": name}


def _admin_columns(org: Organization, user_id: str) -> Row:
    record = org.users.get(user_id, {})
    admin, free = (column_value(USER, n, record) for n in ("global_admin", "passwordless_sudo"))
    both = False if admin is False or free is False else admin and free
    return {"global_admin": admin, "global_admin_without_password": both}
