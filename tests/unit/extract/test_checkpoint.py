"""A pull that was cut off asks only for what is missing."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.extract.pull import Pull, make_checkpoint, pull_organization
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.jumpcloud.errors import ForbiddenError, MalformedError
from pipelines.simulator import Behavior, Fault, Organization, Server, Sizes, generate

SMALL = Sizes(systems=250, users=20, system_groups=8, user_groups=3, applications=3)


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=SMALL)


@pytest.fixture
def cut_off(
    organization: Organization,
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    state: Path,
) -> tuple[Server, Integration]:
    """A server on which a first pull ended half way."""
    fault = Fault("/systemgroups/.*/users", "deep_json", every=5)
    server = serve(organization, Behavior(faults=[fault]))
    acme: Integration = integration(server)
    with pytest.raises(MalformedError):
        pull_organization(acme, state)
    server.behavior.faults.clear()
    return server, acme


def fresh(acme: Integration, folder: Path) -> Pull:
    return pull_organization(acme, folder / "fresh")


def rows(result: Pull) -> dict[str, list[str]]:
    return {name: sorted(map(str, table.to_pylist())) for name, table in result.tables.items()}


def asked_for(server: Server) -> set[tuple[str, str]]:
    """Path and targets of every call."""
    queries = [(call.path, parse_qs(call.query)) for call in server.calls]
    return {(path, ",".join(query.get("targets", []))) for path, query in queries}


def test_what_was_read_is_not_asked_for_again(
    cut_off: tuple[Server, Integration], state: Path
) -> None:
    server, acme = cut_off
    finished = {
        (path.format(id=list_id.parent_id), list_id.target)
        for list_id in make_checkpoint(acme, load_credentials(acme), state).load()
        for path in (ENDPOINTS[list_id.endpoint].path, ENDPOINTS[list_id.endpoint].search_path)
    }
    assert len(finished) > 3
    server.reset_calls()
    resumed = pull_organization(acme, state)
    assert not finished & asked_for(server)
    whole = fresh(acme, state)
    assert rows(resumed) == rows(whole)
    assert resumed.counts.calls < whole.counts.calls
    assert resumed.completeness.num_rows == whole.completeness.num_rows


def test_a_second_resume_sends_nothing(cut_off: tuple[Server, Integration], state: Path) -> None:
    server, acme = cut_off
    first = pull_organization(acme, state)
    server.reset_calls()
    second = pull_organization(acme, state)
    # Only which organization answers, and whether targets may be joined, is asked anew.
    asked = {call.path.rsplit("/")[-1] for call in server.calls}
    assert asked <= {"associations", "organizations"}
    assert rows(second) == rows(first)
    assert second.started_at == first.started_at


def test_other_settings_start_anew(cut_off: tuple[Server, Integration], state: Path) -> None:
    server, acme = cut_off
    server.reset_calls()
    other = acme.model_copy(update={"association_targets": ("user",)})
    result = pull_organization(other, state)
    assert result.counts.calls == fresh(other, state).counts.calls


def test_another_key_starts_anew(
    cut_off: tuple[Server, Integration],
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    state: Path,
) -> None:
    assert cut_off
    other = generate(2, SMALL)
    result = pull_organization(integration(serve(other)), state)
    assert set(result.tables["systems"]["_id"].to_pylist()) == set(other.systems)


def test_old_lists_are_read_again(
    cut_off: tuple[Server, Integration], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, acme = cut_off
    monkeypatch.setattr("pipelines.extract.checkpoint.MAX_AGE", timedelta(0))
    assert pull_organization(acme, state).counts.calls == fresh(acme, state).counts.calls


def test_a_file_that_a_crash_cut_short_is_read_again(
    cut_off: tuple[Server, Integration], state: Path
) -> None:
    _, acme = cut_off
    for path in state.rglob("*.arrow"):
        path.write_bytes(path.read_bytes()[:-20])
    assert rows(pull_organization(acme, state)) == rows(fresh(acme, state))


def test_the_spool_holds_no_secret(
    cut_off: tuple[Server, Integration], organization: Organization, state: Path
) -> None:
    assert cut_off
    files = [path.read_bytes() for path in state.rglob("*") if path.is_file()]
    assert len(files) > 3
    secrets = {*organization.secrets(), organization.api_key}
    assert not [secret for secret in secrets if secret.encode() in b"".join(files)]


def test_what_was_read_before_a_refusal_is_not_taken_up_by_a_better_role(
    organization: Organization,
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    state: Path,
) -> None:
    fault = Fault("/systemgroups/.*/users", "forbidden", every=5)
    acme: Integration = integration(serve(organization, Behavior(faults=[fault])))
    with pytest.raises(ForbiddenError):
        pull_organization(acme, state)
    assert not make_checkpoint(acme, load_credentials(acme), state).load()
