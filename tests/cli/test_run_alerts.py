"""Alerts on failures of `run`, one for each failed integration."""

import shutil
import subprocess
import sys
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
# The command, where the name of an integration decides the end of its run: it is killed, as the
# kernel does when memory runs out, raises an unexpected error, or ends as Ctrl-C does.
SURPRISES = """
import os, signal
from assets_defs.cli.commands import run
from assets_defs.cli.main import main

refresh = run._refresh

def surprise(workspace, name, **options):
    if name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "odd":
        raise ZeroDivisionError("s3cr3t-of-a-surprise")
    if name == "stopped":
        return run.RunResult("id", "interrupted", True, False, False)
    return refresh(workspace, name, **options)

run._refresh = surprise
main(["run"])
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
    names = ("good", "bad", "killed", "odd", "stopped")
    installation.set_integrations(**dict.fromkeys(names, serve(organization)))
    set_webhook(installation)
    keys = {f"{name.upper()}_KEY": organization.api_key for name in names} | {"BAD_KEY": WRONG}
    done = subprocess.run(
        [sys.executable, "-c", SURPRISES],
        cwd=installation.folder,
        env=installation.environment | keys,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "1 of 5 integrations published" in done.stdout
    output = [line.partition("] ")[2] or line for line in done.stderr.splitlines()]
    assert "good: published" in output
    assert "killed: its process was killed" in output
    assert sorted(line for line in output if "alert" in line) == [
        "bad: alert sent",
        "killed: alert sent",
        "odd: alert sent",
    ]
    assert len(webhook.posts) == 3
    causes = {post["integration"]: post["cause"] for post in webhook.posts}
    assert "(401)" in causes["bad"]
    assert causes["killed"] == "its process was killed"
    # An unexpected error is not reported as killed.
    assert causes["odd"].startswith("its process ended unexpectedly")
    assert f"odd: {causes['odd']}" in output
    # An interrupted run is reported and not alerted.
    assert [line.partition("stopped: ")[2] for line in output if "stopped: " in line] == [
        "interrupted",
        "nothing was published; what was published before stays",
    ]
    for text in (done.stderr, str(webhook.posts)):
        assert "s3cr3t" not in text
