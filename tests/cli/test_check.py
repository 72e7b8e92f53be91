"""The command `check`, which predicts the result of a run and sends only reads."""

import json
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets_defs.cli.main import main
from pipelines.config.integration import ALL_TARGETS
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.simulator import Behavior, Fault, Provider, Server, Sizes, generate
from tests.support.cli import KEY_VARIABLE, SERVICE_ACCOUNT
from tests.support.raw_server import JSON, raw_server

pytestmark = pytest.mark.usefixtures("no_waiting")
SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
# Much less than the timeout of a read.
SIGNAL_SECONDS = 5
# The names under which the simulator denies endpoints.
COLLECTIONS = {name: name.replace("_", "/") for name in ENDPOINTS}


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Result]:
    """Return a function that runs `check` on a settings file with the given entries."""

    def run(*entries: str, names: tuple[str, ...] = ()) -> Result:
        path = tmp_path / "integrations.toml"
        path.write_text("\n".join(f"[[integration]]\n{entry}\n" for entry in entries))
        return CliRunner().invoke(main, ["check", "--config", str(path), *names])

    return run


def entry(server: Server, name: str = "acme", key: str = KEY_VARIABLE, more: str = "") -> str:
    return f'name = "{name}"\nbase_url = "{server.base_url}"\napi_key_env = "{key}"\n{more}'


def output(result: Result) -> str:
    return " ".join(result.output.split())


