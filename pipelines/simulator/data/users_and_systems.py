"""User and system records as `/api/systemusers` and `/api/systems` deliver them."""

from datetime import datetime, timedelta
from typing import Final

from pipelines.simulator.data.names import (
    ADMINISTRATOR_ROLES,
    DEPARTMENTS,
    FIRST_NAMES,
    LAST_NAMES,
    MACOS,
    MOBILE,
    OFFICES,
    PLATFORM_WEIGHTS,
    PLATFORMS,
    RELEASES,
    UBUNTU,
    WINDOWS,
    Office,
    Platform,
)
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Record, Rng, secret, timestamp

STATES: Final = ("ACTIVATED", "STAGED", "SUSPENDED")
STATE_WEIGHTS: Final = (91, 4, 5)
OTHER_ACCOUNT_NAMES: Final = 12
"""One user in so many has another name on devices."""
EXEMPTIONS: Final = 40
"""One user in so many is exempt from MFA, and one in twice as many without an end."""
PASSWORD_AGE: Final = timedelta(days=90)


class UserGenerator:
    """The generator of one organization's users. Managers are chosen from earlier users.

    Args:
        org: The organization, source of ids.
        now: The current time of the records, which may be moved on.
    """

    def __init__(self, org: Organization, now: datetime) -> None:
        self._org = org
        self._rng = org.random
        self.now = now
        # Apart from the other draws, so that fields can be added without changing them.
        self._more = Rng(f"{org.id} users")
        self._taken: dict[str, int] = {}
        self._managers: list[str] = []

    def new(self) -> Record:
        """Return the record of a new employee."""
        user_id = self._org.ids.new()
        record = {"_id": user_id, "id": user_id, "organization": self._org.id}
        record |= self._person() | self._employment() | self._account()
        record |= self._password(record) | self._administration(record)
        if self._rng.chance(0.1):
            self._managers.append(user_id)
        return record

    def _person(self) -> Record:
        first, last = self._rng.choice(FIRST_NAMES), self._rng.choice(LAST_NAMES)
        stem = f"{first}.{last}".lower()
        number = self._taken[stem] = self._taken.get(stem, 0) + 1
        username = stem if number == 1 else f"{stem}{number}"
        return {
            "username": username,
            "email": f"{username}@example.com",
            "firstname": first,
            "middlename": "",
            "lastname": last,
            "displayname": f"{first} {last}",
            "systemUsername": self._account_name(first, last),
            "unix_uid": 5000 + len(self._org.users),
            "unix_guid": 5000 + len(self._org.users),
        }

    def _account_name(self, first: str, last: str) -> str:
        other = len(self._org.users) % OTHER_ACCOUNT_NAMES == OTHER_ACCOUNT_NAMES - 1
        return f"{first[0]}{last}".lower() if other else ""

    def _employment(self) -> Record:
        rng = self._rng
        department = rng.choice(tuple(DEPARTMENTS))
        record: Record = {
            "department": department,
            "jobTitle": rng.choice(DEPARTMENTS[department]),
            "company": "Example GmbH",
            "location": rng.choice(OFFICES).city,
            "costCenter": "",
            "description": "",
            "employeeIdentifier": f"E{len(self._org.users) + 1:06}",
            "employeeType": rng.choice(("Employee", "Employee", "Employee", "Contractor", "")),
            "created": timestamp(self.now - timedelta(days=rng.uniform(1, 1500))),
        }
        if self._managers:
            record["manager"] = rng.choice(self._managers)
        return record

    def _account(self) -> Record:
        rng = self._rng
        state = rng.choices(STATES, STATE_WEIGHTS)[0]
        configured = rng.chance(0.8)
        administrator = rng.chance(0.03)
        record: Record = {
            "state": state,
            "activated": state != "STAGED",
            "suspended": state == "SUSPENDED",
            "account_locked": rng.chance(0.02),
            "account_locked_date": None,
            "mfa": self._mfa(configured=configured),
            "mfaEnrollment": self._enrollment(totp=configured),
            "totp_enabled": configured,
            "totp_secret": secret(rng),
            "password_hash": f"$2b$12${secret(rng)}",
            "sudo": administrator,
            "passwordless_sudo": administrator and rng.chance(0.3),
            "password_expired": rng.chance(0.05),
            "password_never_expires": rng.chance(0.1),
            "addresses": [],
            "phoneNumbers": [],
            "attributes": [],
            "ssh_keys": [],
        }
        if rng.chance(0.2):
            key = f"ssh-ed25519 {secret(rng)}"
            record["public_key"] = key
            record["ssh_keys"] = [{"_id": self._org.ids.new(), "name": "laptop", "public_key": key}]
        return record

    def _mfa(self, *, configured: bool) -> Record:
        if len(self._org.users) % EXEMPTIONS != EXEMPTIONS - 1:
            return {"configured": configured, "exclusion": False}
        exempt: Record = {"configured": configured, "exclusion": True}
        if len(self._org.users) % (2 * EXEMPTIONS) == EXEMPTIONS - 1:
            exempt["exclusionUntil"] = timestamp(self.now + timedelta(days=30))
        return exempt

    def _enrollment(self, *, totp: bool) -> Record:
        """Return the status of each factor; some users have only a security key."""
        number = len(self._org.users)
        enrolled = {
            "totpStatus": totp,
            "webAuthnStatus": not totp and number % 4 == 1,
            "pushStatus": totp and number % 3 == 0,
            "smsStatus": False,
            "jcGoStatus": False,
        }
        enrolled["overallStatus"] = any(enrolled.values())
        return {name: "ENROLLED" if on else "NOT_ENROLLED" for name, on in enrolled.items()}

    def _password(self, user: Record) -> Record:
        """Return the dates of the password; a staged user has none."""
        end = self.now + timedelta(days=self._more.uniform(1, 89))
        if user["password_expired"]:
            end -= PASSWORD_AGE
        changed = timestamp(end - PASSWORD_AGE) if user["activated"] else None
        expires = timestamp(end) if changed and not user["password_never_expires"] else None
        return {"password_date": changed, "password_expiration_date": expires}

    def _administration(self, user: Record) -> Record:
        rng, administrator = self._more, None
        if user["department"] == "IT" and rng.chance(0.2):
            role = rng.choice(ADMINISTRATOR_ROLES)
            administrator = {"id": f"{rng.getrandbits(96):024x}", "roleName": role}
        imported = rng.chance(0.3)
        return {
            "admin": administrator,
            "creationSource": "jumpcloud:gapps" if imported else "jumpcloud:admin",
            "external_source_type": "google" if imported else "",
            "costCenter": f"CC-{100 + list(DEPARTMENTS).index(user['department'])}",
            "alternateEmail": f"{user['username']}@example.net" if rng.chance(0.1) else "",
        }


