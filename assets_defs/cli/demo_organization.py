"""The simulated organization of the demo."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.storage.atomic import write_text
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.simulator import Company

NAME = "demo"
KEY_VARIABLE = "JUMPCLOUD_INVENTORY_DEMO_KEY"
PAST_WEEKS = 11

_SETTINGS = """\
# The simulated organization of `jumpcloud-inventory demo`; each start overwrites this file.
[[integration]]
name = "{name}"
description = "Simulated organization"
base_url = "{url}"
api_key_env = "{variable}"
"""


@contextmanager
def simulated_organization(
    workspace: Workspace, on_past: Callable[[Iterator[datetime]], object] = list
) -> Iterator[str]:
    """Serve the organization on a free loopback port, and write its settings; yield its key.

    Args:
        workspace: the demo's workspace.
        on_past: called with the past times, each taken while the organization is as it was then.
            It takes all of them.
    """
    # Loads a web server that no other command needs.
    from pipelines.simulator import WEEK, Behavior, Company, Server, Sizes  # noqa: PLC0415

    founded = _founding_time(workspace.demo_start_file, PAST_WEEKS * WEEK)
    company = Company(founded, Sizes())
    # A latency well above the noise of a busy machine; otherwise the rate limiter sees congestion.
    behavior = Behavior(comma_targets="accepted", latency_seconds=0.01)
    with Server(company.organization, behavior=behavior) as server:
        text = _SETTINGS.format(name=NAME, url=server.base_url, variable=KEY_VARIABLE)
        write_text(text, workspace.local_settings)
        # Pulls read keys from their own environment.
        os.environ[KEY_VARIABLE] = company.organization.api_key
        weeks = min(PAST_WEEKS, (datetime.now(UTC) - founded) // WEEK)
        on_past(_past_times(company, weeks))
        yield company.organization.api_key


def _past_times(company: "Company", weeks: int) -> Iterator[datetime]:
    """Yield the time of each past state, and let a week pass when the next one is taken."""
    for _ in range(weeks):
        yield company.now
        company.advance()


def _founding_time(path: Path, age: timedelta) -> datetime:
    """Return the time of the first state, this long before the demo's first start.

    It is kept, so that every start serves the same organization.
    """
    if not path.exists():
        write_text((datetime.now(UTC) - age).isoformat(), path)
    return datetime.fromisoformat(path.read_text())