def test_check_reads_each_endpoint_once(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    organization = generate(sizes=SMALL)
    server = serve(organization)
    done = check(entry(server))
    assert done.exit_code == 0, done.output
    shown = output(done)
    assert f"organization: {organization.name} ({organization.id})" in shown
    assert server.base_url in shown
    assert "plan: 6 groups: about 87 calls, 23 of them for bindings" in shown
    assert "│ systems │ readable │ 30 │" in shown
    assert "no read can show" in shown
    assert "acme: a run would work" in shown
    assert "calls/s" not in shown  # the rate is not known before the first run
    # One of the two lists of users' direct bindings is not asked.
    assert len(server.calls) == len(ENDPOINTS) - 2 + len(ALL_TARGETS)
    assert {call.method for call in server.calls} == {"GET"}
    assert server.calls_by_path()["/api/v2/systemgroups/{id}/members"] == 1
    assert not [secret for secret in organization.secrets() if secret in done.output]


def test_refused_endpoint_lists_unknown_columns(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    organization = generate(sizes=SMALL)
    server = serve(organization, Behavior(denied={"applications"}))
    done = check(entry(server))
    assert done.exit_code == 1
    shown = output(done)
    assert "applications: " in shown
    assert "403" in shown
    assert "scope applications.readonly" in shown
    assert "unless skip_endpoints names it; then missing: " in shown
    for name in ("application_users", "systems.application_count", "users.application_count"):
        assert name in shown
    assert "acme: a run would fail" in shown
    done = check(entry(server, more='skip_endpoints = ["applications"]'))
    assert done.exit_code == 0
    assert "left out by the settings, so missing: " in output(done)


def test_refused_key_costs_two_calls_and_is_never_shown(
    serve: Callable[..., Server], check: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A key of another region is unknown to this server.
    server = serve(generate(sizes=SMALL))
    other = generate(2, SMALL)
    monkeypatch.setenv("OTHER_KEY", other.api_key)
    done = check(entry(server, key="OTHER_KEY"))
    assert done.exit_code == 1
    assert "unknown, expired, or belongs to another region; check the key" in output(done)
    assert other.api_key not in done.output
    assert len(server.calls) == 2


def test_refused_service_account_is_named_by_its_variables(
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
    assert "check ACME_ID and ACME_SECRET, and the region" in output(done)
    assert "simsecret-wrong" not in done.output


def test_service_account_shows_its_scopes_and_its_end(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    organization = generate(sizes=SMALL)
    account = organization.account
    server = serve(organization)
    own = f'name = "acme"\nbase_url = "{server.base_url}"\n' + "".join(
        f'{name} = "{value}"\n' for name, value in SERVICE_ACCOUNT.items()
    )
    done = check(own)
    assert done.exit_code == 0, done.output
    shown = output(done)
    assert "service account: inventory, role Inventory reader" in shown
    assert "the secret ends on 2099-01-31, in " in shown
    assert "the scopes of the role can only read" in shown
    assert "warning" not in shown
    assert not [secret for secret in organization.secrets() if secret in done.output]

    account.scopes -= {"associations.groups.readonly"}
    account.scopes |= {"systems"}
    account.secret_ends_at = (datetime.now(UTC) + timedelta(days=9.5)).isoformat()
    shown = output(check(own))
    assert "service account the scope associations.groups.readonly" in shown
    assert "does not have the scope associations.groups.readonly, for systemgroups_asso" in shown
    assert "warning: the role may write: systems; use scopes that end in .readonly" in shown
    assert ", in 9 days; create a new one" in shown
    (document,) = json.loads(check(own, names=("--json",)).output)
    assert document["permissions"]["write_scopes"] == ["systems"]
    account.secret_ends_at = "2020-02-03T00:00:00Z"
    assert "warning: the secret ended on 2020-02-03; create" in output(check(own))


def test_hidden_permissions_do_not_fail_check(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    organization = generate(sizes=SMALL)
    organization.account.scopes -= {"serviceaccounts.readonly"}
    server = serve(organization)
    done = check(
        f'name = "acme"\nbase_url = "{server.base_url}"\n'
        + "".join(f'{name} = "{value}"\n' for name, value in SERVICE_ACCOUNT.items())
    )
    assert done.exit_code == 0
    assert "note: the scopes of the key are not known: " in output(done)
    assert "service account the scope serviceaccounts.readonly" in output(done)
    assert "no read can show" in output(done)


def test_unreachable_host_ends_check_after_two_calls(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    server = serve(generate(sizes=SMALL), Behavior(faults=[Fault("", "reset")]))
    done = check(entry(server))
    assert done.exit_code == 1
    assert "cannot be reached; check the network, region and proxy" in output(done)
    assert len(server.calls) == 2


def test_refusing_proxy_is_named(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    # This server does not support CONNECT, so it refuses to act as a proxy.
    proxy = serve(generate(sizes=SMALL))
    done = check(
        f'name = "acme"\nscope = "on_premise"\nproxy = "{proxy.base_url}"\n'
        f'api_key_env = "{KEY_VARIABLE}"'
    )
    assert done.exit_code == 1
    assert "the proxy refuses or cannot be reached; check `proxy`" in output(done)


def test_ctrl_c_ends_check_of_a_slow_server(
    check: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "jca_key")
    main_thread = threading.get_ident()
    with raw_server(JSON, drip=b"x-filler: 1\r\n") as server, ThreadPoolExecutor(1) as pool:

        def interrupt() -> None:
            server.dripping.wait()
            signal.pthread_kill(main_thread, signal.SIGINT)
            # Python misses a signal that comes just before the main thread begins to wait.
            while not server.disconnected.wait(SIGNAL_SECONDS):
                signal.pthread_kill(main_thread, signal.SIGINT)

        pool.submit(interrupt)
        url = f'name = "acme"\nbase_url = "{server.url}"\napi_key_env = "{KEY_VARIABLE}"'
        done = check(url)
        server.disconnected.wait()
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == "interrupted"


def test_key_of_several_organizations_needs_org_id(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    organizations = [generate(seed, SMALL) for seed in (1, 2)]
    server = serve(Provider(*organizations))
    done = check(entry(server))
    assert done.exit_code == 1
    assert "the key sees 2 organizations; set org_id to one of: " in output(done)
    done = check(entry(server, more=f'org_id = "{organizations[1].id}"'))
    assert done.exit_code == 0
    assert "warning: the key reads 2 organizations, not only this one" in output(done)
    server.behavior.default_organization = True
    done = check(entry(server, more=f'org_id = "{organizations[1].id}"'))
    assert done.exit_code == 1
    assert f"of the organization {organizations[0].id} came instead of org_id" in output(done)


def test_missing_key_does_not_stop_other_checks(
    serve: Callable[..., Server], check: Callable[..., Result]
) -> None:
    server = serve(generate(sizes=SMALL))
    off = entry(server, "off", more="enabled = false")
    same = entry(server, "same")
    done = check(entry(server, "one", key="NOT_SET_KEY"), entry(server, "two"), same, off)
    assert done.exit_code == 2
    assert "environment variable NOT_SET_KEY is not set" in output(done)
    assert "two: a run would work" in output(done)
    assert "warning: two, same pull the same organization" in output(done)
    assert "off:" not in output(done)
    done = check(off, names=("off",))
    assert done.exit_code == 0
    done = check(off, names=("of",))
    assert done.exit_code == 2
    assert "no integration is named 'of'" in output(done)
