"""docs/reference/dagster.md: the names that others may refer to."""

import re
from pathlib import Path

from assets_defs.components import JumpCloudInventoryComponent
from assets_defs.definitions import build_definitions
from pipelines.config.integration import Integration
from pipelines.config.settings import Settings
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.schema.tables import INVENTORY_TABLES, RUN_TABLES
from pipelines.workspace import Workspace
from tests.support import ROOT

PAGE = (ROOT / "docs/reference/dagster.md").read_text(encoding="utf-8")


def test_names_of_dagster_are_those_of_the_page(tmp_path: Path) -> None:
    rows = re.findall(r"^\| (\w+) \| `([\w/]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    named: dict[str, set[str]] = {}
    for kind, name, text in rows:
        named.setdefault(kind, set()).add(name)
        named[kind].update(re.findall("`(jumpcloud/.+?)`", text))
    named["asset"] -= {"jumpcloud/NAME", "inventory/NAME"}
    named["asset"] |= {f"jumpcloud/{name}" for name in ENDPOINTS}
    named["asset"] |= {f"inventory/{table.name}" for table in (*INVENTORY_TABLES, *RUN_TABLES)}

    definitions = build_definitions(Workspace(tmp_path, url="s3://bucket/prefix"))
    repository = definitions.get_repository_def()
    nodes = repository.get_job("refresh_inventory").nodes
    found = {
        "asset": {key.to_user_string() for key in definitions.resolve_all_asset_keys()},
        "job": {name for name in repository.job_names if not name.startswith("__")},
        "step": {node.name for node in nodes if "__" not in node.name},
        "partitions": {
            str(getattr(spec.partitions_def, "name", None))
            for spec in definitions.resolve_all_asset_specs()
            if spec.partitions_def
        },
        "sensor": {sensor.name for sensor in repository.sensor_defs},
        "resource": {*(definitions.resources or {})},
    }
    assert named == found


def test_attributes_of_component_are_those_of_the_page() -> None:
    section = PAGE.partition("## Component")[2]
    documented = {
        name
        for cell in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
        for name in re.findall("`(.+?)`", cell)
    }
    model = JumpCloudInventoryComponent.model()
    own = model.model_fields.keys() - Settings.model_fields
    assert documented == own | {"api_key", "client_id", "client_secret"}
    properties = model.model_json_schema()["$defs"]["IntegrationAttributes"]["properties"]
    assert properties.keys() == Integration.model_fields.keys() | {
        "api_key",
        "client_id",
        "client_secret",
    }
