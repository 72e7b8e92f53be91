"""Load, limits and faults are switched on while the server runs."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from pipelines.simulator import Behavior, Fault, Server, Sizes, generate
from pipelines.simulator.api.behavior import FaultKind, TokenBucket
from tests.support import ROOT
from tests.support.simulator_client import serving, tiny


def _with_fault(kind: FaultKind, **options: Any) -> Any:  # noqa: ANN401
    org, _ = tiny()
    with serving(org, Behavior(faults=[Fault("/api/systems", kind, **options)])) as api:
        return api.get("/api/systems", sort="_id")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 520])
def test_status_fault_answers_html(status: int) -> None:
    answer = _with_fault("status", status=status, headers={"retry-after": "3"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", requests.ConnectionError),
        ("truncated", requests.exceptions.ChunkedEncodingError),
        ("hang", requests.ConnectionError),
    ],
)
def test_connection_fault_breaks_the_connection(kind: FaultKind, error: type[Exception]) -> None:
    with pytest.raises(error):
        _with_fault(kind, seconds=0.01)


def test_hanging_call_ends_with_the_server() -> None:
    org, _ = tiny()
    behavior = Behavior(faults=[Fault("/api/systems", "hang", seconds=3600)])
    with ThreadPoolExecutor(1) as pool:
        with Server(org, behavior=behavior) as server:
            url, headers = f"{server.base_url}/api/systems", {"x-api-key": org.api_key}
            waiting = pool.submit(requests.get, url, headers=headers, timeout=30)
            while not behavior.faults[0].fired:
                assert not waiting.done()
        assert isinstance(waiting.exception(), requests.ConnectionError)


def test_client_disconnect_ends_a_hanging_call() -> None:
    org, _ = tiny()
    behavior = Behavior(faults=[Fault("/api/systems", "hang", times=1, seconds=3600)])
    with Server(org, behavior=behavior) as server:
        url, headers = f"{server.base_url}/api/systems", {"x-api-key": org.api_key}
        with pytest.raises(requests.Timeout):
            requests.get(url, headers=headers, timeout=0.05)
        assert requests.get(url, headers=headers, timeout=10).status_code == 200


def test_body_faults_are_not_valid_json() -> None:
    page = _with_fault("html200")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for kind, error in (("bad_json", ValueError), ("deep_json", RecursionError)):
        answer = _with_fault(kind)  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/json")
        with pytest.raises(error):
            json.loads(answer.text)


def test_refusal_and_redirect_faults() -> None:
    assert _with_fault("forbidden").status_code == 403
    assert _with_fault("not_found").json() == {"message": "Not Found"}
    moved = _with_fault("redirect")
    assert moved.status_code == 302
    assert moved.headers["location"].startswith("https://elsewhere.example.net/")


def test_duplicate_rows_fault_repeats_a_row() -> None:
    rows = _with_fault("duplicate_rows").json()["results"]
    assert len(rows) == 3
    assert rows[0] == rows[2]


def test_huge_body_is_streamed() -> None:
    answer = _with_fault("huge", mebibytes=3)
    assert len(answer.content) > 3_000_000
    assert len(answer.json()) == 3 * 1024


def test_fault_honors_times_rate_and_every() -> None:
    org, _ = tiny()
    with serving(org) as api:

        def statuses(fault: Fault, path: str = "/api/systems", calls: int = 6) -> list[int]:
            api.behavior.faults = [fault]
            return [api.get(path, limit=7).status_code for _ in range(calls)]

        assert statuses(Fault("systems", "status", times=2)) == [503] * 2 + [200] * 4
        assert statuses(Fault("systems", "status", every=3)) == [200, 200, 503] * 2
        assert statuses(Fault("users", "status")) == [200] * 6
        assert statuses(Fault(r"limit=7$", "status")) == [503] * 6
        assert statuses(Fault(r"/systems$", "status")) == [503] * 6
        often = statuses(Fault("systems", "status", rate=0.5), calls=40)
        assert {200, 503} == set(often)


def test_calls_above_the_rate_answer_429() -> None:
    org, _ = tiny()
    behavior = Behavior(requests_per_second=0.001, burst=2)
    with serving(org, behavior) as api:
        assert [api.get("/api/systems").status_code for _ in range(3)] == [200, 200, 429]
        assert "retry-after" not in api.get("/api/systems").headers
        behavior.retry_after = "seconds"
        assert 0 < int(api.get("/api/systems").headers["retry-after"]) <= 1000
        behavior.retry_after = "date"
        answer = api.get("/api/systems")
        sent = parsedate_to_datetime(answer.headers["date"])
        assert parsedate_to_datetime(answer.headers["retry-after"]) > sent
        behavior.requests_per_second = None
        assert api.get("/api/systems").status_code == 200


def test_token_bucket_refills_over_time() -> None:
    now = [100.0]
    bucket = TokenBucket(clock=lambda: now[0])
    assert [bucket.wait(2.0, 2) for _ in range(3)] == [0.0, 0.0, 0.5]
    now[0] += 0.5
    assert [bucket.wait(2.0, 2) for _ in range(2)] == [0.0, 0.5]
    now[0] += 60
    assert [bucket.wait(2.0, 2) for _ in range(3)] == [0.0, 0.0, 0.5]


def test_calls_are_counted_by_endpoint() -> None:
    org, ids = tiny()
    with serving(org, Behavior(latency_seconds=0.001, latency_per_in_flight_seconds=0.001)) as api:
        for name in ("office", "empty"):
            api.get(f"/api/v2/systemgroups/{ids[name]}/members")
        api.get("/api/systems", fields="hostname os")
        assert api.server.calls_by_path() == {
            "/api/v2/systemgroups/{id}/members": 2,
            "/api/systems": 1,
        }
        last = api.server.calls[-1]
        assert (last.number, last.method, last.path) == (3, "GET", "/api/systems")
        assert (last.query, last.status) == ("fields=hostname+os", 200)
        assert api.server.max_in_flight_seen == 1
        counters = requests.get(f"{api.server.base_url}/__simulator__/calls", timeout=10).json()
        assert counters["calls"] == 3
        api.server.reset_calls()
        assert api.server.calls == []


def test_server_can_be_restarted() -> None:
    org = generate(1, Sizes.empty())
    server = Server(org)
    for _ in range(2):
        with server:
            url = f"{server.base_url}/api/organizations"
            answer = requests.get(url, headers={"x-api-key": org.api_key}, timeout=10)
            assert answer.status_code == 200


def test_simulator_runs_as_a_process() -> None:
    command = [sys.executable, "-m", "pipelines.simulator", "--systems", "12", "--users", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        url, headers = f"{ready['base_url']}/api/systems", {"x-api-key": ready["api_key"]}
        assert requests.get(url, headers=headers, timeout=10).json()["totalCount"] == 12
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
