"""Many integrations in one file, some of them broken: who is published, and at what cost."""

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypedDict

from benchmarks.ours import COMMAND, one
from benchmarks.processes import run
from benchmarks.report import Goal, Report, mib
from pipelines.simulator import Behavior, Fault, Server, Sizes, generate

INTEGRATIONS = 50
AT_ONCE = 2
SIZES = Sizes(systems=40, users=20, system_groups=6, user_groups=3, applications=3)
BROKEN: dict[str, Behavior | None] = {
    "wrong-key": None,
    "forbidden": Behavior(faults=[Fault("/api/applications", "forbidden")]),
    "unprovable": Behavior(totals=False),
}
TIMEOUT_SECONDS = 1800
COLUMNS = ("integrations", "at once", "published", "explained", "seconds", "CPU seconds", "memory")


class LastRun(TypedDict):
    """What `status --json` says of a run."""

    result: str
    started_at: str
    seconds: float
    words: str


def measure(scratch: Path) -> Report:
    """Run all of them with one command."""
    names = [*BROKEN, *(f"org-{number}" for number in range(INTEGRATIONS - len(BROKEN)))]
    with ExitStack() as servers:
        entries, environment = [], {}
        for seed, name in enumerate(names):
            organization = generate(seed, SIZES)
            server = servers.enter_context(Server(organization, behavior=BROKEN.get(name)))
            variable = f"KEY_{seed}"
            environment[variable] = "jca_wrong" if name == "wrong-key" else organization.api_key
            entries.append(
                f'[[integration]]\nname = "{name}"\nbase_url = "{server.base_url}"\n'
                f'api_key_env = "{variable}"\n'
            )
        settings = scratch / "integrations.toml"
        settings.write_text(f"max_parallel_runs = {AT_ONCE}\n" + "\n".join(entries))
        options = ["--config", str(settings), "--data-dir", str(scratch / "data")]
        command = [str(COMMAND), "run", *options]
        usage = run(command, environment, scratch / "run.log", TIMEOUT_SECONDS, exit_code=1)
    runs = _last_runs(options, environment)
    published = one(scratch / "data" / "inventory.duckdb", "SELECT count(*) FROM integrations")
    explained = sum(bool(each["words"]) for each in runs if each["result"] == "failure")
    most = _most_at_once(runs)
    row = [
        str(len(names)),
        str(most),
        f"{published:.0f}",
        str(explained),
        f"{usage.seconds:.0f}",
        f"{usage.cpu_seconds:.0f}",
        mib(usage.peak_bytes),
    ]
    goals = [
        Goal("published", published, len(names) - len(BROKEN), at_least=True),
        Goal("broken ones explained", explained, len(BROKEN), at_least=True),
        Goal("runs at once", most, AT_ONCE),
    ]
    return Report(f"{len(names)} integrations, {len(BROKEN)} broken", COLUMNS, [row], goals)


def _last_runs(options: Sequence[str], environment: dict[str, str]) -> list[LastRun]:
    done = subprocess.run(
        [str(COMMAND), "status", "--json", *options],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [each["last_run"] for each in json.loads(done.stdout)]


def _most_at_once(runs: Sequence[LastRun]) -> int:
    """How many runs were under way at one time."""
    events = []
    for each in runs:
        started = datetime.fromisoformat(each["started_at"])
        # Times are whole seconds: a run that starts when another ends is not beside it.
        events += [(started, 1), (started + timedelta(seconds=each["seconds"] - 1), -1)]
    now = most = 0
    for _, step in sorted(events):
        now += step
        most = max(most, now)
    return most
