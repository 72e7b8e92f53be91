"""Odd lists of reports and odd reports are a failure of the report, or a newer one is used."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.jumpcloud.client import JumpCloudClient, Request
from pipelines.jumpcloud.errors import MalformedError, TemporaryError
from pipelines.jumpcloud.reports import NoReportError, parse_report, read_device_report
from pipelines.jumpcloud.responses import Json, Response

USER, SYSTEM = "a" * 24, "b" * 24
ROW = {"user_object_id": USER, "resource_object_id": SYSTEM, "association_type": "direct"}


def entry(hours: float = 1, **values: Json) -> Json:
    return {
        "id": "64b0c0de",
        "type": "users-to-devices",
        "status": "COMPLETED",
        "created_at": (datetime.now(UTC) - timedelta(hours=hours)).isoformat(),
        "artifacts": [{"format": "JSON", "id": "json-1"}],
        **values,
    }


class ListedReports(JumpCloudClient):
    """A client that answers with a list of reports, which has more entries after a request."""

    def __init__(self, *entries: Json, later: Json = None) -> None:
        self.entries = list(entries)
        self.later = later
        self.requests: list[Request] = []

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        if request.makes_report:
            self.entries.append(self.later)
            raise TemporaryError("the answer was lost")
        return Response(self.entries, None)

    def download(self, request: Request) -> bytes:
        self.requests.append(request)
        return json.dumps([ROW]).encode()

    def wait(self, seconds: float) -> None:
        """Complete all reports."""
        assert seconds
        for one in self.entries:
            if isinstance(one, dict):
                one["status"] = "COMPLETED"


def read(client: JumpCloudClient, *, may_request: bool = False) -> float:
    """Return the age in hours of the report that is used."""
    report = read_device_report(client, "http://h", timedelta(hours=12), may_request=may_request)
    return round((datetime.now(UTC) - report.created_at) / timedelta(hours=1), 1)


ODD: list[Json] = [
    None,
    entry(0, type=["users-to-devices"]),
    entry(0, type={}),
    entry(0, id=".."),
    entry(0, id=""),
    entry(0, id="\ud800"),
    entry(0, id="a/../.."),
    entry(-2),
    entry(0, created_at="9999-12-31T23:59:59-23:00"),
    entry(0, status=["COMPLETED"]),
    entry(0, parameters={"system": SYSTEM}),
    entry(0, artifacts=[{"format": "JSON", "id": ".."}, {"format": ["JSON"], "id": "x"}, None]),
    entry(0, artifacts=[{"format": "CSV", "id": "csv-1"}]),
    entry(0, artifacts="JSON"),
]


def test_odd_reports_are_not_used() -> None:
    assert read(client := ListedReports(*ODD, entry(3))) == 3
    assert client.requests[-1].path.endswith("/reports/64b0c0de/artifacts/json-1/content")
    with pytest.raises(NoReportError):
        read(ListedReports(*ODD))


def test_report_is_used_although_the_answer_to_its_request_is_lost() -> None:
    running = entry(0, id="new", status="PENDING")
    client = ListedReports(entry(11, status="IN_PROGRESS"), later=running)
    assert read(client, may_request=True) == 0
    assert [request.makes_report for request in client.requests].count(True) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xef\xbb\xbf[]",
        b"[1]",
        b"[null]",
        b"[[]]",
        b"[] []",
        b"[" * 20_000 + b"]" * 20_000,
        b'"[\\ud800]"',
        json.dumps([ROW | {"user_object_id": {"id": USER}}]).encode(),
        json.dumps([ROW | {"resource_object_id": SYSTEM + "\x1b"}]).encode(),
        json.dumps([ROW | {"resource_object_id": SYSTEM + "\n"}]).encode(),
        json.dumps([ROW, ROW | {"user_object_id": None}]).encode(),
        json.dumps([ROW, ROW | {"association_type": None}]).encode(),
    ],
)
def test_odd_report_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_report(content, "report")


def test_repeated_pair_is_one_row() -> None:
    content = json.dumps([ROW | {"association_type": "group"}, ROW, ROW]).encode()
    assert parse_report(content, "report").to_pylist() == [
        {"user_id": USER, "system_id": SYSTEM, "is_direct": True}
    ]
