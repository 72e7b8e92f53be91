"""The progress of a pull, with and without a terminal."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Behavior, Fault, Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.cli import KEY_VARIABLE

# `jumpcloud-inventory run`, with a progress line for each list.
RUN = """
from assets_defs.assets import raw_tables
from assets_defs.cli.main import main
raw_tables.PROGRESS_SECONDS = 0
main(["run"])
"""
COMMAND = (sys.executable, "-c", RUN)
SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
BAR = "━"
PROGRESS = r"\d+ of \d+ lists, \d+ calls, \d+ calls/s, 0 throttled, about \d:\d\d:\d\d left"


@pytest.fixture
def environment(
    fast_tmp_path: Path, serve: Callable[..., Server], integration: Callable[..., Integration]
) -> dict[str, str]:
    """Return the environment of a user with a simulated organization; one call fails once."""
    server = serve(generate(sizes=SMALL), Behavior(faults=[Fault("/members", "reset", times=1)]))
    settings = fast_tmp_path / "integrations.toml"
    settings.write_text(
        f'[[integration]]\nname = "acme"\nbase_url = "{server.base_url}"\n'
        f'api_key_env = "{KEY_VARIABLE}"\n'
    )
    data = fast_tmp_path / "data"
    key = load_credentials(integration(server)).identity
    Workspace(data).saved_rates.put(key, MAX_SAVED_RATE)
    return {
        "PATH": os.environ["PATH"],
        "TERM": "xterm",
        "FORCE_COLOR": "1",
        "COLUMNS": "100",
        KEY_VARIABLE: os.environ[KEY_VARIABLE],
        "JUMPCLOUD_INVENTORY_CONFIG": str(settings),
        "JUMPCLOUD_INVENTORY_HOME": str(data),
    }


def run_on_terminal(environment: dict[str, str]) -> tuple[int, str]:
    """Run the command on a terminal; return its exit code and output."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(COMMAND, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        sent = b""
        # Reading a terminal that was closed is an error on Linux, but not on macOS.
        try:
            while more := os.read(ours, 65536):
                sent += more
        except OSError:
            pass
        os.close(ours)
        return process.wait(), sent.decode()


def test_terminal_shows_progress_bar_and_keeps_only_lines(environment: dict[str, str]) -> None:
    code, sent = run_on_terminal(environment)
    assert code == 0, sent
    shown = ESCAPES.sub("", sent)
    assert re.search(rf"pulling {BAR}.* \d+/\d+ lists, \d+ calls/s, 0 throttled, time left", shown)
    # The last bar is erased and the cursor restored before the first line about a table.
    bars, _, after = sent.rpartition(BAR)
    assert bars
    after, _, lines = after.partition("\x1b[?25h")
    assert "jumpcloud/systems " not in after
    assert "\x1b[2K" in lines
    assert re.search(r"jumpcloud/systems +30\r\n", lines)
    # Messages are printed above the bar; the progress itself is only in the bar.
    assert re.search(r"plan: 6 groups: about \d+ calls", shown)
    assert "trying again" in shown
    assert not re.search(r"\d+ of \d+ lists", shown)


def test_output_without_terminal_has_plain_lines(environment: dict[str, str]) -> None:
    done = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr
    assert BAR not in done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "acme: pulling"
    assert [line for line in lines if line.startswith("plan: 6 groups")]
    assert [line for line in lines if "trying again" in line]
    assert [line for line in lines if re.fullmatch(PROGRESS, line)]
    assert [line for line in lines if re.fullmatch(r"  jumpcloud/systems +30", line)]
