"""An organization with known security findings, and near misses of each."""

from datetime import datetime, timedelta
from typing import Final

from pipelines.simulator.data.generate import Sizes, generate
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import ABSENT, Attributes, Record, sudo, timestamp

SMALL: Final = Sizes(
    systems=60,
    users=40,
    system_groups=9,
    user_groups=5,
    applications=5,
    policies=3,
    policy_groups=1,
    commands=2,
)
MANY: Final = 10
FEW: Final = 5
STALE: Final = timedelta(days=30)
SECOND: Final = timedelta(seconds=1)


def planted_findings(seed: int, now: datetime, sizes: Sizes = SMALL) -> Organization:
    """Return an organization with cases and near misses of every finding.

    Args:
        seed: Seed of the records.
        now: Start of the pull; dates are relative to it.
        sizes: Sizes without the planted cases.
    """
    org = generate(seed, sizes, now)
    _PlantedFindings(org, now).plant()
    return org


class _PlantedFindings:
    """The generator of planted cases, one method per kind of finding."""

    def __init__(self, org: Organization, now: datetime) -> None:
        self._org = org
        self._now = now
        self._office = org.add_group("Office")
        self._empty = org.add_group("Empty, with users")
        org.bind(self._office, "user", org.add_user(username="colleague"))

    def plant(self) -> None:
        self._suspended()
        self._without_mfa()
        self._unencrypted()
        self._stale()
        self._lonely()
        self._groups()
        self._addresses()
        self._unresolved()
        self._policies()
        self._serial_numbers()
        self._certificates()
        self._direct()
        self._rules()
        self._administrators()
        self._exempt()
        self._passwords()
        self._names()

    def _device(self, *groups: str, **fields: object) -> str:
        system_id = self._org.add_system(**{"lastContact": timestamp(self._now)} | fields)
        for group_id in groups or (self._office,):
            self._org.add_member(group_id, system_id)
        return system_id

    def _person(
        self, group_id: str | None = None, edge: Attributes = None, **fields: object
    ) -> str:
        user_id = self._org.add_user(**fields)
        if group_id:
            self._org.bind(group_id, "user", user_id, edge)
        return user_id

    def _suspended(self) -> None:
        org, application = self._org, self._org.add_application()
        self._person(self._office, suspended=True, state="SUSPENDED")
        self._person(self._office, account_locked=True)
        self._person(self._office, suspended=None, account_locked=ABSENT, state="SUSPENDED")
        org.bind(application, "user", self._person(suspended=True))
        off = org.add_application(active=False)
        org.bind(off, "user", self._person(suspended=True))
        org.bind(off, "user", self._person(self._office, suspended=True))
        # Near misses: no access at all; access to an empty group only; a staged user.
        self._person(suspended=True, state="SUSPENDED")
        self._person(self._empty, suspended=True)
        self._person(self._office, state="STAGED", suspended=None)

    def _without_mfa(self) -> None:
        org = self._org
        no_mfa: Record = {"mfa": {"configured": False}, "totp_enabled": False}
        self._person(self._office, sudo(), **no_mfa)
        self._person(self._office, **no_mfa, sudo=True)
        inherited = org.add_group("Sudoers", "user_group")
        org.add_member(inherited, self._person(**no_mfa), sudo())
        org.bind(self._office, "user_group", inherited)
        none, key = (
            dict.fromkeys(("overallStatus", "webAuthnStatus"), status)
            for status in ("NOT_ENROLLED", "ENROLLED")
        )
        # The status of enrollment counts, where it was sent.
        totp: Record = {"mfa": {"configured": True, "exclusion": True}, "totp_enabled": True}
        self._person(self._office, sudo(), **totp, mfaEnrollment=none)
        # Near misses: a security key; TOTP; unknown MFA; no device (twice); no sudo.
        self._person(self._office, sudo(), **no_mfa, mfaEnrollment=key)
        self._person(self._office, sudo(), mfa={"configured": False}, totp_enabled=True)
        self._person(self._office, sudo(), mfa=ABSENT, totp_enabled=False)
        self._person(self._empty, sudo(), **no_mfa)
        self._person(None, **no_mfa, sudo=True)
        self._person(self._office, sudo(enabled=False, without_password=True), **no_mfa)

    def _unencrypted(self) -> None:
        org = self._org
        quiet = org.add_group("Without sudo")
        plain, powerful = self._person(quiet), self._person(self._office, sudo())
        idle = self._person(None, sudo=True)
        for encrypted in (False, True, None):
            fde: Record = {"fde": {"active": encrypted}}
            self._device(**fde)
            self._device(quiet, **fde)
            for primary in (plain, powerful, idle, org.ids.new(), None):
                for group in (quiet, self._office):
                    self._device(group, **fde, primarySystemUser={"id": primary})
        self._device(quiet, fde=ABSENT, primarySystemUser={"id": powerful})
        ruled = org.add_group("Of a global administrator")
        org.bind(ruled, "user", self._person(sudo=True), None)
        self._device(ruled, fde={"active": False})
        # Bindings to the device itself, each with and without sudo.
        team = org.add_group("Team", "user_group")
        org.add_member(team, plain)
        for edge in (sudo(), None):
            for primary in (plain, idle, None):
                alone, shared = (
                    org.add_system(fde={"active": False}, primarySystemUser={"id": primary})
                    for _ in range(2)
                )
                org.bind_system(plain, alone, edge)
                org.bind_system(team, shared, edge)
        org.bind_system(self._person(sudo=True), org.add_system(fde={"active": False}))

    def _stale(self) -> None:
        just = self._now - STALE
        for contact in (just - SECOND, just, just + SECOND, self._now - 20 * STALE):
            for active in (False, None, True):
                self._device(lastContact=timestamp(contact), active=active)
        lonely = self._org.add_group("Of nobody")
        self._device(lonely, lastContact=timestamp(self._now - 2 * STALE), active=False)
        for never in (None, ABSENT, "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"):
            for active in (False, None, True):
                self._device(lastContact=never, active=active)
            self._device(lastContact=never, active=False, created=timestamp(just))

    def _lonely(self) -> None:
        """Plant devices without users and groups, and users without devices."""
        org = self._org
        owner, former = self._person(), self._person(state="SUSPENDED")
        lonely = org.add_group("Of nobody else")
        self._device(lonely)
        self._device(lonely, primarySystemUser={"id": owner})
        org.add_system(primarySystemUser={"id": None}, lastContact=timestamp(self._now))
        org.bind(org.add_application(), "user", former)
        org.bind(org.add_application(active=False), "user_group", org.add_group("0", "user_group"))

    def _groups(self) -> None:
        org, free = self._org, sudo(without_password=True)
        of_user, of_group, inherited, compiled, denied = (
            org.add_group(f"Passwordless {number}") for number in range(5)
        )
        user = self._person(of_user, free)
        self._person(of_user, free)
        org.bind(of_group, "user_group", org.add_group("Nobody yet", "user_group"), free)
        carriers = org.add_group("Carriers", "user_group")
        org.add_member(carriers, user, free)
        org.bind(inherited, "user_group", carriers)
        org.bind(compiled, "user", user)
        org.compiled[compiled, user] = free
        org.bind(denied, "user", user, sudo(enabled=False, without_password=True))
        self._device(of_user, compiled)
        gone = self._device(inherited)
        org.remove_system(gone)

    def _addresses(self) -> None:
        for number, count in enumerate((MANY - 1, MANY, MANY + 3)):
            for address, name in ((f"10.99.0.{number}", "eth0"), (f"100.99.1.{number}", "tail0")):
                entry = {"name": name, "family": "IPv4", "address": address, "internal": False}
                for _ in range(count):
                    self._device(networkInterfaces=[entry])
        for number, count in enumerate((1, 2, FEW, FEW + 1)):
            for _ in range(count):
                self._device(remoteIP=f"198.18.7.{number}")

    def _unresolved(self) -> None:
        org = self._org
        org.add_member(self._office, org.ids.new())
        org.bind(self._office, "user", org.ids.new())
        org.bind(next(iter(org.applications)), "user", org.ids.new())
        hidden = self._device()
        org.hide(hidden)
        # Named by bindings only.
        team, user = org.add_group("Of nobody known", "user_group"), self._person()
        org.add_member(team, org.ids.new())
        org.bind_system(team, org.ids.new())
        org.bind_system(user, org.ids.new())
        org.bind_system(user, hidden)

    def _policies(self) -> None:
        for failed in (0, 1, 7, None, ABSENT, "3"):
            numbers: Record = {} if failed is ABSENT else {"total": 9, "failed": failed}
            self._device(policyStats=numbers)
        self._device(policyStats=None)
        self._device(policyStats=ABSENT)

    def _serial_numbers(self) -> None:
        for number in ("C02AB", " c02ab", "C02AC", "0", "0000", "None", "", None):
            self._device(serialNumber=number)
        for _ in range(2):
            self._device(serialNumber="To be filled by O.E.M.")
            self._device(serialNumber="Default string")

    def _certificates(self) -> None:
        for seconds in (-1, 0, 1):
            end = timestamp(self._now + STALE + seconds * SECOND)
            self._org.add_application(sso={"type": "saml", "idpCertExpirationAt": end})
        ended = {"type": "saml", "idpCertExpirationAt": timestamp(self._now - STALE)}
        for active in (True, False, None):
            self._org.add_application(sso=ended, active=active)
        self._org.add_application(sso={"type": "saml", "idpCertExpirationAt": None})

    def _direct(self) -> None:
        org = self._org
        admins, nobody = org.add_group("Admins", "user_group"), org.add_group("No", "user_group")
        both, bare = self._device(), self._device()
        org.bind_system(self._person(username=""), both, sudo())
        org.bind_system(self._person(), both, sudo())
        org.bind_system(admins, both, sudo(without_password=True))
        org.bind_system(nobody, self._device(hostname=ABSENT), sudo())
        # Near misses: sudo that is off or not set.
        for attributes in (sudo(enabled=False, without_password=True), None, ABSENT):
            org.bind_system(self._person(), bare, attributes)

    def _rules(self) -> None:
        for kind in ("system_group", "user_group"):
            for flags in (["CYCLE", "INVALID_GROUP_REFERENCE"], [], None, ABSENT):
                name, method = f"Rule {flags}", "DYNAMIC_AUTOMATED"
                self._org.add_group(
                    name, kind, membershipMethod=method, memberQueryErrorFlags=flags
                )

    def _administrators(self) -> None:
        def account(name: str, **flags: object) -> Record:
            return {"userName": name, "admin": True, "managed": False, "suspended": False} | flags

        self._device(userMetrics=[account("Setup"), account("Admin", suspended=None)])
        # Near misses: built in, managed, disabled, no administrator, and unknown.
        for name in ("root", "ROOT", "_jumpcloudserviceaccount"):
            self._device(userMetrics=[account(name)])
        for flags in ({"managed": True}, {"suspended": True}, {"admin": False}, {"managed": None}):
            self._device(userMetrics=[account("other", **flags)])
        self._device(userMetrics=ABSENT)

    def _exempt(self) -> None:
        soon = timestamp(self._now + STALE)
        for end in (ABSENT, None, "", "9999-12-31T00:00:00Z", soon):
            for exempt in (True, False, None):
                mfa: Record = {"configured": False, "exclusion": exempt}
                self._person(mfa=mfa if end is ABSENT else mfa | {"exclusionUntil": end})

    def _passwords(self) -> None:
        old = timestamp(self._now - 20 * STALE)
        for never in (True, False, None):
            fields: Record = {"password_never_expires": never, "password_date": old}
            self._person(self._office, sudo(), **fields)
            self._person(self._office, sudo=True, password_never_expires=never)
            # Near misses: no sudo, and no device.
            self._person(self._office, **fields)
            self._person(self._empty, sudo(), **fields)

    def _names(self) -> None:
        """Plant assets without the first of their names in findings."""
        stale: Record = {"lastContact": timestamp(self._now - 2 * STALE), "active": False}
        self._device(**stale, hostname=ABSENT, displayName="Ada's phone")
        self._device(**stale, hostname="", displayName=None, serialNumber="PH1")
        self._device(**stale, hostname=None, displayName="")
        self._person(self._office, username=ABSENT, suspended=True)
        self._org.add_application(displayLabel="", displayName="Wiki")
        self._org.add_application(displayLabel="", displayName=ABSENT)


