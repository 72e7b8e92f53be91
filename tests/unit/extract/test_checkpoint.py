"""An interrupted pull is resumed from its checkpoint."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.extract.pull import Pull, make_checkpoint, pull_organization, remove_checkpoint
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.jumpcloud.errors import ForbiddenError, MalformedError
from pipelines.simulator import Behavior, Fault, Organization, Server, Sizes, generate
from tests.support.cli import KEY_VARIABLE

SMALL = Sizes(systems=250, users=20, system_groups=8, user_groups=3, applications=3)


@pytest.fixture
def organization() -> Organization:
    organization = generate(sizes=SMALL)
    organization.update(next(iter(organization.systems)), fde="on")
    return organization


@pytest.fixture
def interrupted(
    organization: Organization,
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    state: Path,
    request: pytest.FixtureRequest,
) -> tuple[Server, Integration]:
    """A server, and an integration with a first pull that failed half way."""
    failing: str = getattr(request, "param", "/systemgroups/.*/users")
    fault = Fault(failing, "deep_json", every=5)
    server = serve(organization, Behavior(faults=[fault]))
    acme: Integration = integration(server)
    with pytest.raises(MalformedError):
        pull_organization(acme, state)
    server.behavior.faults.clear()
    return server, acme


def pull_again(acme: Integration, folder: Path) -> Pull:
    return pull_organization(acme, folder / "fresh")


def rows(result: Pull) -> dict[str, list[str]]:
    return {name: sorted(map(str, table.to_pylist())) for name, table in result.tables.items()}


def requests_sent(server: Server) -> set[tuple[str, str]]:
    """Return path and targets of every call."""
    queries = [(call.path, parse_qs(call.query)) for call in server.calls]
    return {(path, ",".join(query.get("targets", []))) for path, query in queries}


@pytest.mark.parametrize(
    ("interrupted", "half_read"),
    [
        ("/systemgroups/.*/users", "systemgroups_users"),
        ("/users/.*/associations", "users_associations"),
    ],
    indirect=["interrupted"],
)
def test_finished_lists_are_not_read_again(
    interrupted: tuple[Server, Integration], half_read: str, state: Path
) -> None:
    server, acme = interrupted
    saved = make_checkpoint(acme, load_credentials(acme), state).load()
    assert any(list_id.endpoint == half_read for list_id in saved)
    finished = {
        (path.format(id=list_id.parent_id), list_id.target)
        for list_id in saved
        for path in (ENDPOINTS[list_id.endpoint].path, ENDPOINTS[list_id.endpoint].search_path)
    }
    assert len(finished) > 3
    server.reset_calls()
    resumed = pull_organization(acme, state)
    assert not finished & requests_sent(server)
    whole = pull_again(acme, state)
    assert rows(resumed) == rows(whole)
    assert resumed.counts.calls < whole.counts.calls
    assert resumed.completeness.num_rows == whole.completeness.num_rows


def test_resumed_pull_without_missing_lists_sends_nothing(
    interrupted: tuple[Server, Integration], state: Path
) -> None:
    server, acme = interrupted
    first = pull_organization(acme, state)
    server.reset_calls()
    second = pull_organization(acme, state)
    # Each attempt checks the organization and the joined targets again.
    requested = {call.path.rsplit("/")[-1] for call in server.calls}
    assert requested <= {"associations", "organizations"}
    assert rows(second) == rows(first)
    assert second.lost_values == first.lost_values == {"systems": {"fde": 1}}
    assert second.started_at == first.started_at


def test_other_settings_ignore_the_checkpoint(
    interrupted: tuple[Server, Integration], state: Path
) -> None:
    server, acme = interrupted
    server.reset_calls()
    other = acme.model_copy(update={"association_targets": ("user",)})
    result = pull_organization(other, state)
    assert result.counts.calls == pull_again(other, state).counts.calls


def test_another_key_ignores_the_checkpoint(
    interrupted: tuple[Server, Integration],
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    state: Path,
) -> None:
    assert interrupted
    other = generate(2, SMALL)
    result = pull_organization(integration(serve(other)), state)
    assert set(result.tables["systems"]["_id"].to_pylist()) == set(other.systems)


def test_expired_lists_are_read_again(
    interrupted: tuple[Server, Integration], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, acme = interrupted
    monkeypatch.setattr("pipelines.extract.checkpoint.MAX_AGE", timedelta(0))
    assert pull_organization(acme, state).counts.calls == pull_again(acme, state).counts.calls


def test_lists_in_a_truncated_file_are_read_again(
    interrupted: tuple[Server, Integration], state: Path
) -> None:
    _, acme = interrupted
    for path in state.rglob("*.arrow"):
        path.write_bytes(path.read_bytes()[:-20])
    assert rows(pull_organization(acme, state)) == rows(pull_again(acme, state))


def test_checkpoint_contains_no_secret(
    interrupted: tuple[Server, Integration], organization: Organization, state: Path
) -> None:
    assert interrupted
    files = [path.read_bytes() for path in state.rglob("*") if path.is_file()]
    assert len(files) > 3
    secrets = {*organization.secrets(), organization.api_key}
    assert not [secret for secret in secrets if secret.encode() in b"".join(files)]


def test_refusal_removes_the_checkpoint(
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


def test_checkpoint_is_removed_without_credentials(
    interrupted: tuple[Server, Integration], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, acme = interrupted
    other = state / "spool" / "other"
    other.mkdir()
    monkeypatch.delenv(KEY_VARIABLE)
    remove_checkpoint(state, acme.name)
    remove_checkpoint(state, acme.name)
    assert list((state / "spool").iterdir()) == [other]
