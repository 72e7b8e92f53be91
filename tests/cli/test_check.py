"""The connection test: what it says is what a run then meets, and it only reads."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets_defs.cli.main import main
from pipelines.config.credentials import load_credentials
from pipelines.config.integration import ALL_TARGETS, AssociationTarget, Integration
from pipelines.extract.connection_check import check_connection, missing_without
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.jumpcloud.errors import ExtractError
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Behavior, Fault, Organization, Provider, Server, Sizes, generate
from tests.support.cli import KEY_VARIABLE
from tests.support.publisher import Pulled

pytestmark = pytest.mark.usefixtures("no_waiting")
SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
# As the simulator names them when it denies them.
COLLECTIONS = {name: name.replace("_", "/") for name in ENDPOINTS}


@pytest.fixture
def quick(
    serve: Callable[..., Server], integration: Callable[..., Integration]
) -> Callable[..., tuple[Server, Integration]]:
    """An integration whose API was found to be fast before."""

    def make(
        holder: Organization | Provider, behavior: Behavior | None = None, **settings: object
    ) -> tuple[Server, Integration]:
        server = serve(holder, behavior)
        acme = integration(server, **settings)
        get_rate_limiter(load_credentials(acme).identity, MAX_SAVED_RATE, None)
        return server, acme

    return make


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Result]:
    """Run the command on a settings file with these entries."""

    def run(*entries: str, names: tuple[str, ...] = ()) -> Result:
        path = tmp_path / "integrations.toml"
        path.write_text("\n".join(f"[[integration]]\n{entry}\n" for entry in entries))
        return CliRunner().invoke(main, ["check", "--config", str(path), *names])

    return run


def entry(server: Server, name: str = "acme", key: str = KEY_VARIABLE, more: str = "") -> str:
    return f'name = "{name}"\nbase_url = "{server.base_url}"\napi_key_env = "{key}"\n{more}'


def words(result: Result) -> str:
    return " ".join(result.output.split())


def test_a_sound_connection_is_described_with_one_read_of_each_kind_of_list(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    organization = generate(sizes=SMALL)
    server = serve(organization)
    done = check(entry(server))
    assert done.exit_code == 0, done.output
    said = words(done)
    assert f"organization: {organization.name} ({organization.id})" in said
    assert server.base_url in said
    assert "plan: 6 groups: about 50 calls" in said
    assert "│ systems │ readable │ 30 │" in said
    assert "no read can tell" in said
    assert "acme: a run would work" in said
    assert len(server.calls) == len(ENDPOINTS) - 1 + len(ALL_TARGETS)
    assert {call.method for call in server.calls} == {"GET"}
    assert server.calls_by_path()["/api/v2/systemgroups/{id}/members"] == 1
    assert not [secret for secret in organization.secrets() if secret in done.output]


def test_the_plan_is_that_of_the_run(
    quick: Callable[..., tuple[Server, Integration]], pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=Sizes(systems=250, users=120, system_groups=8, applications=3))
    for settings in ({}, {"details": False}, {"skip_endpoints": ["applications"]}):
        plan = check_connection(quick(organization, **settings)[1]).plan
        assert plan == pull(organization, **settings).pull.plan


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_it_works_where_a_run_works(
    endpoint: str,
    quick: Callable[..., tuple[Server, Integration]],
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SMALL)
    denied = Behavior(denied={COLLECTIONS[endpoint]})
    for settings in ({}, {"details": False}, {"skip_endpoints": ["applications"]}):
        test = check_connection(quick(organization, denied, **settings)[1])
        states = {reach.endpoint: reach.state for reach in test.reaches}
        if test.works:
            assert states[endpoint] == "left out"
            pull(organization, denied, **settings)
        else:
            assert states[endpoint] == "refused"
            with pytest.raises(ExtractError):
                pull(organization, denied, **settings)


def test_lists_without_totals_are_refused_as_by_a_run(
    quick: Callable[..., tuple[Server, Integration]], pull: Callable[..., Pulled]
) -> None:
    organization, silent = generate(sizes=SMALL), Behavior(totals=False)
    test = check_connection(quick(organization, silent)[1])
    states = {reach.endpoint: reach.state for reach in test.reaches}
    assert [name for name, state in states.items() if state != "readable"] == [
        "systemgroups_members"
    ]
    assert not test.works
    with pytest.raises(ExtractError) as refused:
        pull(organization, silent)
    (why,) = (reach.why for reach in test.reaches if reach.why)
    assert "announces no total" in why
    assert "announces no total" in str(refused.value)


@pytest.mark.parametrize("target", ALL_TARGETS)
def test_one_kind_of_target_that_is_refused_is_found(
    target: AssociationTarget,
    quick: Callable[..., tuple[Server, Integration]],
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SMALL)
    denied = Behavior(faults=[Fault(f"associations.*targets={target}(&|$)", "forbidden")])
    test = check_connection(quick(organization, denied)[1])
    assert not test.works
    (refused,) = (reach for reach in test.reaches if reach.state != "readable")
    assert (refused.endpoint, refused.state) == ("systemgroups_associations", "refused")
    with pytest.raises(ExtractError):
        pull(organization, denied)


def test_what_a_refused_endpoint_would_have_told_is_named(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    organization = generate(sizes=SMALL)
    server = serve(organization, Behavior(denied={"applications"}))
    done = check(entry(server))
    assert done.exit_code == 1
    said = words(done)
    assert "applications: " in said
    assert "403" in said
    assert "scope applications.readonly" in said
    assert "unless skip_endpoints names it; then not told" in said
    for name in ("application_users", "systems.application_count", "users.application_count"):
        assert name in said
    assert "acme: a run would fail" in said
    done = check(entry(server, more='skip_endpoints = ["applications"]'))
    assert done.exit_code == 0
    assert "left out by the settings, so not told: " in words(done)


def test_every_table_is_missing_without_an_endpoint() -> None:
    assert missing_without("organizations") == [
        "integrations.organization_id",
        "integrations.organization_name",
    ]
    assert missing_without("systems") == ["systems", "ipv4_addresses", "system_ipv4_addresses"]
    assert "system_groups" in missing_without("systemgroups")
    assert "system_group_members" in missing_without("systemgroups")


def test_a_refused_key_is_asked_about_once_and_never_shown(
    serve: Callable[..., Server], check: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A key of another region is an unknown key here.
    server = serve(generate(sizes=SMALL))
    other = generate(2, SMALL)
    monkeypatch.setenv("OTHER_KEY", other.api_key)
    done = check(entry(server, key="OTHER_KEY"))
    assert done.exit_code == 1
    assert "unknown, expired, or belongs to another region; check the key" in words(done)
    assert other.api_key not in done.output
    assert len(server.calls) == 1


def test_a_refused_service_account_is_named_by_its_variables(
    serve: Callable[..., Server], check: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(generate(sizes=SMALL))
    monkeypatch.setenv("ACME_ID", "someone")
    monkeypatch.setenv("ACME_SECRET", "simsecret-wrong")
    done = check(
        f'name = "acme"\nbase_url = "{server.base_url}"\n'
        'client_id_env = "ACME_ID"\nclient_secret_env = "ACME_SECRET"'
    )
    assert done.exit_code == 1
    assert "check ACME_ID and ACME_SECRET, and the region" in words(done)
    assert "simsecret-wrong" not in done.output


def test_a_host_that_is_down_ends_it_soon(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    server = serve(generate(sizes=SMALL), Behavior(faults=[Fault("", "reset")]))
    done = check(entry(server))
    assert done.exit_code == 1
    assert "cannot be reached; check the network, region and proxy" in words(done)
    assert len(server.calls) == 2


def test_a_proxy_that_refuses_is_named(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    # Asked to tunnel, it answers as one that does not.
    proxy = serve(generate(sizes=SMALL))
    done = check(
        f'name = "acme"\nscope = "on_premise"\nproxy = "{proxy.base_url}"\n'
        f'api_key_env = "{KEY_VARIABLE}"'
    )
    assert done.exit_code == 1
    assert "the proxy refuses or cannot be reached; check `proxy`" in words(done)


def test_a_failure_that_passes_is_none_and_one_endpoint_that_fails_leaves_the_others(
    quick: Callable[..., tuple[Server, Integration]],
) -> None:
    faults = [Fault("/systemgroups$", "status", times=1), Fault("/systemusers", "status")]
    _, acme = quick(generate(sizes=SMALL), Behavior(faults=faults))
    test = check_connection(acme)
    failed = {reach.endpoint: reach.why for reach in test.reaches if reach.state != "readable"}
    assert list(failed) == ["systemusers"]
    assert "failed with status 503" in failed["systemusers"]
    assert not test.works


def test_a_group_that_was_deleted_meanwhile_is_no_failure(
    quick: Callable[..., tuple[Server, Integration]],
) -> None:
    organization = generate(sizes=Sizes(systems=3, users=3, system_groups=1, applications=0))
    organization.vanished.update(organization.system_groups)
    test = check_connection(quick(organization)[1])
    states = {reach.endpoint: reach.state for reach in test.reaches}
    assert states["systemgroups_members"] == "nothing to ask"
    assert states["applications_users"] == "nothing to ask"
    assert test.works


def test_a_key_of_several_organizations_needs_to_be_told_which(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    organizations = [generate(seed, SMALL) for seed in (1, 2)]
    server = serve(Provider(*organizations))
    done = check(entry(server))
    assert done.exit_code == 1
    assert "the key sees 2 organizations; set org_id to one of: " in words(done)
    done = check(entry(server, more=f'org_id = "{organizations[1].id}"'))
    assert done.exit_code == 0
    assert "warning: the key reads 2 organizations, not only this one" in words(done)
    server.behavior.default_organization = True
    done = check(entry(server, more=f'org_id = "{organizations[1].id}"'))
    assert done.exit_code == 1
    assert f"of the organization {organizations[0].id} came instead of org_id" in words(done)


def test_a_key_that_is_not_set_stops_no_other_check(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    server = serve(generate(sizes=SMALL))
    off = entry(server, "off", more="enabled = false")
    done = check(entry(server, "one", key="NOT_SET_KEY"), entry(server, "two"), off)
    assert done.exit_code == 2
    assert "environment variable NOT_SET_KEY is not set" in words(done)
    assert "two: a run would work" in words(done)
    assert "off:" not in words(done)
    done = check(off, names=("off",))
    assert done.exit_code == 0
    done = check(off, names=("of",))
    assert done.exit_code == 2
    assert "no integration is named 'of'" in words(done)
