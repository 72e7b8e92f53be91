"""The published tables as values: what an asset downstream of the inventory gets."""

from collections.abc import Callable, Sequence
from operator import methodcaller
from typing import get_args, get_origin

import dagster as dg
import duckdb

from assets_defs.asset_keys import JUMPCLOUD
from assets_defs.runs.step import errors_as_failures
from pipelines.errors import InventoryError
from pipelines.publish.access import fetch_file
from pipelines.publish.frames import Frame, PublishedFrames
from pipelines.publish.reader import open_inventory
from pipelines.schema.tables import TABLES
from pipelines.workspace import Workspace

_FORMS: dict[str, Callable[[Frame], object]] = {
    "pandas.DataFrame": methodcaller("pandas"),
    "pyarrow.Table": methodcaller("arrow"),
    "duckdb.DuckDBPyRelation": methodcaller("duckdb"),
    "polars.LazyFrame": methodcaller("polars"),
}
# The assets that are files with all tables and views, and the form of both.
_FILES = {"inventory_duckdb", "inventory_of_all", "findings", "publication"}
_CONNECTION = "duckdb.DuckDBPyConnection"


class InventoryIOManager(dg.IOManager):
    """Reads what was published. It stores nothing: the assets write their tables themselves.

    The annotation of the parameter decides the form: one of `_FORMS` for one or all partitions, or
    `dict[str, <form>]` for a mapping of partitions. The metadata `columns` of the `AssetIn` names
    the columns to read.

    Args:
        workspace: where the inventory is.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Store nothing; no asset of the inventory has a value."""

    def load_input(self, context: dg.InputContext) -> object:
        """Return a published table, or the published file, in the form of the annotation.

        Raises:
            dg.Failure: it is not published, or the annotation or a column is not known.
        """
        with errors_as_failures(self._workspace):
            # The prefix of the keys may be another one.
            schema, name = context.asset_key.path[-2:]
            if name in _FILES:
                return self._open_file(context)
            return self._load_table(context, schema, name)

    def _load_table(self, context: dg.InputContext, schema: str, name: str) -> object:
        annotation = context.dagster_type.typing_type
        is_mapping = get_origin(annotation) is dict
        wanted = get_args(annotation)[-1] if is_mapping else annotation
        form = _FORMS.get(_type_name(wanted))
        if form is None:
            raise _wrong_annotation(context, [*_FORMS, "a dict of str and one of them"])
        if schema != JUMPCLOUD and name not in TABLES:
            raise InventoryError(
                f"parameter {context.name!r}: {context.asset_key.to_user_string()} has no value. "
                "Name it in `deps`, and take a table, such as inventory/integrations"
            )
        frames = self._published(context)
        read = frames.raw_table if schema == JUMPCLOUD else frames.table
        columns = context.definition_metadata.get("columns")
        if is_mapping:
            return {one: form(read(name, [one], columns)) for one in frames.latest}
        return form(read(name, columns=columns))

    def _published(self, context: dg.InputContext) -> PublishedFrames:
        upstream = context.upstream_output
        pulls = bool(upstream and upstream.run_id == context.step_context.run_id)
        try:
            frames = PublishedFrames(self._workspace, _integrations(context))
            if pulls:
                frames.require_staged(context.step_context.partition_key)
        except InventoryError as error:
            hint = "A run that also pulls needs deps=[dg.AssetKey(['inventory', 'snapshots'])]"
            raise InventoryError(f"{error}. {hint}" if pulls else str(error)) from None
        for name in frames.missing:
            context.log.warning("%s: left out, because nothing of it was published yet", name)
        return frames

    def _open_file(self, context: dg.InputContext) -> duckdb.DuckDBPyConnection:
        if _type_name(context.dagster_type.typing_type) != _CONNECTION:
            raise _wrong_annotation(context, [_CONNECTION])
        names = _integrations(context) if self._workspace.url else None
        if names and len(names) > 1:
            raise InventoryError(
                f"{context.asset_key.to_user_string()} is a file for each integration, in an "
                "object store. Take inventory_of_all, which has all of them"
            )
        return open_inventory(fetch_file(self._workspace, names[0] if names else None))


def _integrations(context: dg.InputContext) -> Sequence[str] | None:
    """Return the partitions to read; None for all integrations.

    Raises:
        InventoryError: Dagster knows no partition.
    """
    if not context.has_asset_partitions:
        return None
    if not context.asset_partition_keys:
        raise InventoryError(
            f"{context.asset_key.to_user_string()} has no partition in this Dagster instance. "
            "Switch on the sensor `integrations_of_settings`, or run an integration"
        )
    return context.asset_partition_keys


def _type_name(annotation: object) -> str:
    """Return package and name of a type, without importing the package."""
    package = getattr(annotation, "__module__", "").partition(".")[0].lstrip("_")
    return f"{package}.{getattr(annotation, '__name__', '')}"


def _wrong_annotation(context: dg.InputContext, known: Sequence[str]) -> InventoryError:
    return InventoryError(
        f"parameter {context.name!r}: {context.asset_key.to_user_string()} cannot be given as "
        f"{context.dagster_type.display_name}. Annotate the parameter with {', '.join(known)}"
    )
