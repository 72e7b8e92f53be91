"""docs/reference/settings.md has every setting with its default, and a valid example."""

import re
import tomllib

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from pipelines.config.alerts import EmailTarget, PagerDutyTarget, WebhookTarget
from pipelines.config.environment import CONFIG_VARIABLE, HOME_VARIABLE, KEY_VARIABLE
from pipelines.config.exports import OcsfExport
from pipelines.config.integration import Integration
from pipelines.config.schedule import Schedule
from pipelines.config.settings import KeepSnapshots, Settings, parse_settings
from pipelines.config.thresholds import Thresholds
from tests.support import ROOT

PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (?:`(.+?)`)? ?\|", re.MULTILINE)
MODELS: tuple[type[BaseModel], ...] = (
    Integration,
    Settings,
    KeepSnapshots,
    Schedule,
    Thresholds,
    OcsfExport,
)
EXAMPLE = PAGE.partition("```toml\n")[2].partition("```")[0]


TARGETS: tuple[type[BaseModel], ...] = (WebhookTarget, PagerDutyTarget, EmailTarget)


def defaults(models: tuple[type[BaseModel], ...] = MODELS) -> dict[str, object]:
    """Return each setting with its default as in a file, or None without one."""
    fields = {name: field for model in models for name, field in model.model_fields.items()}
    return {name: _plain(field.default) for name, field in fields.items()}


def _plain(value: object) -> object:
    if value is PydanticUndefined or isinstance(value, KeepSnapshots | Thresholds):
        return None  # its parts have defaults
    if isinstance(value, BaseModel):
        return value.model_dump()
    return list(value) if isinstance(value, tuple) else value


def test_page_has_every_setting_with_its_default() -> None:
    tables, _, targets = PAGE.partition("## An integration")[2].partition("## Alerts")
    for text, models in ((tables, MODELS), (targets, TARGETS)):
        documented = {
            name: tomllib.loads(f"value = {default}")["value"] if default else None
            for name, default in ROW.findall(text)
        }
        assert documented == defaults(models)


def test_example_has_the_defaults() -> None:
    settings = parse_settings(EXAMPLE, source="the example")
    (acme,) = settings.integration
    chosen = {"name", "description", "api_key_env", "alert_webhook_env", "integration"}
    for model in (acme, settings):
        for name, field in type(model).model_fields.items():
            assert name in chosen or getattr(model, name) == field.default, name
    commented = EXAMPLE.replace("\n# ", "\n").split()
    assert defaults((*MODELS, *TARGETS)).keys() <= {*re.findall(r"\w+", " ".join(commented))}


def test_page_has_the_variables() -> None:
    for variable in (KEY_VARIABLE, CONFIG_VARIABLE, HOME_VARIABLE):
        assert f"| `{variable}` |" in PAGE
