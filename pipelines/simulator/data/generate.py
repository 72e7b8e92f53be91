"""Generate an organization of any size that resembles a real company."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from pipelines.simulator.data import names
from pipelines.simulator.data.direct_access import add_direct_bindings, add_names
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Attributes, Record, Rng, secret, sudo, timestamp
from pipelines.simulator.data.users_and_systems import SystemGenerator, UserGenerator

WELL_KNOWN: Final = 24
TEAM_SIZE: Final = 40
EMPTY_GROUPS: Final = 0.1
EVERYBODYS_APPLICATIONS: Final = 2
IT_GROUP: Final = 1 + list(names.DEPARTMENTS).index("IT")


@dataclass(frozen=True)
class Sizes:
    """Sizes of an organization.

    Attributes:
        memberships: Intended number of memberships of system groups; None for a random number.
        direct_bindings: Intended number of direct bindings of users to systems; None for a random
            number.
    """

    systems: int = 450
    users: int = 400
    system_groups: int = 24
    user_groups: int = 18
    applications: int = 14
    policies: int = 20
    policy_groups: int = 4
    commands: int = 12
    memberships: int | None = None
    radius_servers: int = 2
    direct_bindings: int | None = None

    @classmethod
    def empty(cls) -> Self:
        """Return the sizes of an empty organization."""
        return cls(*(0 for _ in fields(cls)))


def generate(seed: int = 1, sizes: Sizes = Sizes(), now: datetime | None = None) -> Organization:
    """Return an organization; equal arguments give equal ones, except for the API key.

    Args:
        seed: Seed of the records; another seed gives another company.
        sizes: Sizes of the organization.
        now: Time before which all dates lie; None for the current time.
    """
    org = Organization(f"Example Company {seed}", Rng(seed))
    OrganizationGenerator(org, sizes, now or datetime.now(UTC)).build()
    return org


class OrganizationGenerator:
    """The generator of an organization, from users to the edges of the graph.

    Attributes:
        users, systems: The generators of its users and systems.
    """

    def __init__(self, org: Organization, sizes: Sizes, now: datetime) -> None:
        self._org = org
        self._rng = org.random
        self._sizes = sizes
        self.users = UserGenerator(org, now)
        self.systems = SystemGenerator(org, now)
        self._now = now

    def build(self) -> None:
        """Add all records and edges to the organization."""
        self._add_users()
        self._add_systems()
        self._add_user_groups()
        self._add_policies_and_commands()
        self._add_system_groups()
        self._add_applications()
        # Apart from the other draws, so that these stay as they were before there were any.
        rng = Rng(f"{self._org.id} direct access")
        add_names(self._org, rng, self._sizes.radius_servers)
        add_direct_bindings(self._org, rng, self._sizes.direct_bindings)
        self._add_custom_attributes(Rng(f"{self._org.id} custom attributes"))

    def _add_custom_attributes(self, rng: Rng) -> None:
        """Give users and systems a cost code, and an attribute that must never be read."""
        for record in (*self._org.users.values(), *self._org.systems.values()):
            values = {"costCode": f"CC-{rng.randint(100, 999)}", "doorCode": secret(rng)}
            record["attributes"] = [{"name": name, "value": values[name]} for name in values]

    def _add_users(self) -> None:
        for _ in range(self._sizes.users):
            user = self.users.new()
            self._org.users[user["id"]] = user

    def _add_systems(self) -> None:
        owners = list(self._org.users.values())
        for number in range(self._sizes.systems):
            owned = owners and self._rng.chance(0.9)
            system = self.systems.new(owners[number % len(owners)] if owned else None)
            self._org.systems[system["id"]] = system

    def _add_user_groups(self) -> None:
        departments = tuple(names.DEPARTMENTS)
        users = list(self._org.users)
        for number in range(self._sizes.user_groups):
            if number == 0:
                members, name = users, "All Employees"
            elif number <= len(departments):
                name = departments[number - 1]
                members = [u for u in users if self._org.users[u]["department"] == name]
            else:
                name = _numbered(names.TEAM_SUBJECTS, number - len(departments) - 1)
                members = self._sample(users, TEAM_SIZE)
            group_id = self._org.add_group(name, "user_group", organizationObjectId=self._org.id)
            self._org.user_group_members[group_id] = dict.fromkeys(members)

    def _add_policies_and_commands(self) -> None:
        org = self._org
        for number in range(self._sizes.policies):
            name, template, family = names.POLICIES[number % len(names.POLICIES)]
            policy_id = org.ids.new()
            kind = {"id": org.ids.new(), "name": template, "osMetaFamily": family}
            org.policies[policy_id] = {"id": policy_id, "name": name, "template": kind}
        for number in range(self._sizes.policy_groups):
            org.add_group(f"Baseline {number + 1}", "policy_group")
        for number in range(self._sizes.commands):
            name, kind_of_os, script = names.COMMANDS[number % len(names.COMMANDS)]
            command_id = org.ids.new()
            org.commands[command_id] = {
                "_id": command_id,
                "id": command_id,
                "name": name,
                "commandType": kind_of_os,
                "command": script,
                "launchType": "manual",
                "organization": org.id,
            }

    def _add_system_groups(self) -> None:
        target = self._sizes.memberships
        by_criterion = self.criteria() if target is None else {}
        systems = list(self._org.systems)
        for number in range(self._sizes.system_groups):
            criterion = list(by_criterion)[number] if number < len(by_criterion) else None
            name = criterion or _numbered(names.GROUP_SUBJECTS, number - len(by_criterion))
            if number == self._sizes.system_groups - 1 and number > 0:
                name = next(iter(self._org.system_groups.values()))["name"]
            group_id = self._org.add_group(name, **self._group_fields(dynamic=bool(criterion)))
            if criterion:
                members: Sequence[str] = by_criterion[criterion]
            elif target is None:
                members = self._sample(systems, max(1, len(systems) // 20))
            else:
                members = self._rng.sample(systems, self._share(number, target, len(systems)))
            self._org.members[group_id] = dict.fromkeys(members)
            self._bind_group(group_id, number)

    def criteria(self) -> dict[str, list[str]]:
        """Return the systems that meet the criterion of each dynamic group, by its name."""
        systems = self._org.systems.values()
        found = {"All Devices": [s["id"] for s in systems]}
        for platform in names.PLATFORMS:
            found[f"All {platform.os}"] = [s["id"] for s in systems if s["os"] == platform.os]
        for office in names.OFFICES:
            own = [s["id"] for s in systems if s["hostname"].startswith(office.code)]
            found[f"{office.city} Devices"] = own
        return found

    def _share(self, number: int, target: int, systems: int) -> int:
        """Return the number of members of a group that adds up to the target."""
        share, rest = divmod(target, self._sizes.system_groups)
        return min(systems, share + (number < rest))

    def _group_fields(self, *, dynamic: bool) -> Record:
        query = {"queryType": "FilterQuery", "filters": []} if dynamic else None
        return {
            "description": self._rng.choice(("", "", "Managed by IT", "See the wiki")),
            "membershipMethod": "DYNAMIC_AUTOMATED" if dynamic else "STATIC",
            "organizationObjectId": self._org.id,
            "memberQuery": query,
            "memberQueryExemptions": [],
            "memberSuggestionsNotify": False,
        }

    def _bind_group(self, group_id: str, number: int) -> None:
        org = self._org
        edges = org.bindings[group_id]
        for user_id in self._sample(list(org.users), 6):
            edges["user", user_id] = self._sudo()
        administrators = list(org.user_groups)[IT_GROUP : IT_GROUP + 1] if number == 0 else []
        for user_group_id in administrators or self._user_groups(number):
            edges["user_group", user_group_id] = self._sudo()
            members = org.user_group_members[user_group_id]
            if members and self._rng.chance(0.3):
                edges["user", next(iter(members))] = self._sudo()
        for kind, ids in (
            ("policy", org.policies),
            ("policy_group", org.policy_groups),
            ("command", org.commands),
        ):
            for target_id in self._sample(list(ids), 3):
                edges[kind, target_id] = None

    def _user_groups(self, number: int) -> list[str]:
        """Return a few user groups: departments for the first groups, teams for the others."""
        groups = list(self._org.user_groups)
        departments = len(names.DEPARTMENTS) + 1
        pool = groups[departments:] if number >= WELL_KNOWN else groups[1:]
        return self._sample(pool or groups, 3)

    def _sample(self, ids: list[str], largest: int) -> list[str]:
        """Return at most this many of the ids, sometimes none."""
        if self._rng.chance(EMPTY_GROUPS):
            return []
        return self._rng.sample(ids, min(len(ids), self._rng.randint(1, largest)))

    def _sudo(self) -> Attributes:
        if self._rng.chance(0.4):
            return None
        enabled = self._rng.chance(0.5)
        without_password = enabled and self._rng.chance(0.3)
        return sudo(enabled=enabled, without_password=without_password)

    def _add_applications(self) -> None:
        org = self._org
        for number in range(self._sizes.applications):
            record = self._application(number)
            org.applications[record["id"]] = record
            edges = org.bindings[record["id"]] = {}
            everyone = list(org.user_groups)[:1] if number < EVERYBODYS_APPLICATIONS else []
            for user_group_id in everyone or self._user_groups(number):
                name = org.user_groups[user_group_id]["name"]
                ldap = {"ldapGroups": [{"name": name}]}
                edges["user_group", user_group_id] = self._rng.choice((None, ldap))
            for user_id in self._sample(list(org.users), 4):
                edges["user", user_id] = None

    def _application(self, number: int) -> Record:
        rng, application_id = self._rng, self._org.ids.new()
        slug, name, kind = names.APPLICATIONS[number % len(names.APPLICATIONS)]
        label = name if number < len(names.APPLICATIONS) else f"{name} {number}"
        key = f"-----BEGIN PRIVATE KEY-----\n{secret(rng)}\n-----END PRIVATE KEY-----"
        return {
            "_id": application_id,
            "id": application_id,
            "organization": self._org.id,
            "active": rng.chance(0.95),
            "name": slug,
            "displayName": name,
            "displayLabel": label,
            "ssoUrl": f"https://sso.jumpcloud.com/saml2/{slug}{number}",
            "beta": False,
            "color": None,
            "created": self._org.created,
            "sso": {"type": kind, "jit": False, "beta": False} | self._certificate(kind, number),
            "config": {
                "idpPrivateKey": {"label": "IdP Private Key", "value": key},
                "idpCertificate": {"label": "IdP Certificate", "value": secret(rng)},
            },
        }

    def _certificate(self, kind: str, number: int) -> Record:
        """Return the end of the certificate; the first one has ended, the second one ends soon."""
        if kind != "saml":
            return {}
        return {"idpCertExpirationAt": timestamp(self._now + timedelta(days=67 * number - 45))}


def _numbered(subjects: Sequence[str], number: int) -> str:
    subject, turn = subjects[number % len(subjects)], number // len(subjects)
    return f"{subject} {turn + 1}" if turn else subject
