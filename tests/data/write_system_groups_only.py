"""Write `system_groups_only`: the history of one pull that asked for no binding outside groups.

It was run once, with the last version that pulled access through system groups only. It is never
run again.

    python tests/data/write_system_groups_only.py
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pipelines.simulator import Server
from tests.support.grown_organization import group_organization

TARGET = Path(__file__).parent / "system_groups_only"
COMMAND = Path(sys.executable).with_name("jumpcloud-inventory")


def main() -> None:
    """Run the pipeline against the organization, and keep the history."""
    organization = group_organization()
    with tempfile.TemporaryDirectory() as folder, Server(organization) as server:
        settings = Path(folder) / "integrations.toml"
        settings.write_text(f'[[integration]]\nname = "acme"\nbase_url = "{server.base_url}"\n')
        environment = os.environ | {"JUMPCLOUD_API_KEY": organization.api_key}
        command = [str(COMMAND), "run", "--config", str(settings), "--data-dir", folder]
        subprocess.run(command, check=True, env=environment)
        shutil.copytree(Path(folder) / "history", TARGET / "history")


if __name__ == "__main__":
    main()
