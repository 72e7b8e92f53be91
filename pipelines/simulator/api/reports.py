"""The report of users and devices: its list, its content, and the request of a new one."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from pipelines.simulator.api.answers import Answer, Request, refusal
from pipelines.simulator.api.behavior import Behavior
from pipelines.simulator.api.pages import encode
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import Record

REPORTS_PATH: Final = "/insights/directory/v1/reports"
REPORT_REQUEST_PATH: Final = f"{REPORTS_PATH}/users-to-devices"


class ReportRoutes:
    """The reports of one organization.

    Args:
        org: The organization, locked by the caller.
        behavior: Age, polls and lies of the reports.
    """

    def __init__(self, org: Organization, behavior: Behavior) -> None:
        self._org = org
        self._behavior = behavior
        self._old_id = secrets.token_hex(12)
        self._artifact_id = secrets.token_hex(12)
        self._requested: dict[str, datetime] = {}
        self._polls = 0

    def answer(self, request: Request) -> Answer:
        """Return the answer or refusal."""
        if request.method == "POST":
            report_id = secrets.token_hex(12)
            self._requested[report_id] = datetime.now(UTC)
            self._polls = self._behavior.report_polls
            return Answer(HTTPStatus.ACCEPTED, encode(self._entry(report_id)))
        if request.path == REPORTS_PATH:
            self._polls = max(0, self._polls - 1)
            ids = [*self._requested, *([self._old_id] if self._behavior.report_age else [])]
            return Answer(HTTPStatus.OK, encode([self._entry(one) for one in ids]))
        parts = request.path.removeprefix(REPORTS_PATH).split("/")
        if parts[2:] != ["artifacts", self._artifact_id, "content"]:
            return refusal(HTTPStatus.NOT_FOUND)
        return Answer(HTTPStatus.OK, encode(list(self._rows())))

    def _entry(self, report_id: str) -> Record:
        age = self._behavior.report_age or timedelta(0)
        created = self._requested.get(report_id, datetime.now(UTC) - age)
        is_done = report_id == self._old_id or self._polls == 0
        formats = ("CSV", "JSON") if report_id in self._requested else self._behavior.report_formats
        ids = {"JSON": self._artifact_id}
        text = created.isoformat().replace("+00:00", "Z")
        return {
            "id": report_id,
            "type": "users-to-devices",
            "status": "COMPLETED" if is_done else "IN_PROGRESS",
            "created_at": text,
            "updated_at": text,
            "expiration": "",
            "requester_id": self._org.id,
            "requester_email": "admin@example.com",
            "parameters": [],
            "artifacts": [
                {"format": one, "id": ids.get(one) or secrets.token_hex(12)} for one in formats
            ]
            if is_done
            else [],
        }

    def _rows(self) -> Iterator[Record]:
        for user_id, system_id, kind in sorted(self._pairs()):
            # A lie may name a record that does not exist.
            user = self._org.users.get(user_id, {})
            system = self._org.systems.get(system_id, {})
            yield {
                "user_object_id": user_id,
                "resource_object_id": system_id,
                "username": user.get("username"),
                "email": user.get("email"),
                "hostname": system.get("hostname"),
                "device_os": system.get("os"),
                "association_type": kind,
            }

    def _pairs(self) -> set[tuple[str, str, str]]:
        """Return user, device and type of each binding of records that exist, and the lies."""
        org, behavior = self._org, self._behavior
        pairs = {(user, system, "direct") for user, to in org.user_systems.items() for system in to}
        for group_id, systems in org.user_group_systems.items():
            users = org.user_group_members.get(group_id, {})
            pairs |= {(user, system, "group") for user in users for system in systems}
        for group_id in org.system_groups.keys() - org.vanished:
            users_of_group = self._users(group_id)
            systems_of_group = org.members.get(group_id, {})
            pairs |= {(u, system, "group") for u in users_of_group for system in systems_of_group}
        gone = org.deleted | org.vanished
        known_users, known_systems = org.users.keys() - gone, org.systems.keys() - gone
        return behavior.false_pairs | {
            one
            for one in pairs
            if one[0] in known_users
            and one[1] in known_systems
            and one[:2] not in behavior.missing_pairs
        }

    def _users(self, group_id: str) -> set[str]:
        users: set[str] = set()
        for kind, target_id in self._org.bindings.get(group_id, {}):
            if kind == "user":
                users.add(target_id)
            if kind == "user_group":
                members = self._org.user_group_members.get(target_id, {})
                users.update(members.keys() - self._org.deleted)
        return users
