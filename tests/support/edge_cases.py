"""A small organization of edge cases: every quirk that the API is known to deliver."""

from itertools import cycle
from typing import Final

from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import ABSENT, Attributes, Record, Rng, secret, sudo

TEXTS: Final = (
    "Zoë Müller-Łukasiewicz",
    "محمد العلي",
    "שרה כהן",
    "山田 太郎",
    "👩🏽‍💻 Laptop",
    "two\nlines",
    "quote \" and ' and \\",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "tab\there, comma; semicolon",
    "null",
    "",
    "Same Name",
    "Same Name",
)

DATES: Final = (
    "2024-02-01T08:15:30.125Z",
    "2024-02-01T08:15:30Z",
    "2024-02-01T08:15:30",
    "2024-02-01 08:15:30",
    "2024-02-01",
    "2024-02-01T23:15:30.125+02:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01",
    "1601-01-01T00:00:00Z",
    "1970-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "today",
    "",
    None,
    "yesterday",
    "2024-13-45T99:00:00Z",
    ABSENT,
)


def _given(**fields: object) -> Record:
    return {name: value for name, value in fields.items() if value is not ABSENT}


def _entry(address: object, family: object = "IPv4", **more: object) -> Record:
    entry = {"name": "en0", "family": family, "address": address, "internal": False}
    return _given(**entry | more)


INTERFACES: Final[tuple[object, ...]] = (
    ABSENT,
    None,
    [],
    [_entry("fe80::1", "IPv6"), _entry("2001:db8::7", "IPv6"), _entry("FD00:0::1", "IPv6")],
    [_entry("2A00:0::1", ABSENT), _entry("2a00::1", ""), _entry("2a00::1%en0", "IPv6")],
    [_entry("ff02::fb", "IPv6"), _entry("::", "IPv6"), _entry("2a00::2", "IPv4")],
    [_entry("10.1.1.1"), _entry("192.168.1.9", name="wlan0"), _entry("172.31.255.254", name="vpn")],
    [_entry("999.1.1.1"), _entry(""), _entry("010.0.0.1"), _entry("10.1"), _entry(None)],
    [
        _entry("10.0.0.1/24"),
        _entry(" 10.0.0.2"),
        _entry("\u0661\u0660.\u0660.\u0660.\u0661"),
        _entry(ABSENT),
    ],
    [_entry("10.1.1.2", "ipv4"), _entry("10.1.1.3", "IPV4"), _entry("10.1.1.4", ABSENT)],
    [_entry("10.1.1.5", ""), _entry("10.1.1.6", None), _entry("10.1.1.7", "IPv6")],
    [_entry("::1", ABSENT), _entry("fe80::2", None)],
    [_entry("0.0.0.0"), _entry("224.0.0.251"), _entry("239.1.2.3")],  # noqa: S104
    [_entry("127.0.0.1"), _entry("127.9.9.9"), _entry("169.254.7.7")],
    [_entry("10.5.5.5", internal=True), _entry("10.5.5.6", internal=None)],
    [_entry("10.5.5.7", internal=ABSENT)],
    [_entry("8.8.8.8"), _entry("100.64.0.1"), _entry("100.127.255.254", name="tailscale0")],
    [_entry("192.0.2.1"), _entry("198.51.100.2"), _entry("203.0.113.3"), _entry("198.18.0.1")],
    [_entry("255.255.255.255"), _entry("240.0.0.1"), _entry("0.1.2.3")],
    [_entry("172.15.255.255"), _entry("172.32.0.1"), _entry("100.128.0.1"), _entry("11.0.0.1")],
    [_entry("10.7.7.7", name="en0"), _entry("10.7.7.7", name="en1"), _entry("10.7.7.7")],
    [_entry("10.7.7.7", name=ABSENT), _entry("10.7.7.8", name=""), _entry("10.7.7.9", name=None)],
    [_entry("10.7.7.7", name='Ethernet "2" \u2013 büro')],
    [_entry(f"172.17.0.{number}", name="docker0") for number in range(1, 9)],
)

