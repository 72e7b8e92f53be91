"""The daemon of the UI with a queue, missed ticks, a backfill and alerts."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import requests
import tenacity
from dagster._core.definitions.run_request import InstigatorType

from assets_defs.partitions import NAME
from assets_defs.runs.foreground import TERMINAL_TAG
from assets_defs.runs.instance import open_home, prepare_instance
from assets_defs.runs.ticks import next_tick
from pipelines.config.schedule import Schedule
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Behavior, Server, Sizes, generate
from pipelines.storage.locks import is_held
from pipelines.workspace import Workspace
from tests.support.cli import Installation
from tests.support.missed_ticks import miss_ticks
from tests.support.ui import PATIENCE_SECONDS, served_ui
from tests.support.webhook import Webhook, served_webhook

TINY = Sizes(systems=3, users=2, system_groups=1, user_groups=1, applications=1)
SOUND = ("acme", "beta", "corp")
WRONG = "wrong"
AT_ONCE = 2
BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on PythonError { message }
  }
}"""
REEXECUTE = """
mutation ($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on PythonError { message }
  }
}"""
NODES = "{ assetNodes { assetKey { path } isMaterializable } }"


@dataclass
class Ui:
    """A running UI. The organizations respond once they are released."""

    installation: Installation
    instance: dg.DagsterInstance
    address: str
    webhook: Webhook
    released: threading.Event
    missed: Schedule
    started_at: datetime

    def ask(self, query: str, **variables: object) -> dict[str, object]:
        """Send a GraphQL query, as the pages of the UI do."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.address}/graphql",
                json={"query": query, "variables": variables},
                timeout=PATIENCE_SECONDS,
            ).json()
        assert "errors" not in answer, answer
        data: dict[str, object] = answer["data"]
        return data

    def backfill(self, *partitions: str) -> None:
        """Materialize all assets of these partitions, as the graph does."""
        nodes = self.ask(NODES)["assetNodes"]
        assert isinstance(nodes, list)
        params = {
            "assetSelection": [n["assetKey"] for n in nodes if n["isMaterializable"]],
            "partitionNames": partitions,
            "fromFailure": False,
            "tags": [],
        }
        done = self.ask(BACKFILL, params=params)["launchPartitionBackfill"]
        assert done == {"__typename": "LaunchBackfillSuccess"}

    def runs(self, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        """Return the runs that the daemon started, without those of the terminal."""
        found = self.instance.get_runs(dg.RunsFilter(statuses=list(statuses)))
        return [run for run in found if TERMINAL_TAG not in run.tags]


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is met."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda holds: not holds),
        stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
        wait=tenacity.wait_fixed(0.2),
    )(condition)


@pytest.fixture
def ui(installation: Installation) -> Iterator[Ui]:
    """Yield the UI of three valid integrations and one with a wrong key.

    `acme` missed three ticks.
    """
    released = threading.Event()
    organizations = {name: generate(seed, TINY) for seed, name in enumerate((*SOUND, WRONG))}

    def hold(*_: object) -> None:
        released.wait(PATIENCE_SECONDS)

    now = datetime.now(UTC)
    hour_ago, soon = now - timedelta(hours=1), now + timedelta(days=10)
    missed = Schedule(cron=f"{hour_ago.minute} {hour_ago.hour} * * *")
    other = Schedule(cron=f"0 0 {soon.day} {soon.month} *")
    with (
        Server(*(organizations[name] for name in SOUND), behavior=Behavior(on_call=hold)) as server,
        Server(organizations[WRONG]) as refusing,
        served_webhook("/hook") as webhook,
    ):
        installation.set_integrations(**dict.fromkeys(SOUND, server), **{WRONG: refusing})
        set_schedules(installation.folder / "integrations.toml", missed, *[other] * 3)
        rates = Workspace(installation.data).saved_rates
        for name in SOUND:
            rates.put(organizations[name].api_key, MAX_SAVED_RATE)
            installation.environment[f"{name.upper()}_KEY"] = organizations[name].api_key
        installation.environment |= {
            "WRONG_KEY": "jca_not_the_key_of_anybody",
            "ALERTS": webhook.url,
            "NO_PROXY": "127.0.0.1,127.0.0.2",
            "JUMPCLOUD_INVENTORY_HOME": str(installation.data),
        }
        prepare_instance(Workspace(installation.data))
        with open_home(installation.data / "dagster") as instance:
            miss_ticks(instance, since=now - timedelta(days=3))
            # Only Linux has other addresses of loopback.
            host = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
            with served_ui(installation.environment, host) as address:
                try:
                    yield Ui(installation, instance, address, webhook, released, missed, now)
                finally:
                    released.set()


def set_schedules(settings: Path, *schedules: Schedule) -> None:
    """Write a schedule for each integration, the size of the queue and the alerts."""
    entries = settings.read_text().split("\n\n")
    settings.write_text(
        f'max_parallel_runs = {AT_ONCE}\nalert_webhook_env = "ALERTS"\n'
        + "\n".join(
            f'{entry}\nschedule = {{ cron = "{schedule.cron}" }}\n'
            for entry, schedule in zip(entries, schedules, strict=True)
        )
    )


def has_evaluated(instance: dg.DagsterInstance, sensor: str) -> bool:
    """Return True if a sensor was evaluated, and later failures are new to it."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    return any(
        state.instigator_name == sensor and getattr(state.instigator_data, "cursor", None)
        for state in states
    )