def plant_changes(organization: Organization) -> None:
    """Remove, add and grant what the second pull should find."""
    systems, users = sorted(organization.systems), sorted(organization.users)
    first, *_, last = organization.system_groups
    application = next(iter(organization.applications))
    for system in systems[:3]:
        organization.remove_system(system)
    new = organization.add_system()
    organization.add_member(first, new)
    organization.add_member(first, systems[5])
    organization.add_member(organization.add_group("Of nobody at all"), systems[6])
    for user, attributes in zip(users, (None, sudo()), strict=False):
        organization.bind(first, "user", user, attributes)
    organization.bind(last, "user", users[7], sudo(without_password=True))
    (office,) = (k for k, group in organization.system_groups.items() if group["name"] == "Office")
    _, bound = next(iter(organization.bindings[office]))
    organization.bind(office, "user", bound, sudo(without_password=True))
    organization.bind(organization.add_group("Without devices"), "user", users[3])
    for (_, admin), without in zip(organization.bindings[office], (True, False), strict=False):
        organization.update(admin, sudo=True, passwordless_sudo=without)
    organization.bind(office, "user", organization.add_user(sudo=True))
    _bind_systems(organization, users, systems[5:])
    organization.bind(application, "user", users[4])
    off = next(k for k, app in organization.applications.items() if app.get("active") is False)
    organization.update(off, active=True)
    organization.bind(off, "user", users[4])
    organization.bind(organization.add_application(active=False), "user", users[4])
    organization.bind(organization.add_application(displayLabel=None), "user", users[4])


def _bind_systems(organization: Organization, users: list[str], systems: list[str]) -> None:
    """Grant access without a system group."""
    bound, promoted = (
        next((source, system) for source, edges in bindings.items() for system in edges)
        for bindings in (organization.user_systems, organization.user_group_systems)
    )
    for source, system in (bound, promoted):
        organization.bind_system(source, system, sudo(without_password=True))
    organization.bind_system(users[5], systems[0], sudo())
    team, idle = (organization.add_group(name, "user_group") for name in ("New team", "Idle"))
    organization.bind_system(idle, systems[0])
    for member in users[5:7]:
        organization.add_member(team, member)
    for number, system in enumerate(systems[:3]):
        organization.bind_system(team, system, sudo(enabled=number == 1))
    organization.add_member(promoted[0], users[5])