PRIMARY_USERS: Final[tuple[object, ...]] = (None, {"id": None}, ABSENT, {}, {"id": ""})
POLICY_STATS: Final[tuple[object, ...]] = (
    ABSENT,
    None,
    {},
    {"total": 2, "failed": 1, "pending": None},
    {"failed": None},
    {"total": 4, "failed": 0},
)
HARDWARE: Final[tuple[Record, ...]] = (
    {},
    {"os": "Windows", "osFamily": ABSENT, "hwVendor": "Dell Inc."},
    {"os": "Mac OS X", "osFamily": "", "hwVendor": "Apple Inc."},
    {"os": "iPadOS", "osFamily": None, "hwVendor": ""},
    {"os": "Android", "osFamily": ABSENT, "hwVendor": None},
    {"os": "Rocky Linux", "osFamily": ABSENT, "hwVendor": "QEMU"},
    {"os": "Plan 9", "osFamily": ABSENT, "hwVendor": "VMware, Inc."},
)
BOOLEANS: Final[tuple[object, ...]] = (True, False, None, ABSENT)
LOCAL_ACCOUNTS: Final[tuple[object, ...]] = (
    ABSENT,
    None,
    [],
    [{"userName": "root", "admin": True, "managed": False}, {"userName": "", "admin": True}],
    [{"userName": "CORP\\zoë", "admin": True, "secureTokenEnabled": None}, {}, {"userName": None}],
    [
        {"userName": "twice", "admin": False, "managed": True, "suspended": True},
        {"userName": "twice", "admin": True, "managed": None, "suspended": False},
        {"userName": "Twice", "suspended": True, "secureTokenEnabled": True},
    ],
)
MANAGEMENT: Final[tuple[Record, ...]] = (
    {},
    {"osVersionDetail": None, "mdm": None, "domainInfo": None, "systemInsights": None},
    {"osVersionDetail": {}, "domainInfo": {}, "serviceAccountState": {}, "azureAdJoined": None},
    {
        "osVersionDetail": {"releaseName": "", "distributionName": "Rocky Linux", "majorNumber": 9},
        "mdm": {"vendor": "external", "dep": None, "enrollmentType": "", "userApproved": False},
        "domainInfo": {"partOfDomain": True, "domainName": "büro.example"},
        "serviceAccountState": {"hasSecureToken": False, "passwordODValid": None},
        "systemInsights": {"state": "deferred"},
        "hasServiceAccount": True,
    },
)
CUSTOM: Final[tuple[object, ...]] = (
    ABSENT,
    None,
    [],
    [{"name": "costCode", "value": "Größe / 1"}, {"name": "pin", "value": "1234"}],
    [{"name": "costCode", "value": "A"}, {"name": "costCode", "value": "B"}, {}],
    [{"name": "costCode", "value": None}, {"name": "floor"}, {"name": None, "value": "x"}],
    [{"name": "costcode", "value": "another name"}, {"name": "floor", "value": ""}],
)
PASSWORDS: Final[tuple[Record, ...]] = (
    {},
    {"admin": {}, "creationSource": "", "costCenter": None, "alternateEmail": ""},
    {"admin": {"id": "1", "roleName": ""}, "external_source_type": ""},
    {"admin": {"id": "1", "roleName": "Help Desk"}, "external_source_type": "google"},
)


def edge_cases(seed: int = 1) -> Organization:
    """Return a small organization with every quirk; equal seeds give equal ones."""
    return _EdgeCases(Organization(None, Rng(seed))).build()


