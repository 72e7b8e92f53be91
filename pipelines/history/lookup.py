"""Find a snapshot by its id, or the last one that was recorded at a time."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from pipelines.errors import InventoryError
from pipelines.history.manifest import Manifest

MAX_SUGGESTIONS = 2  # before and after the id
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_AGE = re.compile(r"(\d{1,5})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
TIMES = "a time is 2026-10-01, 2026-10-01T08:00 or an age such as 12h, 7d or 4w"


def parse_time(text: str, now: datetime) -> datetime | None:
    """Return the time that a text means; None for any other text, such as an id.

    Args:
        text: a date, which means its last moment; a date and a time; or an age such as 7d. Without
            a zone, it is UTC.
        now: the current time, from which an age counts.

    Raises:
        InventoryError: there is no such date or time.
    """
    if age := _AGE.fullmatch(text):
        return now - int(age[1]) * _UNITS[age[2]]
    if not _DATE.match(text):
        return None
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise InventoryError(f"{text!r} is not a time: {TIMES}") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def by_integration(manifests: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    """Return the manifests of each integration; those of one are next to each other."""
    groups = groupby(manifests, key=lambda manifest: manifest.integration.name)
    return {name: list(group) for name, group in groups}


def find_past(own: Sequence[Manifest], text: str, now: datetime) -> tuple[Manifest, str]:
    """Return the snapshot of an integration with this id or at this time, and a note or "".

    Raises:
        InventoryError: there is no such snapshot with tables.
    """
    moment = parse_time(text, now)
    if moment is None:
        return find_snapshot(own, text), ""
    return _last_recorded(own, lambda manifest: _recorded_time(manifest) <= moment)


def select_past(
    manifests: Sequence[Manifest], text: str, integration: str | None, now: datetime
) -> tuple[list[Manifest], list[str]]:
    """Return the snapshot of each integration at a time, or when a snapshot was published.

    Args:
        manifests: all snapshots, oldest first within an integration.
        text: id of a snapshot, or a time.
        integration: the integration that must have it.
        now: the current time.

    Returns:
        The snapshots, and a note for each integration with another one than expected, or none.

    Raises:
        InventoryError: there is no such snapshot.
    """
    groups = by_integration(manifests)
    own = [one for one in manifests if integration in {None, one.integration.name}]
    moment = parse_time(text, now)
    chosen = find_snapshot(own, text) if moment is None else None

    def is_recorded(manifest: Manifest) -> bool:
        if chosen:
            return manifest.pull.finished_at <= chosen.pull.finished_at
        return moment is not None and _recorded_time(manifest) <= moment

    found: dict[str, Manifest] = {}
    notes = {}
    for name, group in groups.items():
        if chosen and name == chosen.integration.name:
            found[name] = chosen
            continue
        try:
            found[name], notes[name] = _last_recorded(group, is_recorded)
        except InventoryError as error:
            notes[name] = str(error)
    if integration not in {None, *found} or not found:
        raise InventoryError("\n".join(notes[name] for name in by_integration(own)))
    return [*found.values()], [note for note in notes.values() if note]


def _recorded_time(manifest: Manifest) -> datetime:
    """Return the time in the snapshot's id, in whole seconds."""
    return manifest.pull.started_at.replace(microsecond=0)


def _last_recorded(
    own: Sequence[Manifest], is_recorded: Callable[[Manifest], bool]
) -> tuple[Manifest, str]:
    """Return the last recorded snapshot of an integration that has its tables, and a note or ""."""
    name = own[0].integration.name
    recorded = [manifest for manifest in own if is_recorded(manifest)]
    if not recorded:
        raise InventoryError(
            f"{name}: nothing was recorded then; its first snapshot is {own[0].snapshot_id}"
        )
    kept = [manifest for manifest in recorded if manifest.has_tables]
    removed = f"{name}: the tables of {recorded[-1].snapshot_id} were removed, because of "
    if not kept:
        first = next((manifest for manifest in own if manifest.has_tables), own[-1])
        raise InventoryError(
            f"{removed}keep_snapshots, and so were all before it; the first that has its tables: "
            f"{first.snapshot_id}"
        )
    if kept[-1] is recorded[-1]:
        return kept[-1], ""
    return kept[-1], f"{removed}keep_snapshots; the last before it is {kept[-1].snapshot_id}"


def find_snapshot(manifests: Sequence[Manifest], snapshot_id: str) -> Manifest:
    """Return the snapshot with this id. It has its tables.

    Args:
        manifests: the snapshots to search, oldest first.
        snapshot_id: id of the snapshot.

    Raises:
        InventoryError: the id is unknown or not unique, or the tables were removed. The message
            lists the nearest snapshots that have their tables.
    """
    found = [manifest for manifest in manifests if manifest.snapshot_id == snapshot_id]
    if not found:
        nearest = _nearest(manifests, snapshot_id)
        raise InventoryError(
            f"there is no snapshot {snapshot_id!r}; the nearest: {nearest}; {TIMES}"
        )
    names = [manifest.integration.name for manifest in found]
    if len(found) > 1:
        raise InventoryError(
            f"several integrations have a snapshot {snapshot_id}: {', '.join(names)}; "
            "choose one with --integration"
        )
    if not found[0].has_tables:
        own = [manifest for manifest in manifests if manifest.integration.name == names[0]]
        raise InventoryError(
            f"the tables of snapshot {snapshot_id} of {names[0]} were removed, because of "
            f"keep_snapshots; the nearest that are kept: {_nearest(own, snapshot_id)}"
        )
    return found[0]


def _nearest(manifests: Sequence[Manifest], snapshot_id: str) -> str:
    """Return the ids before and after the given one; the order of ids is the order of time."""
    ids = sorted({manifest.snapshot_id for manifest in manifests if manifest.has_tables})
    index = bisect_left(ids, snapshot_id)
    return ", ".join(ids[max(index - MAX_SUGGESTIONS, 0) : index + MAX_SUGGESTIONS]) or "none"
