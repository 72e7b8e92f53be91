"""Every path by which someone reaches something, walked edge by edge."""

from collections.abc import Iterator

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.oracle.columns import APPLICATION, SYSTEM, SYSTEM_GROUP, USER
from pipelines.simulator.oracle.reach import Reach, Sudo, combined_sudo
from pipelines.simulator.oracle.tables import Row


def system_paths(org: Organization) -> list[Row]:
    """Return each path from a user, through a user group or not, to a group and its system."""
    with org.lock:
        reach = Reach(org)
        return [
            _user(org, user_id)
            | {"user_group_id": user_group_id, "group_id": group_id}
            | {"group_name": SYSTEM_GROUP["name"](org.system_groups[group_id])}
            | {
                "system_id": system_id,
                "hostname": SYSTEM["hostname"](org.systems.get(system_id, {})),
            }
            | _sudo("binding_", binding)
            | _sudo("", reach.group_members[group_id][user_id].sudo)
            | _global_admin(org, user_id)
            for group_id, systems in reach.systems_of.items()
            for user_id, user_group_id, binding in _ways(org, group_id)
            for system_id in systems
        ]


def application_paths(org: Organization) -> list[Row]:
    """Return each path from a user, through a user group or not, to an application."""
    with org.lock:
        return [
            _user(org, user_id)
            | {"user_group_id": user_group_id, "application_id": application_id}
            | {"application_name": APPLICATION["display_label"](org.applications[application_id])}
            for application_id in Reach(org).holders_of
            for user_id, user_group_id, _ in _ways(org, application_id)
        ]


def _ways(org: Organization, source_id: str) -> Iterator[tuple[str, str | None, Sudo]]:
    """Yield user, user group between or None, and what the binding says of sudo."""
    for (kind, target_id), attributes in org.bindings.get(source_id, {}).items():
        if kind == "user":
            yield target_id, None, combined_sudo(attributes)
        if kind == "user_group":
            for user_id in org.user_group_members.get(target_id, {}):
                yield user_id, target_id, combined_sudo(attributes)


def _user(org: Organization, user_id: str) -> Row:
    record = org.users.get(user_id, {})
    return {"user_id": user_id} | {name: USER[name](record) for name in ("username", "state")}


def _global_admin(org: Organization, user_id: str) -> Row:
    record = org.users.get(user_id, {})
    admin, free = (USER[name](record) for name in ("global_admin", "passwordless_sudo"))
    both = False if admin is False or free is False else admin and free
    return {"global_admin": admin, "global_admin_without_password": both}


def _sudo(prefix: str, sudo: Sudo) -> Row:
    return {f"{prefix}sudo": sudo[0], f"{prefix}sudo_without_password": sudo[1]}