def working_time(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[float, float]:
    """Return the time at which the run left the queue, and the time of its end."""
    (started,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_STARTING)
    record = instance.get_run_record_by_id(run.run_id)
    assert record
    assert record.end_time
    return started.timestamp, record.end_time


def max_concurrent(times: list[tuple[float, float]]) -> int:
    return max(sum(start <= moment < end for start, end in times) for moment, _ in times)


def test_missed_ticks_and_backfill_run_in_turn(
    ui: Ui,
) -> None:
    run_all(ui)
    assert_each_ran_in_turn(ui)
    assert_one_of_the_missed_ticks_ran(ui)
    assert_valid_integrations_are_published(ui)
    assert_each_failure_alerted_once(ui)
    reexecute_run_of_terminal(ui)


def run_all(ui: Ui) -> None:
    """Start a backfill next to the missed tick. Both run `acme`, one after the other."""
    names = {*SOUND, WRONG}
    wait_until(lambda: names <= {*ui.instance.get_dynamic_partitions(NAME)})
    ui.backfill(*SOUND, WRONG)
    # The terminal posts its own failure, and the daemon's sensor ignores it.
    wait_until(lambda: has_evaluated(ui.instance, "alert_on_failure"))
    done = ui.installation.run("run", WRONG)
    assert done.returncode == 1
    assert "\nwrong: alert sent\n" in done.stderr
    assert ui.webhook.url not in done.stderr
    wait_until(lambda: len(ui.runs()) == len(SOUND) + 2)
    wait_until(lambda: len(ui.runs(dg.DagsterRunStatus.STARTED)) >= AT_ONCE)
    assert is_held(ui.installation.data / "locks" / "acme")
    waiting = ui.runs(dg.DagsterRunStatus.QUEUED)
    assert "acme" in {run.tags["dagster/partition"] for run in waiting}
    ui.released.set()
    ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    wait_until(lambda: len(ui.runs(*ended)) == len(SOUND) + 2)


def assert_each_ran_in_turn(ui: Ui) -> None:
    runs = ui.runs()
    results = sorted((run.tags["dagster/partition"], run.status.value) for run in runs)
    assert results == [
        ("acme", "SUCCESS"),
        ("acme", "SUCCESS"),
        ("beta", "SUCCESS"),
        ("corp", "SUCCESS"),
        ("wrong", "FAILURE"),
    ]
    times = {run.run_id: working_time(ui.instance, run) for run in runs}
    assert max_concurrent(list(times.values())) == AT_ONCE
    of_acme = [run for run in runs if run.tags["dagster/partition"] == "acme"]
    assert max_concurrent([times[run.run_id] for run in of_acme]) == 1


def assert_one_of_the_missed_ticks_ran(ui: Ui) -> None:
    """Check that only the latest of the three missed ticks ran."""
    (tick,) = [run for run in ui.runs() if "dagster/run_key" in run.tags]
    assert tick.tags["dagster/partition"] == "acme"
    latest = next_tick(ui.missed, ui.started_at - timedelta(days=1))
    assert tick.tags["dagster/run_key"] == f"acme:{latest.isoformat()}"


def assert_valid_integrations_are_published(ui: Ui) -> None:
    with duckdb.connect(ui.installation.file, read_only=True) as connection:
        published = connection.sql("SELECT integration FROM integrations ORDER BY 1").fetchall()
    assert published == [(name,) for name in SOUND]
    statuses = {
        each["name"]: each for each in json.loads(ui.installation.run("status", "--json").stdout)
    }
    assert statuses[WRONG]["last_run"]["result"] == "failure"
    assert "refused the API key (401)" in statuses[WRONG]["last_run"]["words"]
    assert {statuses[name]["last_run"]["result"] for name in SOUND} == {"success"}


def assert_each_failure_alerted_once(ui: Ui) -> None:
    wait_until(lambda: len(ui.webhook.posts) > 1)
    assert len({post["run_id"] for post in ui.webhook.posts}) == len(ui.webhook.posts) == 2
    for post in ui.webhook.posts:
        assert (post["integration"], post["event"]) == (WRONG, "failed")
        assert "refused the API key (401)" in post["cause"]
        assert "jca_" not in str(post)


def reexecute_run_of_terminal(ui: Ui) -> None:
    """Repeat the run of the terminal, as "Re-execute all" does; its failure is the daemon's."""
    (parent,) = [run for run in ui.instance.get_runs() if run.tags.get(TERMINAL_TAG) == run.run_id]
    params = {"parentRunId": parent.run_id, "strategy": "ALL_STEPS"}
    done = ui.ask(REEXECUTE, params=params)["launchRunReexecution"]
    assert done == {"__typename": "LaunchRunSuccess"}
    wait_until(lambda: len(ui.webhook.posts) > 2)
    repeated = ui.instance.get_run_by_id(ui.webhook.posts[-1]["run_id"])
    assert repeated
    assert repeated.parent_run_id == parent.run_id
