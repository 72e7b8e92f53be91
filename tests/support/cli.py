"""A data directory, a settings file and the environment of a user."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipelines.simulator import Server
from tests.support.commands import Commands

KEY_VARIABLE = "TEST_JUMPCLOUD_KEY"
COMMAND = Path(sys.executable).with_name("jumpcloud-inventory")
SERVICE_ACCOUNT = {
    "client_id_env": "TEST_JUMPCLOUD_CLIENT_ID",
    "client_secret_env": "TEST_JUMPCLOUD_CLIENT_SECRET",
}


@dataclass
class Installation:
    """A data directory, a settings file and the environment of a user."""

    folder: Path
    environment: dict[str, str]
    commands: Commands

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def file(self) -> Path:
        return self.data / "inventory.duckdb"

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return self.commands.run(arguments, self.folder, self.environment | environment)

    def set_integrations(self, **servers: Server) -> None:
        entries = [
            f'[[integration]]\nname = "{name}"\nbase_url = "{server.base_url}"\n'
            f'api_key_env = "{name.upper()}_KEY"\n'
            for name, server in servers.items()
        ]
        (self.folder / "integrations.toml").write_text("\n".join(entries))
        self.environment["JUMPCLOUD_INVENTORY_CONFIG"] = str(self.folder / "integrations.toml")
