"""Pull, transform and publish one organization with `pipelines` alone, without Dagster.

The peers run without an orchestrator too. Arguments: the settings file and the data directory.
"""

import sys
from pathlib import Path

from pipelines.config.settings import load_settings
from pipelines.extract.pull import pull_organization, remove_checkpoint
from pipelines.history.commit import PulledTables, commit_snapshot
from pipelines.history.manifest import IntegrationFacts, PullFacts
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import update_duckdb_file
from pipelines.transform import TRANSFORMS


def main() -> None:
    """Write the history and the DuckDB file to the data directory."""
    settings, data = load_settings(Path(sys.argv[1])), Path(sys.argv[2])
    (integration,) = settings.integration
    pull = pull_organization(integration, data)
    frames = {f"jumpcloud.{name}": table for name, table in pull.tables.items()}
    frames["jumpcloud.completeness"] = pull.completeness
    frames["jumpcloud.access_differences"] = pull.differences
    for name, transform in TRANSFORMS.items():
        frames[name] = transform.run(integration.name, frames)
    (facts,) = pull.facts().to_pylist()
    facts |= {"organization_id": None, "organization_name": None}
    history = SnapshotStore(data / "history")
    commit_snapshot(
        history,
        IntegrationFacts.model_validate(integration, from_attributes=True),
        PulledTables(PullFacts.model_validate(facts), pull.completeness, frames.__getitem__),
        "without Dagster",
        settings.volatile_columns,
    )
    update_duckdb_file(history, data / "inventory.duckdb")
    remove_checkpoint(data, integration.name)


if __name__ == "__main__":
    main()
