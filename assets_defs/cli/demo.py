"""A simulated organization to try everything on, without a key."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipelines.config.environment import CONFIG_VARIABLE
from pipelines.storage.atomic import write_text

NAME = "demo"
HOME = "demo"  # below the data directory
SETTINGS = "integrations.toml"
KEY_VARIABLE = "JUMPCLOUD_INVENTORY_DEMO_KEY"

_SETTINGS = """\
# The simulated organization of `jumpcloud-inventory demo`; written anew by each start.
[[integration]]
name = "{name}"
description = "Simulated organization"
base_url = "{url}"
api_key_env = "{variable}"
"""


@contextmanager
def simulated_organization(data_dir: Path) -> Iterator[None]:
    """Serve the organization on a free loopback port, and set it as the only integration."""
    # A web server that no other command needs.
    from pipelines.simulator import Server, generate  # noqa: PLC0415

    organization = generate(now=_first_start(data_dir))
    with Server(organization) as server:
        path = data_dir / SETTINGS
        text = _SETTINGS.format(name=NAME, url=server.base_url, variable=KEY_VARIABLE)
        write_text(text, path)
        os.environ[CONFIG_VARIABLE] = str(path)
        os.environ[KEY_VARIABLE] = organization.api_key
        yield


def _first_start(data_dir: Path) -> datetime:
    """When the demo was first started here: its dates count from there, so that they stay."""
    path = data_dir / "simulated_since.txt"
    if not path.exists():
        write_text(datetime.now(UTC).isoformat(), path)
    return datetime.fromisoformat(path.read_text())
