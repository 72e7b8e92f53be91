"""The component that adds an inventory to a Dagster project by a `defs.yaml`."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import dagster as dg
from pydantic import BaseModel, Field, create_model

from assets_defs.definitions import build_definitions
from assets_defs.runs.instance import warn_of_settings
from pipelines.config.integration import Integration
from pipelines.config.schedule import Schedule
from pipelines.config.settings import Settings, validate_settings
from pipelines.errors import SettingsError
from pipelines.workspace import Workspace

_VARIABLE = re.compile(r"\{\{\s*env\.([A-Za-z_]\w*)\s*\}\}", re.ASCII)
_KEYS = ("api_key", "client_id", "client_secret")


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Return the fields of a model, where a text may be a template instead.

    The model itself checks what the template becomes.
    """
    return {
        name: (field.annotation | str, ... if field.is_required() else None)
        for name, field in model.model_fields.items()
    }


_IntegrationAttributes = create_model(
    "IntegrationAttributes",
    __base__=dg.Model,
    **_fields(Integration) | dict.fromkeys(_KEYS, (str | None, None)),
)
_Attributes = create_model(
    "JumpCloudInventoryAttributes",
    __base__=dg.Model,
    **_fields(Settings)
    | {
        "integration": (list[_IntegrationAttributes], ...),  # type: ignore[valid-type]
        "data_dir": (str | None, None),
        "asset_key_prefix": (list[Annotated[str, Field(pattern="^[A-Za-z0-9_]+$")]], []),
        "schedule": (Schedule | None, Schedule()),
    },
)


class _Scaffolder(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` that loads, for `dg scaffold defs`."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file."""
        integration = {"name": "jumpcloud", "api_key": "{{ env.JUMPCLOUD_API_KEY }}"}
        dg.scaffold_component(request, {"data_dir": "data", "integration": [integration]})


@dg.scaffold_with(_Scaffolder)
@dataclass
class JumpCloudInventoryComponent(dg.Component, dg.Resolvable):
    """An inventory of JumpCloud organizations: devices, users, access, and one DuckDB file.

    In `defs.yaml` it has the names of the settings file, and a key may be `{{ env.NAME }}`. A run
    reads that variable, so no definition contains its value.

    Attributes:
        settings: the settings.
        data_dir: data directory, or address of an object store; a relative path is below the folder
            of the project. By default, `JUMPCLOUD_INVENTORY_HOME`.
        asset_key_prefix: comes before all asset keys, and before the names of jobs, sensors, steps
            and the set of partitions.
        is_scheduled: False if only others start runs, such as automation conditions: `schedule` is
            null. Any other `schedule` is that of the integrations that have none of their own.
    """

    settings: Settings
    data_dir: str | None = None
    asset_key_prefix: tuple[str, ...] = ()
    is_scheduled: bool = True

    @classmethod
    def model(cls) -> type[BaseModel]:
        """Return the model of the attributes in `defs.yaml`."""
        return _Attributes

    @classmethod
    def resolve_from_model(
        cls, context: dg.ResolutionContext, model: BaseModel
    ) -> "JumpCloudInventoryComponent":
        """Return the component of a `defs.yaml`.

        Raises:
            SettingsError: a setting is wrong.
        """
        given = model.model_dump(exclude_unset=True)
        # Before any template becomes a value.
        given["integration"] = [_name_variables(one) for one in given["integration"]]
        given = dict(context.resolve_value(given))
        own = {name: given.pop(name) for name in ("data_dir", "asset_key_prefix") if name in given}
        schedule = given.pop("schedule", {})
        for one in given["integration"]:
            one.setdefault("schedule", schedule or {})
        settings = validate_settings(given, source="defs.yaml")
        return cls(
            settings,
            own.get("data_dir"),
            tuple(own.get("asset_key_prefix", ())),
            is_scheduled=schedule is not None,
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the definitions of the inventory."""
        data_dir = self.data_dir
        if data_dir and "://" not in data_dir:
            data_dir = str(context.project_root / data_dir)
        workspace = Workspace.from_environment(os.environ, data_dir)
        warn_of_settings(workspace)
        return build_definitions(
            replace(workspace, given=self.settings, prefix=self.asset_key_prefix),
            is_scheduled=self.is_scheduled,
        )


def _name_variables(integration: Mapping[str, object]) -> dict[str, object]:
    """Return an integration with the name of a variable in place of the template of a key.

    Raises:
        SettingsError: the template is something else, perhaps a key. The message does not have it.
    """
    named = {name: value for name, value in integration.items() if name not in _KEYS}
    for name in integration.keys() & _KEYS:
        found = _VARIABLE.fullmatch(str(integration[name]).strip())
        if not found:
            raise SettingsError(
                f"defs.yaml: {name} is not a variable of the environment. "
                'Write "{{ env.NAME }}", and put the value there'
            )
        named[f"{name}_env"] = found[1]
    return named
