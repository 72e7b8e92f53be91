"""Settings of the exports that follow each publication. Without its table, an export is off."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipelines.config.environment import is_object_store

OcsfVersion = Literal["1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9"]
_PARTITION_VALUE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _check_target(value: str) -> str:
    if not (Path(value).is_absolute() or is_object_store(value)):
        raise ValueError(
            "must be the absolute path of a directory, or an s3://, gs:// or az:// address with a "
            "bucket and a prefix of plain names; set credentials in the environment"
        )
    return value.rstrip("/")


def _check_partition_value(value: str) -> str:
    if not _PARTITION_VALUE.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, - or _")
    return value


_Target = Annotated[str, AfterValidator(_check_target)]
_PartitionValue = Annotated[str, AfterValidator(_check_partition_value)]


class CsvExport(BaseModel):
    """The export of CSV files for an import of Jira Assets or ServiceNow.

    Attributes:
        to: existing directory, or address of an object store.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    to: _Target


class OcsfExport(CsvExport):
    """The export of OCSF events in the layout of Amazon Security Lake.

    Attributes:
        to: existing directory or address that contains the folders of the sources.
        region: AWS region of the bucket.
        account_id: account that the events pertain to; None for `external_<integration>`.
        ocsf_version: version of the schema. Security Lake accepts custom sources up to 1.3.
    """

    region: _PartitionValue
    account_id: _PartitionValue | None = None
    ocsf_version: OcsfVersion = "1.3"


class Exports(BaseModel):
    """The exports, each under the name of its setting; None if it is off.

    Their descriptions are those of the assets.
    """

    export_ocsf: OcsfExport | None = Field(
        default=None,
        description="OCSF events of the published snapshot, in the layout of Amazon Security Lake",
    )
    export_jira_assets: CsvExport | None = Field(
        default=None,
        description="CSV files of the published snapshot, for an import of Jira Assets",
    )
    export_servicenow: CsvExport | None = Field(
        default=None,
        description="CSV files of the published snapshot, for import sets of ServiceNow",
    )

    @property
    def exports(self) -> Mapping[str, CsvExport]:
        """Return the exports that are on, by the name of their setting."""
        return {name: value for name, value in self if isinstance(value, CsvExport)}