class SystemGenerator:
    """The generator of one organization's systems: laptops, servers and phones.

    Args:
        org: The organization, source of ids.
        now: The current time of the records, which may be moved on.
    """

    def __init__(self, org: Organization, now: datetime) -> None:
        self._org = org
        self._rng = org.random
        self.now = now
        # Apart from the other draws, so that fields can be added without changing them.
        self._more = Rng(f"{org.id} systems")
        self._count = 0

    def new(self, owner: Record | None) -> Record:
        """Return the record of a new device, with or without an owner."""
        self._count += 1
        platform = self._rng.choices(PLATFORMS, PLATFORM_WEIGHTS)[0]
        office = self._rng.choice(OFFICES)
        record = self._identity(platform, office, owner)
        if platform.os in MOBILE:
            return record | {"mdm": self._mobile_mdm()}
        record |= self._state(office)
        record["networkInterfaces"] = self._interfaces(platform, office)
        record |= self._security(platform)
        return record | self._people(platform, owner) | self._management(platform, record)

    def _identity(self, platform: Platform, office: Office, owner: Record | None) -> Record:
        rng = self._rng
        system_id = self._org.ids.new()
        name = f"{office.code}-{platform.letter}-{self._count:05}"
        created = self.now - timedelta(days=rng.uniform(20, 1200))
        return {
            "_id": system_id,
            "id": system_id,
            "organization": self._org.id,
            "hostname": name,
            "displayName": f"{owner['firstname']}'s {platform.os}" if owner else name,
            "os": platform.os,
            "osFamily": platform.family,
            "version": rng.choice(platform.versions),
            "serialNumber": f"{rng.getrandbits(40):010X}",
            "created": timestamp(created),
            "systemToken": secret(rng),
        }

    def _state(self, office: Office) -> Record:
        rng = self._rng
        stale = rng.chance(0.08)
        age = rng.uniform(40, 400) if stale else rng.uniform(0, 0.4)
        contact = timestamp(self.now - timedelta(days=age))
        public_ip = office.public_ip or f"203.0.113.{rng.randint(160, 250)}"
        return {
            "active": not stale,
            "lastContact": None if stale and rng.chance(0.25) else contact,
            "agentVersion": rng.choice(("2.9.1", "2.8.4", "2.9.0")),
            "remoteIP": public_ip,
            "systemInsights": {"state": rng.choice(("enabled", "deferred"))},
            "connectionHistory": [],
            "systemTimezone": rng.choice((-420, 0, 60, 330)),
            "fileSystem": None,
        }

    def _interfaces(self, platform: Platform, office: Office) -> list[Record]:
        rng = self._rng
        wireless, wired = platform.interfaces
        address = f"{office.network}.{rng.randint(1, 250)}.{rng.randint(2, 254)}"
        found = [
            _interface(platform.loopback, "127.0.0.1", internal=True),
            _interface(platform.loopback, "::1", internal=True),
            _interface(wireless, f"fe80::{rng.getrandbits(16):x}:{rng.getrandbits(16):x}"),
            _interface(wireless, address),
        ]
        if rng.chance(0.15):
            wired_ip = f"{office.network}.{rng.randint(1, 250)}.{rng.randint(2, 254)}"
            found.append(_interface(wired, wired_ip))
        elif rng.chance(0.2):
            found.append(_interface(wired, f"169.254.{rng.randint(1, 254)}.{rng.randint(1, 254)}"))
        if rng.chance(0.3):
            found.append(_interface("utun3", f"10.8.{rng.randint(0, 15)}.{rng.randint(2, 254)}"))
        if rng.chance(0.08):
            tail = f"{rng.randint(64, 127)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
            found.append(_interface("tailscale0", f"100.{tail}"))
        if rng.chance(0.6 if platform is UBUNTU else 0.12):
            found.append(_interface("docker0", "172.17.0.1"))
        if self._count % 3 == 0:
            found.append(_interface(wireless, f"2001:db8:{self._count:x}::1"))
        if self._count % 5 == 0:
            found.append(_interface("utun4", f"fd00:0:0:{self._count:x}::2"))
        return found

    def _security(self, platform: Platform) -> Record:
        rng = self._rng
        encrypted = rng.chance(0.9 if platform is MACOS else 0.7)
        return {
            "arch": platform.arch,
            "archFamily": platform.arch,
            "hwVendor": platform.vendor,
            "fde": {"active": encrypted, "keyPresent": encrypted},
            "allowMultiFactorAuthentication": rng.chance(0.5),
            "allowPublicKeyAuthentication": True,
            "allowSshPasswordAuthentication": rng.chance(0.4),
            "allowSshRootLogin": platform is UBUNTU and rng.chance(0.2),
            "modifySSHDConfig": platform is not WINDOWS,
            "policyStats": self._policies(),
            "sshdParams": [{"name": "PermitRootLogin", "value": "no"}],
        }

    def _policies(self) -> Record:
        """Return the results of the policies; on one device in eleven some fail."""
        failed = 1 + self._count % 2 if self._count % 11 == 0 else 0
        pending = int(not failed and self._more.chance(0.05))
        success = 3 - failed - pending
        counts = {"total": 3, "success": success, "failed": failed, "pending": pending}
        return counts | {"duplicate": 0, "unsupportedOs": 0}

    def _people(self, platform: Platform, owner: Record | None) -> Record:
        return {
            "primarySystemUser": {"id": owner["id"] if owner else None},
            "userMetrics": self._accounts(platform, owner),
            "attributes": [],
        }

    def _accounts(self, platform: Platform, owner: Record | None) -> list[Record]:
        """Return the local accounts: a few devices have an administrator nobody manages."""
        rng, is_mac = self._more, platform is MACOS
        built_in = {WINDOWS: "Administrator", MACOS: "_jumpcloudserviceaccount"}
        off = platform is WINDOWS and rng.chance(0.95)
        found = [_local(built_in.get(platform, "root"), suspended=off, token=is_mac)]
        if rng.chance(0.05):
            found.append(_local(rng.choice(("setup", "itadmin")), token=is_mac))
        if owner:
            name = owner["systemUsername"] or owner["username"]
            account = _local(name, suspended=owner["suspended"], token=is_mac)
            found.append(account | {"admin": rng.chance(0.15), "managed": True})
        return found

    def _management(self, platform: Platform, system: Record) -> Record:
        rng = self._more
        joined = rng.choice(("domain", "Entra", "")) if platform is WINDOWS else ""
        found: Record = {
            "osVersionDetail": _version(platform, system["version"]),
            "mdm": self._mac_mdm() if platform is MACOS else {"vendor": "none"},
            "domainInfo": {
                "partOfDomain": joined == "domain",
                "domainName": "corp.example.com" if joined == "domain" else "",
            },
            "azureAdJoined": joined == "Entra",
            "hasServiceAccount": platform is MACOS,
        }
        if platform is MACOS:
            token = rng.chance(0.9)
            state = {"hasSecureToken": token, "passwordODValid": True, "passwordAPFSValid": token}
            found["serviceAccountState"] = state
        return found

    def _mac_mdm(self) -> Record:
        dep = self._more.chance(0.6)
        kind = "automated device" if dep else "device"
        approved = dep or self._more.chance(0.9)
        return {"vendor": "internal", "dep": dep, "enrollmentType": kind, "userApproved": approved}

    def _mobile_mdm(self) -> Record:
        kind = self._more.choice(("device", "user"))
        mdm = {"vendor": "internal", "dep": False, "enrollmentType": kind, "userApproved": True}
        return mdm | {"lostModeStatus": "disabled"}


def _local(name: str, *, suspended: bool = False, token: bool) -> Record:
    """Return the local account of an administrator, not managed by JumpCloud."""
    flags = {"admin": True, "managed": False, "suspended": suspended}
    return {"userName": name, **flags, "secureTokenEnabled": token}


def _version(platform: Platform, text: str) -> Record:
    first = text.split(maxsplit=1)[0]
    name, numbers = RELEASES[first]
    major, minor, patch = [*(numbers or map(int, first.split("."))), 0][:3]
    return {
        "osName": platform.os,
        "releaseName": name,
        "distributionName": platform.os if platform is UBUNTU else "",
        "major": str(major),
        "minor": str(minor),
        "patch": str(patch),
        "majorNumber": major,
        "minorNumber": minor,
        "patchNumber": patch,
        "revision": "",
    }


def _interface(name: str, address: str, *, internal: bool = False) -> Record:
    family = "IPv6" if ":" in address else "IPv4"
    return {"name": name, "family": family, "address": address, "internal": internal}
