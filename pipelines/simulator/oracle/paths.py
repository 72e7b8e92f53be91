"""Every access path from a user to a system or an application, followed edge by edge."""

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.oracle.columns import (
    APPLICATION,
    SYSTEM,
    SYSTEM_GROUP,
    USER,
    column_value,
)
from pipelines.simulator.oracle.reach import Reach, bound_users, edge_sudo, sudo_columns
from pipelines.simulator.oracle.tables import Row


def system_paths(org: Organization) -> list[Row]:
    """Return each path from a user, directly or through a user group, to a group's system."""
    with org.lock:
        reach = Reach(org)
        return [
            _user_columns(org, user_id)
            | {"user_group_id": user_group_id, "group_id": group_id}
            | {"group_name": column_value(SYSTEM_GROUP, "name", org.system_groups[group_id])}
            | {"system_id": system_id}
            | {"hostname": column_value(SYSTEM, "hostname", org.systems.get(system_id, {}))}
            | sudo_columns(edge_sudo(binding), "binding_")
            | sudo_columns(reach.group_users[group_id][user_id].sudo)
            | _admin_columns(org, user_id)
            for group_id, systems in reach.group_systems.items()
            for user_id, user_group_id, binding, _ in bound_users(org, group_id)
            for system_id in systems
        ]


def application_paths(org: Organization) -> list[Row]:
    """Return each path from a user, directly or through a user group, to an application."""
    with org.lock:
        return [
            _user_columns(org, user_id)
            | {"user_group_id": user_group_id, "application_id": app_id}
            | {
                "application_name": column_value(
                    APPLICATION, "display_label", org.applications[app_id]
                )
            }
            for app_id in Reach(org).application_users
            for user_id, user_group_id, _, _ in bound_users(org, app_id)
        ]


def _user_columns(org: Organization, user_id: str) -> Row:
    record = org.users.get(user_id, {})
    shown = {name: column_value(USER, name, record) for name in ("username", "state")}
    return {"user_id": user_id} | shown


def _admin_columns(org: Organization, user_id: str) -> Row:
    record = org.users.get(user_id, {})
    admin, free = (column_value(USER, n, record) for n in ("global_admin", "passwordless_sudo"))
    both = False if admin is False or free is False else admin and free
    return {"global_admin": admin, "global_admin_without_password": both}
