"""User records as `/api/systemusers` delivers them."""

from datetime import datetime, timedelta
from typing import Final

from pipelines.simulator.data.names import DEPARTMENTS, FIRST_NAMES, LAST_NAMES, OFFICES
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Record, secret, timestamp

STATES: Final = ("ACTIVATED", "STAGED", "SUSPENDED")
STATE_WEIGHTS: Final = (91, 4, 5)
OTHER_ACCOUNT_NAMES: Final = 12
"""One user in so many has another name on devices."""
EXEMPTIONS: Final = 40
"""One user in so many is exempt from MFA."""


class People:
    """The generator of one organization's users. Managers are chosen from earlier users.

    Args:
        org: The organization, source of ids.
        now: The current time of the records.
    """

    def __init__(self, org: Organization, now: datetime) -> None:
        self._org = org
        self._rng = org.random
        self._now = now
        self._taken: dict[str, int] = {}
        self._managers: list[str] = []

    def new(self) -> Record:
        """Return the record of a new employee."""
        user_id = self._org.ids.new()
        record = {"_id": user_id, "id": user_id, "organization": self._org.id}
        record |= self._person() | self._employment() | self._account()
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
            "created": timestamp(self._now - timedelta(days=rng.uniform(1, 1500))),
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
        end = timestamp(self._now + timedelta(days=30))
        return {"configured": configured, "exclusion": True, "exclusionUntil": end}

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
