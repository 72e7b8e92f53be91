"""Publish the history as DuckDB files and reports."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipelines.extract.discovery import read_applied_settings
from pipelines.history.store import EVERY
from pipelines.publish.access import nothing_published
from pipelines.publish.database import build_duckdb_file, update_duckdb_file
from pipelines.publish.reader import refuse_log
from pipelines.publish.store import open_backend, open_store
from pipelines.report.model import IntegrationReport
from pipelines.report.page import write_page
from pipelines.report.render import write_report
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace


def refresh_file(workspace: Workspace, integration: str) -> Path:
    """Update the DuckDB file of an integration from the history; return its path.

    The caller holds the publication lock.
    """
    path = workspace.inventory_file(integration)
    scope = integration if workspace.url else EVERY
    # Another machine may publish between two tries, so each try opens the history again.
    open_store(workspace).renew(
        path,
        lambda: update_duckdb_file(
            workspace.open_history(),
            path,
            scope,
            read_applied_settings(workspace),
            workspace.open_reviews().reviews(scope),
        ),
    )
    return path


def refresh_report(
    workspace: Workspace, integration: str | None = None
) -> Sequence[IntegrationReport]:
    """Write the report of a published file and the page to browse it; return the report's facts.

    Args:
        workspace: where the inventory is.
        integration: owner of the file, in an object store.

    Raises:
        InventoryError: the report or the page cannot be written, or a program tried to change the
            file; the last one stays.
        duckdb.Error: the file is missing or damaged, or there is no room for the queries.
    """
    file, report = workspace.inventory_file(integration), workspace.report_file(integration)
    refuse_log(file)
    page = workspace.page_file(integration)
    facts = write_report(file, report)
    open_store(workspace).upload(report)
    write_page(file, page)
    open_store(workspace).upload(page)
    return facts


def rebuild_file(workspace: Workspace) -> None:
    """Build the file of all integrations from the history, and its report."""
    path, settings = workspace.inventory_file(), read_applied_settings(workspace)
    with locked(workspace.publication_lock()):
        open_store(workspace).renew(
            path,
            lambda: build_duckdb_file(
                workspace.open_history(),
                path,
                settings=settings,
                reviews=workspace.open_reviews().reviews(),
            ),
        )
        refresh_report(workspace)


def combine(workspace: Workspace) -> None:
    """Update the file of all integrations in an object store.

    In a directory, do nothing: all integrations publish into one file.

    Raises:
        InventoryError: nothing has been published yet.
    """
    if workspace.url is None:
        return
    path, scratch = workspace.inventory_file(), workspace.scratch()
    scratch.mkdir(parents=True, exist_ok=True)
    with (
        locked(workspace.publication_lock()),
        tempfile.TemporaryDirectory(prefix="combine-", dir=scratch) as copies,
    ):

        def update() -> None:
            # Copy only what the file does not have yet: there may be thousands of integrations.
            history = workspace.open_history(Path(copies))
            if not path.exists() and not history.snapshots():
                raise nothing_published(workspace, None)
            settings = read_applied_settings(workspace)
            reviews = workspace.open_reviews().reviews()
            update_duckdb_file(history, path, EVERY, settings, reviews)

        open_store(workspace).renew(path, update)
        refresh_report(workspace)


def remove_own_file(workspace: Workspace, integration: str) -> None:
    """Remove the file, report and page of one integration, which only an object store has.

    The caller holds its publication lock.
    """
    if workspace.url:
        store = open_backend(workspace)
        store.remove(workspace.inventory_file(integration))
        store.remove(workspace.report_file(integration))
        store.remove(workspace.page_file(integration))
