"""A company in motion: people, devices and access change every week."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from pipelines.simulator.data.generate import OrganizationGenerator, Sizes
from pipelines.simulator.data.names import DEPARTMENTS, PLATFORMS
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Attributes, Rng, sudo, timestamp

WEEK: Final = timedelta(weeks=1)
JOINERS: Final = 2
MOVERS: Final = 1
UPGRADES: Final = 6
WEEKS_UNENCRYPTED: Final = 3
WEEKS_OF_SUDO: Final = 4


class Company:
    """A company that changes every week; equal arguments give equal ones, except for API keys.

    Args:
        founded: Time of its first state; the dates of this state lie before it.
        sizes: Sizes of the first state.
        seed: Seed of the records and of their changes.

    Attributes:
        organization: The organization in its present state.
        now: Time of this state.
    """

    def __init__(self, founded: datetime, sizes: Sizes, seed: int = 1) -> None:
        self.organization = Organization(f"Example Company {seed}", Rng(seed))
        self.now = founded
        self._generator = OrganizationGenerator(self.organization, sizes, founded)
        self._generator.build()
        self._rng = self.organization.random
        self._hired = sizes.users
        self._unencrypted: deque[str] = deque()
        self._granted: deque[tuple[str, str]] = deque()

    def advance(self) -> None:
        """Let a week pass."""
        self.now += WEEK
        self._generator.users.now = self._generator.systems.now = self.now
        with self.organization.edit():
            self._change()

    def _change(self) -> None:
        self._update_contacts()
        self._remove_leaver()
        self._suspend_user()
        self._move_users()
        self._hire_users()
        self._lose_and_find_encryption()
        self._upgrade_systems()
        self._fill_dynamic_groups()
        self._change_static_group()
        self._grant_and_revoke_sudo()
        self._assign_application()

    def _update_contacts(self) -> None:
        """Let one device fall silent, and all others that are active check in."""
        systems = self.organization.systems
        active = [system_id for system_id, record in systems.items() if record.get("active")]
        for system_id in self._some(active, 1):
            systems[system_id] |= {"active": False}
            active.remove(system_id)
        for system_id in active:
            contact = self.now - timedelta(days=self._rng.uniform(0, 0.4))
            systems[system_id] |= {"lastContact": timestamp(contact)}

    def _remove_leaver(self) -> None:
        """Delete a suspended user, with the devices."""
        org = self.organization
        for leaver in self._some(self._users_in_state("SUSPENDED"), 1):
            for system_id, record in list(org.systems.items()):
                if record.get("primarySystemUser", {}).get("id") == leaver:
                    org.remove_system(system_id)
            org.remove_user(leaver)

    def _suspend_user(self) -> None:
        for user_id in self._some(self._users_in_state("ACTIVATED"), 1):
            self.organization.update(user_id, state="SUSPENDED", suspended=True)

    def _move_users(self) -> None:
        """Give users another department, with its group."""
        org = self.organization
        for user_id in self._some(self._users_in_state("ACTIVATED"), MOVERS):
            before = org.users[user_id]["department"]
            after = self._rng.choice([name for name in DEPARTMENTS if name != before])
            title = self._rng.choice(DEPARTMENTS[after])
            org.update(user_id, department=after, jobTitle=title)
            self._members(before).pop(user_id, None)
            self._members(after)[user_id] = None

    def _hire_users(self) -> None:
        """Add users, in the groups of all employees and of their department, with a device."""
        org = self.organization
        for _ in range(JOINERS):
            self._hired += 1
            user = self._generator.users.new() | {
                "created": self._time_this_week(),
                "state": "ACTIVATED",
                "activated": True,
                "suspended": False,
                "unix_uid": 5000 + self._hired,
                "unix_guid": 5000 + self._hired,
                "employeeIdentifier": f"E{self._hired:06}",
            }
            org.users[user["id"]] = user
            for name in ("All Employees", user["department"]):
                self._members(name)[user["id"]] = None
            system = self._generator.systems.new(user) | {"created": self._time_this_week()}
            org.systems[system["id"]] = system

    def _lose_and_find_encryption(self) -> None:
        """Let a disk lose its encryption, and the one that lost it weeks ago get it back."""
        systems = self.organization.systems
        encrypted = [s for s, record in systems.items() if record.get("fde", {}).get("active")]
        for system_id in self._some(encrypted, 1):
            systems[system_id] |= {"fde": {"active": False, "keyPresent": False}}
            self._unencrypted.append(system_id)
        if len(self._unencrypted) > WEEKS_UNENCRYPTED:
            found = self._unencrypted.popleft()
            if found in systems:
                systems[found] |= {"fde": {"active": True, "keyPresent": True}}

    def _upgrade_systems(self) -> None:
        systems = self.organization.systems
        newest = {platform.os: max(platform.versions) for platform in PLATFORMS}
        old = [s for s, record in systems.items() if record["version"] != newest[record["os"]]]
        for system_id in self._some(old, UPGRADES):
            systems[system_id] |= {"version": newest[systems[system_id]["os"]]}

    def _fill_dynamic_groups(self) -> None:
        org = self.organization
        by_criterion = self._generator.criteria()
        for group_id in org.system_groups.keys() - {*self._static_groups()}:
            name = org.system_groups[group_id]["name"]
            org.members[group_id] = dict.fromkeys(by_criterion[name])

    def _change_static_group(self) -> None:
        """Replace a device of a group by another one."""
        org = self.organization
        for group_id in self._some(self._static_groups(), 1):
            members = org.members[group_id]
            added = self._some(org.systems.keys() - members, 1)
            for system_id in self._some(members.keys() & org.systems, 1):
                del members[system_id]
            members.update(dict.fromkeys(added))

    def _grant_and_revoke_sudo(self) -> None:
        """Grant a user sudo on the devices of a group, and revoke what was granted weeks ago."""
        org = self.organization
        users = self._users_in_state("ACTIVATED")
        for group_id in self._some(self._static_groups(), 1):
            for user_id in self._some(users, 1):
                org.bind(group_id, "user", user_id, sudo())
                self._granted.append((group_id, user_id))
        if len(self._granted) > WEEKS_OF_SUDO:
            group_id, user_id = self._granted.popleft()
            org.bindings[group_id].pop(("user", user_id), None)

    def _assign_application(self) -> None:
        org = self.organization
        for application_id in self._some(org.applications, 1):
            for user_id in self._some(self._users_in_state("ACTIVATED"), 1):
                org.bind(application_id, "user", user_id)

    def _users_in_state(self, state: str) -> list[str]:
        users = self.organization.users
        return [user_id for user_id, record in users.items() if record["state"] == state]

    def _members(self, name: str) -> dict[str, Attributes]:
        """Return the members of a user group; an empty dictionary if there is no such group."""
        org = self.organization
        found = (g for g, record in org.user_groups.items() if record["name"] == name)
        return org.user_group_members.get(next(found, ""), {})

    def _static_groups(self) -> list[str]:
        groups = self.organization.system_groups
        return [g for g, record in groups.items() if record["membershipMethod"] == "STATIC"]

    def _time_this_week(self) -> str:
        return timestamp(self.now - timedelta(days=self._rng.uniform(1, 7)))

    def _some(self, ids: Iterable[str], number: int) -> list[str]:
        """Return this many of the ids, or all if there are fewer."""
        found = sorted(ids)
        return self._rng.sample(found, min(number, len(found)))
