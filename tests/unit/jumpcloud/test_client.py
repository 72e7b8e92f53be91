"""Every way the API can fail ends in the right tables, or in one clear message."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.config.integration import Integration
from pipelines.extract.pull import pull_organization
from pipelines.jumpcloud.errors import (
    ExtractError,
    ForbiddenError,
    MalformedError,
    NotFoundError,
    RefusedError,
    TemporaryError,
    UnauthorizedError,
)
from pipelines.jumpcloud.paginator import IncompleteError
from pipelines.jumpcloud.retry import MAX_TRIES
from pipelines.simulator import Behavior, Fault, Server, Sizes, generate
from tests.oracle import expected_tables
from tests.support.cli import KEY_VARIABLE
from tests.support.publisher import Pulled

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(".", "status", every=7, status=502),
        Fault(".", "status", every=7, status=429, headers={"retry-after": "0"}),
        Fault(".", "reset", every=7),
        Fault(".", "truncated", every=7),
        Fault(".", "html200", every=7),
        Fault(".", "bad_json", every=7),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
@pytest.mark.usefixtures("no_waiting")
def test_temporary_fault_leaves_tables_correct(fault: Fault, pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    pulled = pull(organization, Behavior(faults=[fault]))
    expected = expected_tables(organization)
    for name in pulled.tables:
        assert pulled.rows(name) == expected[name]
    assert pulled.pull.counts.retries == fault.fired > 0


def test_duplicate_row_is_counted_once(pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    pulled = pull(organization, Behavior(faults=[Fault(".", "duplicate_rows")]))
    expected = expected_tables(organization)
    for name in pulled.tables:
        assert pulled.rows(name) == expected[name]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (
            Fault("/api/systems|/api/search/systems", "forbidden"),
            ForbiddenError,
            "systems.readonly",
        ),
        (Fault("systemgroups/.*/users", "forbidden"), ForbiddenError, "users.readonly"),
        (
            Fault("/api/v2/systemgroups$", "not_found"),
            NotFoundError,
            "/api/v2/systemgroups: not found",
        ),
        (Fault("systemgroups", "deep_json"), MalformedError, "nested too deep"),
        (Fault("systemgroups", "huge", mebibytes=65), MalformedError, "larger than 64 MiB"),
        (Fault("systemgroups", "redirect"), RefusedError, "check region and base_url"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_permanent_fault_names_place_and_remedy(
    fault: Fault, error: type[ExtractError], words: str, pull: Callable[..., Pulled]
) -> None:
    with pytest.raises(error, match=words):
        pull(generate(sizes=SMALL), Behavior(faults=[fault]))


@pytest.mark.usefixtures("no_waiting")
def test_dead_api_ends_the_pull_early(pull: Callable[..., Pulled]) -> None:
    fault = Fault(".", "status", status=503)
    with pytest.raises(TemporaryError, match="JumpCloud failed with status 503"):
        pull(generate(sizes=SMALL), Behavior(faults=[fault]))
    assert fault.fired <= MAX_TRIES * 10  # the lists that are asked for first


def test_missing_list_of_existing_group_fails(
    pull: Callable[..., Pulled],
) -> None:
    fault = Fault("systemgroups/.*/users", "not_found")
    with pytest.raises(NotFoundError, match="/users: not found"):
        pull(generate(sizes=SMALL), Behavior(faults=[fault]))


@pytest.mark.parametrize("parents", ["systemgroups", "applications"])
def test_missing_parents_that_are_listed_fail(parents: str, pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    behavior = Behavior(faults=[Fault(f"{parents}/", "not_found")])
    with pytest.raises(IncompleteError, match=f"not found, .* which {parents} still has"):
        pull(organization, behavior)
    # The next attempt reads them, although it resumes the other lists.
    pulled, expected = pull(organization), expected_tables(organization)
    for name in pulled.tables:
        assert pulled.rows(name) == expected[name]


@pytest.mark.parametrize("key", ["jca_of_another_region", "x"])
def test_unknown_key_is_unauthorized(
    key: str,
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    monkeypatch: pytest.MonkeyPatch,
    state: Path,
) -> None:
    server = serve(generate(sizes=SMALL))
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(UnauthorizedError, match="check the key and the region") as caught:
        pull_organization(integration(server), state)
    assert key not in str(caught.value).replace("/api/v2", "").replace("expired", "")


def test_invisible_organization_is_not_found(pull: Callable[..., Pulled]) -> None:
    with pytest.raises(NotFoundError, match="is org_id 64b0c0de00000000000000ff"):
        pull(generate(sizes=SMALL), org_id="64b0c0de00000000000000ff")


def test_visible_organization_is_read(pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    pulled = pull(organization, org_id=organization.id)
    assert pulled.rows("systems") == expected_tables(organization)["systems"]


@pytest.mark.usefixtures("no_waiting")
def test_refused_connection_is_retried_then_reported(
    monkeypatch: pytest.MonkeyPatch, state: Path
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "jca_key")
    told: list[str] = []
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refuses every connection
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        acme = Integration(name="acme", base_url=url, api_key_env=KEY_VARIABLE)
        with pytest.raises(TemporaryError, match="cannot be reached; check the network") as caught:
            pull_organization(acme, state, on_retry=told.append)
    # Here no wait comes before the next try; those after it are named as they would be.
    for number, seconds in ((2, 122), (3, 120), (7, 60), (8, 0)):
        again = f"; trying again (try {number} of {MAX_TRIES}, the last in about {seconds} s)"
        assert [line for line in told if line.endswith(again)], told
    assert "jca_key" not in repr(caught.value)
    # The library's error holds the request, and so the key: it must not travel along.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