class _EdgeCases:
    """The generator of edge cases, one method per kind of object."""

    def __init__(self, org: Organization) -> None:
        self._org = org

    def build(self) -> Organization:
        self._systems()
        self._users()
        self._user_groups()
        self._groups()
        self._holes()
        self._several_paths()
        self._edge_attributes()
        self._unresolved()
        self._direct_bindings()
        self._vanished()
        self._applications()
        self._repeat()
        return self._org

    def _systems(self) -> None:
        org, dates, booleans = self._org, cycle(DATES), cycle(BOOLEANS)
        names, primary = cycle(TEXTS), cycle(PRIMARY_USERS)
        policies, hardware, managed = cycle(POLICY_STATS), cycle(HARDWARE), cycle((True, *BOOLEANS))
        accounts, management, custom = cycle(LOCAL_ACCOUNTS), cycle(MANAGEMENT), cycle(CUSTOM)
        for interfaces in INTERFACES:
            org.add_system(
                hostname=next(names),
                displayName=next(names),
                created=next(dates),
                lastContact=next(dates),
                active=next(booleans),
                allowMultiFactorAuthentication=next(booleans),
                allowSshRootLogin=next(booleans),
                allowSshPasswordAuthentication=next(booleans),
                modifySSHDConfig=next(managed),
                fde=_given(active=next(booleans), keyPresent=next(managed)),
                userMetrics=next(accounts),
                attributes=next(custom),
                primarySystemUser=next(primary),
                policyStats=next(policies),
                networkInterfaces=interfaces,
                **next(hardware),
                **{"mdm": {"vendor": "none"}} | next(management),
                systemToken=secret(org.random),
            )
        org.add_system(
            **dict.fromkeys(("hostname", "displayName", "os", "osFamily", "version"), None),
            **dict.fromkeys(("active", "created", "lastContact", "fde", "mdm"), None),
            **dict.fromkeys(("networkInterfaces", "primarySystemUser", "remoteIP"), None),
        )
        bare = ("hostname", "displayName", "osFamily", "version", "active", "created")
        org.add_system(os="iOS", networkInterfaces=ABSENT, **dict.fromkeys(bare, ABSENT))
        org.add_system(fde={}, mdm={}, primarySystemUser={"id": org.ids.new()}, remoteIP="")
        while len(org.systems) < 80:
            org.add_system(networkInterfaces=[_entry("10.200.0.1", name="eth0")])

    def _users(self) -> None:
        org, dates, booleans = self._org, cycle(DATES), cycle(BOOLEANS)
        states = cycle(("ACTIVATED", "STAGED", "SUSPENDED", ABSENT, None))
        manager = org.add_user(displayname=ABSENT, state=ABSENT)
        managers = cycle((manager, None, "", ABSENT, org.ids.new()))
        passwords, more_dates, custom = cycle(PASSWORDS), cycle(DATES[::-1]), cycle(CUSTOM)
        for text in TEXTS:
            org.add_user(
                displayname=text,
                firstname=text,
                lastname=None,
                department=text,
                state=next(states),
                created=next(dates),
                suspended=next(booleans),
                account_locked=next(booleans),
                mfa=_given(configured=next(booleans)),
                manager=next(managers),
                employeeIdentifier=None,
                attributes=next(custom),
                password_date=next(more_dates),
                password_expiration_date=next(more_dates),
                **next(passwords),
                totp_secret=secret(org.random),
                ssh_keys=[{"name": "old", "public_key": f"ssh-rsa {secret(org.random)}"}],
            )
        org.add_user(**dict.fromkeys(("username", "email", "displayname", "mfa", "sudo"), None))
        org.add_user(**dict.fromkeys(("email", "displayname", "created", "activated"), ABSENT))

    def _user_groups(self) -> None:
        users = list(self._org.users)
        for name, members in (("Ops", users[:6]), ("Ops", users[3:9]), ("Nobody", [])):
            group_id = self._org.add_group(name, "user_group")
            for user_id in members:
                self._org.add_member(group_id, user_id)

    def _groups(self) -> None:
        org, users = self._org, list(self._org.users)
        org.add_group("Empty")
        systems = list(org.systems)
        for number, text in enumerate(TEXTS):
            group_id = org.add_group(text)
            for system_id in systems[number::7]:
                edge: Attributes = ABSENT if number % 3 == 0 else None
                org.add_member(group_id, system_id, edge)
            org.bind(group_id, "user", users[number], None)
        old = org.add_group("From 2019", membershipMethod=ABSENT, description=ABSENT)
        org.add_member(old, systems[0], {})
        org.add_group("Nulls", membershipMethod=None, description=None, email=None)

    def _holes(self) -> None:
        """Add groups with deleted members: within a page, for whole pages, and at the end."""
        org, systems = self._org, iter(list(self._org.systems))
        group_id = org.add_group("Full of holes")
        for delivered, deleted in ((50, 300), (20, 151)):
            for _ in range(delivered):
                org.add_member(group_id, next(systems))
            self._add_deleted(group_id, deleted)
        only_holes = org.add_group("Nothing but holes")
        self._add_deleted(only_holes, 110)

    def _add_deleted(self, group_id: str, number: int) -> None:
        for _ in range(number):
            system_id = self._org.ids.new()
            self._org.add_member(group_id, system_id)
            self._org.deleted.add(system_id)

    def _several_paths(self) -> None:
        """Bind users directly and through groups, with sudo that differs by path."""
        org = self._org
        first, second, _ = list(org.user_groups)
        users = list(org.users)
        group_id = org.add_group("Many ways in")
        org.add_member(group_id, next(iter(org.systems)))
        org.bind(group_id, "user", users[0], sudo(enabled=True))
        org.bind(group_id, "user", users[4], sudo(enabled=False, without_password=True))
        org.bind(group_id, "user", users[12], ABSENT)
        org.bind(group_id, "user_group", first, sudo(enabled=False))
        org.bind(group_id, "user_group", second, sudo(enabled=True, without_password=True))
        other = org.add_group("Same people, other rights")
        org.add_member(other, next(iter(org.systems)))
        org.bind(other, "user_group", first, None)
        org.bind(other, "user", users[0], sudo(enabled=False, without_password=True))
        org.bind(other, "user", users[13], sudo(enabled=True, without_password=True))
        org.bind(other, "user", users[14], sudo(enabled=True))
        org.bind(other, "user", users[15], sudo(enabled=True))
        org.compiled[other, users[1]] = sudo(enabled=True)
        org.compiled[other, users[13]] = None
        org.compiled[other, users[14]] = ABSENT
        org.compiled[other, users[15]] = {"ldapGroups": [{"name": "ops"}], "sudo": None}

    def _edge_attributes(self) -> None:
        """Add edges with free keys, including secrets, and without attributes."""
        org, users = self._org, list(self._org.users)
        group_id = org.add_group("Attributes of every kind")
        radius = {"reply": [{"name": "Tunnel-Password", "value": secret(org.random)}]}
        posix = [{"id": 7001, "name": "ops"}, {"id": 7002, "name": "dev", "note": "free"}]
        edges: tuple[Attributes, ...] = (
            None,
            ABSENT,
            {},
            {"Hello": "World", "psk": secret(org.random)},
            {"radius": radius},
            {"radius": radius, "sudo": {"enabled": True, "withoutPassword": True, "by": "me"}},
            {"ldapGroups": [{"name": "ops"}, {"name": "Größe", "gid": 5}], "posixGroups": posix},
            {"sudo": None, "ldapGroups": None, "posixGroups": []},
        )
        for user_id, attributes in zip(users, edges, strict=False):
            org.bind(group_id, "user", user_id, attributes)
        for name, kind in (("Policy", org.policies), ("Command", org.commands)):
            record_id = org.ids.new()
            own = {"id": record_id, "name": name}
            kind[record_id] = own if kind is org.policies else {"_id": record_id} | own
            org.bind(group_id, name.lower(), record_id, {"Hello": "World"})
        org.bind(group_id, "policy_group", org.add_group("Baseline", "policy_group"))

    def _unresolved(self) -> None:
        """Add ids that are in the graph but in no bulk list."""
        org = self._org
        group_id = org.add_group("Names strangers")
        org.add_member(group_id, org.ids.new())
        org.add_member(next(iter(org.user_groups)), org.ids.new())
        for kind in ("user", "user_group", "policy", "policy_group", "command", "radius_server"):
            org.bind(group_id, kind, org.ids.new(), None)

    def _direct_bindings(self) -> None:
        """Bind users and user groups directly to systems, and add a hole to a user group."""
        org, users, systems = self._org, list(self._org.users), list(self._org.systems)
        edges: tuple[Attributes, ...] = (
            None,
            ABSENT,
            {},
            sudo(enabled=True),
            sudo(enabled=False, without_password=True),
            {"sudo": None},
            {"sudo": {"enabled": True, "withoutPassword": True, "by": "me"}, "Hello": "World"},
            {"radius": {"reply": [{"name": "Tunnel-Password", "value": secret(org.random)}]}},
        )
        for number, attributes in enumerate(edges):
            org.bind_system(users[number], systems[number], attributes)
            org.bind_system(users[0], systems[-1 - number], attributes)
        org.bind_system(users[1], org.ids.new(), None)
        org.bind_system(org.ids.new(), systems[0], None)
        first, second, _ = list(org.user_groups)
        org.bind_system(first, systems[0], sudo(enabled=True))
        org.bind_system(first, systems[5], ABSENT)
        org.bind_system(second, systems[0], sudo(enabled=True, without_password=True))
        org.bind_system(second, org.ids.new(), {})
        deleted = org.ids.new()
        org.add_member(first, deleted)
        org.deleted.add(deleted)
        rule = {"z": [1, {"b": None, "a": "Größe"}], "queryType": "FilterQuery"}
        org.update(second, memberQuery=rule, memberQueryErrorFlags=["CYCLE"])

    def _vanished(self) -> None:
        """Add a group that is deleted after the list was read."""
        org = self._org
        group_id = org.add_group("Gone in a moment")
        org.add_member(group_id, next(iter(org.systems)))
        org.bind(group_id, "user", next(iter(org.users)), sudo(enabled=True))
        org.vanished.add(group_id)

    def _applications(self) -> None:
        org, users = self._org, list(self._org.users)
        first, second, empty = org.user_groups
        key = {"idpPrivateKey": {"value": f"-----BEGIN KEY-----\n{secret(org.random)}"}}
        many = org.add_application(displayLabel=TEXTS[2], config=key, ssoUrl="")
        for kind, target_id in (("user", users[0]), ("user_group", first), ("user_group", second)):
            org.bind(many, kind, target_id, {"ldapGroups": [{"name": "Sales"}]})
        org.bind(many, "user", org.ids.new(), ABSENT)
        nobody = org.add_application(displayName="", displayLabel=ABSENT, sso=None, created=None)
        org.bind(nobody, "user_group", empty)
        org.add_application(name=TEXTS[6], sso=ABSENT, active=ABSENT, created="2024-02-01")
        gone = org.add_application(displayName="Gone in a moment")
        org.bind(gone, "user", users[1])
        org.vanished.add(gone)

    def _repeat(self) -> None:
        """Mark rows that lists deliver twice."""
        org = self._org
        for records in (org.systems, org.users, org.system_groups, org.applications):
            org.repeated.add(list(records)[1])
