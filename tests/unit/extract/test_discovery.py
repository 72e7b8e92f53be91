"""One entry of the settings is expanded to all organizations of a service provider's key."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipelines.config.integration import Integration
from pipelines.config.settings import Settings, load_settings
from pipelines.errors import InventoryError, SettingsError
from pipelines.extract import discovery
from pipelines.extract.discovery import expand_settings, refresh_organizations, resolve_integration
from pipelines.extract.pull import pull_organization
from pipelines.jumpcloud.errors import WrongOrganizationError
from pipelines.jumpcloud.exchanges import EXCHANGE_SECONDS
from pipelines.simulator import Behavior, Fault, Organization, Provider, Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.cli import KEY_VARIABLE, Installation
from tests.support.raw_server import raw_server

SMALL = Sizes(systems=6, users=5, system_groups=2, user_groups=1, applications=1)


@pytest.fixture
def provider() -> Provider:
    return Provider(*(generate(seed, SMALL) for seed in (1, 2)))


@pytest.fixture
def entry(
    provider: Provider, serve: Callable[..., Server], integration: Callable[..., Integration]
) -> Callable[..., tuple[Server, Integration]]:
    def make(**settings: object) -> tuple[Server, Integration]:
        server = serve(provider, Behavior())
        given = {"name": "msp", "discover_organizations": True, "region": "eu"} | settings
        return server, integration(server, **given)

    return make


def names(entry: Integration, state: Path, *others: Integration) -> dict[str, str]:
    settings = Settings(integration=(*others, entry))
    return {found.name: found.description for found in expand_settings(settings, state).integration}


def test_names_stay_when_organizations_change(
    provider: Provider, entry: Callable[..., tuple[Server, Integration]], state: Path
) -> None:
    server, msp = entry(description="Our customers")
    assert names(msp, state) == {"msp": "Our customers"}
    assert server.calls == []
    assert refresh_organizations([msp], state) == []
    one, two = provider.organizations
    first, second = f"msp-{one.id}", f"msp-{two.id}"
    assert names(msp, state) == {first: one.name, second: two.name}

    one.name, two.name = "Renamed", None
    provider.organizations.append(generate(3, SMALL))
    refresh_organizations([msp], state)
    third = provider.organizations[-1]
    expected = {first: "Renamed", second: "Our customers", f"msp-{third.id}": third.name}
    assert names(msp, state) == expected

    provider.organizations.remove(one)
    refresh_organizations([msp], state)
    del expected[first]
    assert names(msp, state) == expected
    assert not [call for call in server.calls if "x-org-id" in call.headers]
    assert {call.path for call in server.calls} == {"/api/organizations"}


def test_unknown_integration_is_looked_up(
    provider: Provider,
    entry: Callable[..., tuple[Server, Integration]],
    tmp_path: Path,
) -> None:
    server, _ = entry()
    settings = tmp_path / "integrations.toml"
    settings.write_text(
        f'[[integration]]\nname = "msp"\nbase_url = "{server.base_url}"\n'
        f'api_key_env = "{KEY_VARIABLE}"\ndiscover_organizations = true\n'
    )
    workspace = Workspace(tmp_path / "worker", config=settings)
    for organization in provider.organizations:
        found = resolve_integration(workspace, f"msp-{organization.id}")
        assert found.org_id == organization.id
    assert len(server.calls) == 1
    with pytest.raises(SettingsError, match="msp-gone"):
        resolve_integration(workspace, "msp-gone")
    server.behavior.faults = [Fault("", "reset")]
    with pytest.raises(InventoryError, match="organizations of integration 'msp' could not be"):
        resolve_integration(workspace, "msp-gone")


def test_each_organization_has_the_settings_of_its_entry(
    provider: Provider, entry: Callable[..., tuple[Server, Integration]], state: Path
) -> None:
    _, msp = entry(details=False, enabled=False)
    refresh_organizations([msp], state)
    two = provider.organizations[1]
    found = expand_settings(Settings(integration=(msp,)), state).named(f"msp-{two.id}")
    assert (found.details, found.enabled, found.region, found.url) == (False, False, "eu", msp.url)
    assert found.org_id == two.id
    pulled = pull_organization(found, state).tables["systemgroups"]
    assert set(pulled["id"].to_pylist()) == set(two.system_groups)


def test_many_organizations_are_read_page_by_page(
    provider: Provider, entry: Callable[..., tuple[Server, Integration]], state: Path
) -> None:
    empty = Sizes(systems=0, users=0, system_groups=0, user_groups=0, applications=0)
    provider.organizations[:] = [generate(seed, empty) for seed in range(230)]
    server, msp = entry()
    refresh_organizations([msp], state)
    assert set(names(msp, state)) == {f"msp-{org.id}" for org in provider.organizations}
    assert len(server.calls) == 3


def test_cached_organizations_are_used_after_a_failure(
    provider: Provider, entry: Callable[..., tuple[Server, Integration]], state: Path
) -> None:
    server, msp = entry()
    refresh_organizations([msp], state)
    before = names(msp, state)
    for fault in ("reset", "forbidden", "html200"):
        server.behavior.faults = [Fault("", fault)]
        (failure,) = refresh_organizations([msp], state)
        assert "the organizations of integration 'msp' could not be looked up: " in failure
        assert names(msp, state) == before
    server.behavior.faults = []
    provider.organizations.clear()
    (failure,) = refresh_organizations([msp], state)
    assert "the key sees none" in failure
    assert names(msp, state) == before


def test_lookup_that_stalls_is_ended(
    entry: Callable[..., tuple[Server, Integration]],
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "MAX_SECONDS", 3.0)
    _, msp = entry()
    with raw_server(b"HTTP/1.1 200 OK\r\n", drip=b"a: b\r\n") as stalled:
        slow = msp.model_copy(update={"name": "slow", "base_url": stalled.url})
        (failure,) = refresh_organizations([slow, msp], state)
        assert stalled.disconnected.wait(EXCHANGE_SECONDS / 2)
    assert failure == (
        "the organizations of integration 'slow' could not be looked up: no answer in 3 s"
    )
    assert len(names(msp, state)) == 2


def test_failure_of_one_entry_does_not_affect_others(
    provider: Provider, entry: Callable[..., tuple[Server, Integration]], state: Path
) -> None:
    _, msp = entry()
    keyless = msp.model_copy(update={"name": "keyless", "api_key_env": "NOT_SET_KEY"})
    (failure,) = refresh_organizations([keyless, msp], state)
    assert "'keyless'" in failure
    assert "NOT_SET_KEY is not set" in failure
    assert set(names(msp, state, keyless)) == {
        "keyless",
        *(f"msp-{org.id}" for org in provider.organizations),
    }
    with pytest.raises(WrongOrganizationError, match="organizations are not known yet"):
        pull_organization(msp, state)


def test_written_entry_takes_precedence_over_discovered_one(
    provider: Provider, entry: Callable[..., tuple[Server, Integration]], state: Path
) -> None:
    _, msp = entry()
    refresh_organizations([msp], state)
    one, two = provider.organizations
    own = Integration(name=f"msp-{one.id}", description="special", org_id=one.id)
    assert names(msp, state, own) == {own.name: "special", f"msp-{two.id}": two.name}


def test_invalid_cache_is_ignored(
    entry: Callable[..., tuple[Server, Integration]], state: Path
) -> None:
    _, msp = entry()
    refresh_organizations([msp], state)
    (path,) = (state / "organizations").iterdir()
    for text in ("[]", "{", json.dumps({"../../etc": "x"})):
        path.write_text(text)
        assert set(names(msp, state)) == {"msp"}


def test_discovery_excludes_org_id_and_long_names(tmp_path: Path) -> None:
    path = tmp_path / "integrations.toml"
    for more, message in (
        (f'name = "msp"\norg_id = "{"a" * 24}"', "exclude each other"),
        (f'name = "{"m" * 40}"', "at most 39 letters"),
    ):
        path.write_text(f"[[integration]]\ndiscover_organizations = true\n{more}\n")
        with pytest.raises(SettingsError, match=message):
            load_settings(path)


def test_run_and_check_look_up_organizations(
    provider: Provider, serve: Callable[..., Server], installation: Installation
) -> None:
    server = serve(provider)
    settings = installation.folder / "integrations.toml"
    settings.write_text(
        f'[[integration]]\nname = "msp"\ndiscover_organizations = true\n'
        f'base_url = "{server.base_url}"\napi_key_env = "{KEY_VARIABLE}"\n'
    )

    def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
        key = {KEY_VARIABLE: os.environ[KEY_VARIABLE]}
        where = ("--config", str(settings), "--data-dir", "data")
        return installation.run(*arguments, *where, **key)

    server.behavior.faults = [Fault("", "reset")]
    done = command("check")
    assert done.returncode == 1
    assert "could not be looked up" in done.stderr
    assert "msp: a run would fail" in done.stdout

    server.behavior.faults = []
    done = command("run")
    assert done.returncode == 0, done.stderr
    one, two = sorted(provider.organizations, key=lambda org: org.id)
    assert_published_apart(installation.file, one, two)

    done = command("check", "msp")
    assert done.returncode == 0, done.stderr
    for organization in (one, two):
        assert f"msp-{organization.id}: a run would work" in done.stdout
    done = command("check", f"msp-{two.id}")
    assert done.returncode == 0, done.stderr
    assert f"msp-{one.id}" not in done.stdout
    for path in (installation.data / "organizations").iterdir():
        assert provider.api_key not in path.read_text()


def assert_published_apart(file: Path, *organizations: Organization) -> None:
    """Check that each is published under its own name, with its own devices."""
    with duckdb.connect(file, read_only=True) as connection:
        published = connection.sql(
            "SELECT integration, description, organization_id FROM integrations ORDER BY 1"
        ).fetchall()
        systems = connection.sql("SELECT integration, system_id FROM systems WHERE resolved")
        assert set(systems.fetchall()) == {
            (f"msp-{org.id}", system) for org in organizations for system in org.systems
        }
    assert published == [(f"msp-{org.id}", org.name, org.id) for org in organizations]
