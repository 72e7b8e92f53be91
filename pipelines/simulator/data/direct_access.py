"""Names and direct bindings of a simulated company: access that no system group explains."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Attributes, Ids, Record, Rng, secret, sudo

RADIUS_SERVERS: Final = ("Office Wi-Fi", "VPN", "Lab Switches", "Guest Wi-Fi")
TRIGGERS: Final = ("manual", "trigger", "repeated")
"""Launch types of commands."""
DYNAMIC_GROUPS: Final = 4
"""One user group in so many is dynamic."""
BOUND_USERS: Final = 0.15
BOUND_USER_GROUPS: Final = 0.4
BOUND_SYSTEM_GROUPS: Final = 0.2
MAX_DEVICES: Final = 3


def add_names(org: Organization, rng: Rng, radius_servers: int) -> None:
    """Add RADIUS servers, and what the lists of user groups, policies and commands name."""
    ids = Ids(rng)
    for number in range(radius_servers):
        name, turn = RADIUS_SERVERS[number % len(RADIUS_SERVERS)], number // len(RADIUS_SERVERS)
        server_id = ids.new()
        org.radius_servers[server_id] = {
            "_id": server_id,
            "id": server_id,
            "organization": org.id,
            "name": f"{name} {turn + 1}" if turn else name,
            "networkSourceIp": f"203.0.113.{number % 250 + 1}",
            "sharedSecret": secret(rng),
            "mfa": "DISABLED",
            "userLockoutAction": "REMOVE",
            "authIdp": "JUMPCLOUD",
        }
    for group_id in org.system_groups:
        if org.radius_servers and rng.chance(BOUND_SYSTEM_GROUPS):
            server_id = rng.choice(list(org.radius_servers))
            org.bindings[group_id]["radius_server", server_id] = None
    for number, command in enumerate(org.commands.values()):
        script = f"{command['command']}  # {secret(rng)}"
        command.update(_launch(number), command=script)
    for number, group in enumerate(org.user_groups.values()):
        group.update(_rule(number, str(group["name"]), list(org.users)[:1]))
    dynamic = [one for one in org.system_groups.values() if one["memberQuery"]]
    for group in dynamic[1:2]:
        group["memberQueryErrorFlags"] = ["CYCLE"]


def _launch(number: int) -> Record:
    kind = TRIGGERS[number % len(TRIGGERS)]
    return {
        "launchType": kind,
        "trigger": f"trigger-{number}" if kind == "trigger" else "",
        "schedule": "0 0 3 * * 1" if kind == "repeated" else "",
        "sudo": number % 2 == 0,
    }


def _rule(number: int, name: str, exempt: list[str]) -> Record:
    """Return the rule of every fourth user group; the second of them has an error."""
    if number % DYNAMIC_GROUPS != DYNAMIC_GROUPS - 1:
        return {"memberQuery": None, "memberQueryExemptions": [], "memberQueryErrorFlags": []}
    condition = {"field": "department", "operator": "eq", "value": name}
    broken = number // DYNAMIC_GROUPS == 1
    return {
        "description": f"Everyone of {name}",
        "membershipMethod": "DYNAMIC_AUTOMATED",
        "memberQuery": {"queryType": "FilterQuery", "filters": [condition]},
        "memberQueryExemptions": [{"id": user_id, "type": "user"} for user_id in exempt],
        "memberQueryErrorFlags": ["INVALID_GROUP_REFERENCE"] if broken else [],
    }


def add_direct_bindings(org: Organization, rng: Rng, number: int | None) -> None:
    """Bind users and user groups directly to systems.

    Args:
        org: The organization.
        rng: Source of the bindings.
        number: Number of bindings of users; None for a random number.
    """
    systems = list(org.systems)
    if not systems:
        return
    for user_id, system_id in _pairs(org, rng, systems, number):
        org.user_systems.setdefault(user_id, {})[system_id] = _sudo(rng)
    for group_id in org.user_groups if number != 0 else ():
        if rng.chance(BOUND_USER_GROUPS):
            devices = rng.sample(systems, min(len(systems), rng.randint(1, MAX_DEVICES)))
            org.user_group_systems[group_id] = {system_id: _sudo(rng) for system_id in devices}


def _pairs(
    org: Organization, rng: Rng, systems: list[str], number: int | None
) -> Iterator[tuple[str, str]]:
    """Yield pairs of a user and a system, evenly spread if their number is given."""
    users = list(org.users)
    if number is None:
        for user_id in users:
            if rng.chance(BOUND_USERS):
                devices = rng.sample(systems, min(len(systems), rng.randint(1, MAX_DEVICES)))
                yield from product([user_id], devices)
        return
    share, rest = divmod(min(number, len(users) * len(systems)), max(1, len(users)))
    for position, user_id in enumerate(users):
        devices = rng.sample(systems, share + (position < rest))
        yield from product([user_id], devices)


def _sudo(rng: Rng) -> Attributes:
    if rng.chance(0.5):
        return None
    enabled = rng.chance(0.6)
    return sudo(enabled=enabled, without_password=enabled and rng.chance(0.3))
