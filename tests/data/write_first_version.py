"""Write `first_version`: the history of one small snapshot in the format of the first version.

It was run once, with the first version. Its output represents the files that users have, so it is
never run again.

    python tests/data/write_first_version.py
"""

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pipelines.simulator import Server, Sizes, generate

TARGET = Path(__file__).parent / "first_version"
SIZES = Sizes(
    systems=6,
    users=5,
    system_groups=3,
    user_groups=2,
    applications=2,
    policies=1,
    policy_groups=1,
    commands=1,
)
COMMAND = Path(sys.executable).with_name("jumpcloud-inventory")


def main() -> None:
    """Run the pipeline against a small organization, and keep the history."""
    organization = generate(1, SIZES, datetime(2026, 1, 1, tzinfo=UTC))
    with tempfile.TemporaryDirectory() as folder, Server(organization) as server:
        settings = Path(folder) / "integrations.toml"
        settings.write_text(f'[[integration]]\nname = "acme"\nbase_url = "{server.base_url}"\n')
        environment = os.environ | {"JUMPCLOUD_API_KEY": organization.api_key}
        command = [str(COMMAND), "run", "--config", str(settings), "--data-dir", folder]
        subprocess.run(command, check=True, env=environment)
        shutil.copytree(Path(folder) / "history", TARGET / "history")


if __name__ == "__main__":
    main()
