"""The runs that are ours, in an instance that other code locations may share."""

from collections.abc import Iterator

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from assets_defs.jobs import COMBINE_JOB, REFRESH_JOB

# Dagster's own job for the asset graph.
GRAPH_JOB = "__ASSET_JOB"
FIRST_PAGE, LARGEST_PAGE = 1, 512


class OwnRuns:
    """The runs of our jobs, and those of the asset graph that materialize only our assets.

    Tags do not find them: another code location may have partitions of the same names.

    Attributes:
        instance: may have the runs of others too.
        jobs: names of the jobs that may have runs of ours.
    """

    def __init__(self, instance: dg.DagsterInstance, keys: AssetKeys) -> None:
        self.instance = instance
        self._keys = {*keys.refreshed, *keys.exports, keys.inventory_of_all}
        # One op of each job: another code location may have a job of the same name.
        self._ops = {
            keys.name(REFRESH_JOB): keys.name("tables"),
            keys.name(COMBINE_JOB): keys.inventory_of_all.to_python_identifier(),
        }
        self.jobs = (*self._ops, GRAPH_JOB)
        self._snapshots: dict[str, bool] = {}

    def records(self, chosen: dg.RunsFilter, *, ascending: bool = False) -> Iterator[dg.RunRecord]:
        """Yield the records that pass a filter, the newest or the oldest first."""
        cursor, limit = None, FIRST_PAGE
        while True:
            page = self.instance.get_run_records(
                chosen, limit=limit, ascending=ascending, cursor=cursor
            )
            yield from (record for record in page if self.includes(record.dagster_run))
            if len(page) < limit:
                return
            cursor, limit = page[-1].dagster_run.run_id, min(2 * limit, LARGEST_PAGE)

    def includes(self, run: dg.DagsterRun) -> bool:
        """Return True if a run is ours."""
        if run.job_name not in self.jobs:
            return False
        checks = run.asset_check_selection or ()
        keys = {*(run.asset_selection or ()), *(check.asset_key for check in checks)}
        if keys:
            return keys <= self._keys
        op = self._ops.get(run.job_name)
        return op is not None and self._has_op(run.job_snapshot_id, op)

    def _has_op(self, snapshot_id: str | None, op: str) -> bool:
        if snapshot_id is None:
            return True
        if snapshot_id not in self._snapshots:
            names = self.instance.get_job_snapshot(snapshot_id).node_names
            self._snapshots[snapshot_id] = op in names
        return self._snapshots[snapshot_id]
