"""Alerts on failures of `run`, one for each failed integration."""

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from pipelines.history.store import SnapshotStore
from pipelines.simulator import Server, Sizes, generate
from pipelines.storage.locks import is_held
from tests.support import DATA
from tests.support.cli import Installation
from tests.support.webhook import Webhook, served_webhook

PATH = "/services/T0/B0/s3cr3t-of-the-webhook"
SMALL = Sizes(systems=3, users=2, system_groups=1, user_groups=1, applications=1)
WRONG = "jca_not_the_key_of_anybody"
# Kills the process of a run, as the kernel does when memory runs out.
KILLS_ITSELF = """
import os, signal, sys
if sys.orig_argv[3:4] == ["run"] and sys.orig_argv[-1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""
# Raises an unexpected error in the process of a run.
SURPRISES = """
import sys
if sys.orig_argv[3:4] == ["run"] and sys.orig_argv[-1] == "odd":
    import assets_defs.cli.commands.run
    def surprise(*given, **named):
        raise ZeroDivisionError("s3cr3t-of-a-surprise")
    assets_defs.cli.commands.run._refresh = surprise
"""

# Ends it as Ctrl-C does.
INTERRUPTS = """
import sys
if sys.orig_argv[3:4] == ["run"] and sys.orig_argv[-1] == "stopped":
    import assets_defs.cli.commands.run
    result = assets_defs.cli.commands.run.RunResult("id", "interrupted", True, False)
    assets_defs.cli.commands.run._refresh = lambda *given, **named: result
"""


@pytest.fixture
def webhook(installation: Installation) -> Iterator[Webhook]:
    with served_webhook(PATH) as hook:
        installation.environment |= {"ALERTS": hook.url, "NO_PROXY": "127.0.0.1"}
        yield hook


def set_webhook(installation: Installation) -> None:
    settings = installation.folder / "integrations.toml"
    settings.write_text('alert_webhook_env = "ALERTS"\n' + settings.read_text())


def test_failed_run_sends_alert_and_keeps_exit_code(
    installation: Installation, serve: Callable[..., Server], webhook: Webhook
) -> None:
    installation.set_integrations(acme=serve(generate(sizes=SMALL)))
    silent = installation.run("run", ACME_KEY=WRONG)
    assert (silent.returncode, "alert" in silent.stderr, webhook.posts) == (1, False, [])

    set_webhook(installation)
    history = installation.data / "history"
    shutil.copytree(DATA / "first_version" / "history", history, dirs_exist_ok=True)
    head = SnapshotStore(history).head("acme")
    webhook.statuses = [200, 404]
    done = installation.run("run", ACME_KEY=WRONG)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "acme: nothing was published; what was published before stays",
        "acme: alert sent",
    ]
    (post,) = webhook.posts
    assert (post["integration"], post["event"]) == ("acme", "failed")
    assert "refused the API key (401)" in post["cause"]
    assert "jumpcloud-inventory run acme" in post["remedy"]
    assert post["run_id"]
    assert post["head_sha256"] == head
    assert post["text"].endswith(f"Head of its history: {head}")

    # The key is read before a run starts.
    keyless = installation.run("run")
    assert keyless.returncode == 2
    assert keyless.stderr.splitlines()[1:] == [
        "acme: alert not sent: the webhook of ALERTS answered 404"
    ]
    assert "environment variable ACME_KEY is not set" in webhook.posts[1]["cause"]
    assert not is_held(installation.data / "locks" / "acme")
    for output in (done.stderr, keyless.stderr, str(webhook.posts)):
        assert WRONG not in output
        assert "s3cr3t" not in output


def test_each_failed_or_killed_integration_alerts_once(
    installation: Installation, serve: Callable[..., Server], webhook: Webhook
) -> None:
    organization = generate(sizes=SMALL)
    server = serve(organization)
    installation.set_integrations(good=server, bad=server, killed=server)
    set_webhook(installation)
    (installation.folder / "sitecustomize.py").write_text(KILLS_ITSELF)
    done = installation.run(
        "run",
        GOOD_KEY=organization.api_key,
        BAD_KEY=WRONG,
        KILLED_KEY=organization.api_key,
        PYTHONPATH=str(installation.folder),
    )
    assert done.returncode == 1
    assert "1 of 3 integrations published" in done.stdout
    output = [line.partition("] ")[2] or line for line in done.stderr.splitlines()]
    assert "good: published" in output
    assert "killed: its process was killed" in output
    assert sorted(line for line in output if "alert" in line) == [
        "bad: alert sent",
        "killed: alert sent",
    ]
    causes = {post["integration"]: post["cause"] for post in webhook.posts}
    assert causes.keys() == {"bad", "killed"}
    assert len(webhook.posts) == 2
    assert "(401)" in causes["bad"]
    assert causes["killed"] == "its process was killed"


def run_with_good(
    installation: Installation, serve: Callable[..., Server], name: str, startup: str
) -> "subprocess.CompletedProcess[str]":
    """Run an integration next to a good one, with code that each process runs at its start."""
    organization = generate(sizes=SMALL)
    server = serve(organization)
    installation.set_integrations(**{"good": server, name: server})
    set_webhook(installation)
    (installation.folder / "sitecustomize.py").write_text(startup)
    keys = {f"{one.upper()}_KEY": organization.api_key for one in ("good", name)}
    done = installation.run("run", **keys, PYTHONPATH=str(installation.folder))
    assert done.returncode == 1
    assert "1 of 2 integrations published" in done.stdout
    return done


def test_unexpected_error_is_not_reported_as_killed(
    installation: Installation, serve: Callable[..., Server], webhook: Webhook
) -> None:
    done = run_with_good(installation, serve, "odd", SURPRISES)
    (post,) = webhook.posts
    assert post["integration"] == "odd"
    assert post["cause"].startswith("its process ended unexpectedly")
    assert post["cause"] in done.stderr
    for said in (done.stderr, str(webhook.posts)):
        assert "killed" not in said
        assert "s3cr3t" not in said


def test_interrupted_run_is_reported_and_not_alerted(
    installation: Installation, serve: Callable[..., Server], webhook: Webhook
) -> None:
    done = run_with_good(installation, serve, "stopped", INTERRUPTS)
    messages = [line.partition("stopped: ")[2] for line in done.stderr.splitlines()]
    assert [message for message in messages if message] == [
        "interrupted",
        "nothing was published; what was published before stays",
    ]
    assert webhook.posts == []
