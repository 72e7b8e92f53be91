"""Compare a pull with JumpCloud's report of users and devices: two witnesses of the same access.

The report also names the devices that have direct bindings, so that only these need to be read.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.config.integration import Integration
from pipelines.extract.checkpoint import Checkpoint
from pipelines.extract.fetcher import Fetcher
from pipelines.extract.scope import Scope
from pipelines.jumpcloud.client import JumpCloudClient
from pipelines.jumpcloud.completeness import Completeness
from pipelines.jumpcloud.endpoints import (
    ENDPOINTS,
    SYSTEMGROUPS_MEMBERS,
    SYSTEMGROUPS_USERS,
    SYSTEMS,
    SYSTEMS_ASSOCIATIONS,
    SYSTEMUSERS,
    USERGROUPS_ASSOCIATIONS,
    USERGROUPS_MEMBERS,
    USERS_ASSOCIATIONS,
    ListId,
)
from pipelines.jumpcloud.errors import AbortedError, ExtractError, TokenError
from pipelines.jumpcloud.reports import DeviceReport, NoReportError, read_device_report
from pipelines.sql import in_memory

_TIME: Final = pa.timestamp("us", tz="UTC")
_COLUMN_TYPES: Final[dict[str, pa.DataType]] = {
    "system_id": pa.string(),
    "user_id": pa.string(),
    "witness": pa.string(),
    "report_at": _TIME,
    "pulled_at": _TIME,
    "explanation": pa.string(),
}
DIFFERENCES_SCHEMA: Final = pa.schema(_COLUMN_TYPES)
# Lists that are read again because of a difference. More of them have a common cause.
MAX_READ_AGAIN: Final = 100
# A report of more pairs is too large to read; a pull can have a thousand times as many.
MAX_WAYS: Final = 10_000_000
MAX_DIFFERENCES: Final = 100_000
# Every way to a device, and the records that a report can name.
_NEEDED: Final = (
    SYSTEMGROUPS_MEMBERS,
    SYSTEMGROUPS_USERS,
    USERGROUPS_MEMBERS,
    USERGROUPS_ASSOCIATIONS,
    SYSTEMS,
    SYSTEMUSERS,
)
_BINDINGS: Final = (SYSTEMS_ASSOCIATIONS, USERS_ASSOCIATIONS)
_COUNT_WAYS: Final = """
WITH devices AS (
    SELECT group_id, count(*) AS n FROM systemgroups_members WHERE "to".type = 'system'
    GROUP BY ALL
),
users AS (
    SELECT group_id, count(*) AS n FROM systemgroups_users WHERE type = 'user' GROUP BY ALL
),
members AS (
    SELECT user_group_id, count(*) AS n FROM usergroups_members WHERE "to".type = 'user'
    GROUP BY ALL
)
SELECT coalesce((SELECT sum(devices.n * users.n) FROM devices JOIN users USING (group_id)), 0)
    + coalesce((SELECT sum(n) FROM usergroups_associations JOIN members USING (user_group_id)), 0)
"""
_DIFFERENCES: Final = """
WITH ways AS (
    SELECT members."to".id AS system_id, users.id AS user_id, FALSE AS is_direct
    FROM systemgroups_members AS members JOIN systemgroups_users AS users USING (group_id)
    WHERE members."to".type = 'system' AND users.type = 'user'
    UNION ALL
    SELECT bindings."to".id, members."to".id, FALSE
    FROM usergroups_associations AS bindings
    JOIN usergroups_members AS members USING (user_group_id)
    WHERE bindings."to".type = 'system' AND members."to".type = 'user'
    UNION ALL
    SELECT "to".id, user_id, TRUE FROM users_associations WHERE "to".type = 'system'
    UNION ALL
    SELECT system_id, "to".id, TRUE FROM systems_associations WHERE "to".type = 'user'
),
pulled AS (
    SELECT system_id, user_id, bool_or(is_direct) AS is_direct FROM ways GROUP BY ALL
),
-- No report can name a record that is in no list.
known AS (
    FROM pulled SEMI JOIN systems ON systems._id = system_id
        SEMI JOIN systemusers ON systemusers._id = user_id
),
differences AS (
    SELECT system_id, user_id, is_direct, 'report' AS witness
    FROM report ANTI JOIN pulled USING (system_id, user_id)
    UNION ALL
    SELECT system_id, user_id, is_direct, 'pull'
    FROM known ANTI JOIN report USING (system_id, user_id)
),
first_differences AS (
    FROM differences LIMIT $most + 1
)
SELECT system_id, user_id, witness, $report_at::TIMESTAMPTZ AS report_at,
    $pulled_at::TIMESTAMPTZ AS pulled_at,
    CASE
        WHEN system_id NOT IN (SELECT _id FROM systems) THEN 'the pull does not list the device'
        WHEN user_id NOT IN (SELECT _id FROM systemusers) THEN 'the pull does not list the user'
        WHEN witness = 'report' AND is_direct
            THEN 'the report has a direct binding that the pull did not find, also not at '
                'another reading'
        WHEN witness = 'report'
            THEN 'the report has a way through groups that the pull did not find'
        WHEN is_direct THEN 'the pull found a direct binding that the report does not have'
        ELSE 'the pull found a way through groups that the report does not have'
    END AS explanation
FROM first_differences ORDER BY ALL
"""
Read = Callable[[Sequence[ListId]], tuple[pa.Table, list[Completeness]]]


@dataclass(frozen=True)
class Witness:
    """What became of the report.

    Attributes:
        report: the report; None if there is none to use.
        problem: reason why the report was not used or not compared, or "".
        is_requested: True if a run requests a report.
    """

    report: DeviceReport | None = None
    problem: str = ""
    is_requested: bool = False


def find_witness(
    client: JumpCloudClient, integration: Integration, scope: Scope, *, may_request: bool
) -> Witness:
    """Return the report that a pull uses. A pull goes on without it.

    Args:
        client: client of the organization.
        integration: settings of the integration.
        scope: scope of the pull.
        may_request: False to request no report, also where the settings allow it.

    Raises:
        ExtractError: the pull was aborted, or gets no token.
    """
    if not integration.uses_report or not any(one in scope.endpoints for one in _BINDINGS):
        return Witness()
    missing = find_unread(scope)
    if missing and integration.direct_bindings == "read":
        return Witness(problem=missing)  # The report would be used for nothing else.
    try:
        report = read_device_report(
            client,
            integration.report_url,
            timedelta(hours=integration.report_max_age),
            may_request=may_request,
        )
    except (AbortedError, TokenError):
        raise
    except NoReportError as error:
        if may_request:
            return Witness(problem=str(error))
        requests = integration.request_reports
        then = "so a run requests one" if requests else "request_reports is false"
        return Witness(problem=f"{error}; {then}", is_requested=requests)
    except ExtractError as error:
        return Witness(problem=str(error))
    return Witness(report)


def find_unread(scope: Scope) -> str:
    """Return why a pull cannot be compared with a report, or ""."""
    unread = [one.name for one in _NEEDED if one not in scope.endpoints]
    if not any(one in scope.endpoints for one in _BINDINGS):
        unread.append(USERS_ASSOCIATIONS.name)
    if not unread:
        return ""
    return f"the report was not compared, because the pull did not read {', '.join(unread)}"


def limit_scope(scope: Scope, report: DeviceReport) -> Scope:
    """Return a scope that reads the direct bindings of users for devices of a report only."""
    if SYSTEMS_ASSOCIATIONS not in scope.endpoints:
        return scope
    direct = report.pairs.filter(pc.field("is_direct"))
    endpoints = [one for one in scope.endpoints if one is not USERS_ASSOCIATIONS]
    return replace(
        scope, endpoints=endpoints, devices=frozenset(map(str, direct["system_id"].to_pylist()))
    )


def make_reader(client: JumpCloudClient, pool: ThreadPoolExecutor, checkpoint: Checkpoint) -> Read:
    """Return a function that reads lists of one endpoint in addition to those of a pull."""

    def read(lists: Sequence[ListId]) -> tuple[pa.Table, list[Completeness]]:
        endpoint = ENDPOINTS[lists[0].endpoint]
        again = checkpoint.open_other("again")
        try:
            fetcher = Fetcher(client, pool, Scope([endpoint], ()), again, lambda _: None)
            proofs = fetcher.run(lists)
            return fetcher.read_table(endpoint), proofs
        finally:
            again.close()

    return read


class Comparison:
    """Comparison of a pull with a report.

    Attributes:
        tables: raw tables of the pull, with the lists that were read again.
        proofs: proofs of the lists.
        differences: a row for each pair that only one witness has.
        problem: reason why nothing was compared, or "".
    """

    def __init__(
        self, tables: Mapping[str, pa.Table], proofs: Sequence[Completeness], scope: Scope
    ) -> None:
        self.tables = dict(tables)
        self.proofs = list(proofs)
        self.differences = DIFFERENCES_SCHEMA.empty_table()
        self.problem = find_unread(scope)
        self._bindings = [one for one in _BINDINGS if one in scope.endpoints]
        self._is_limited = scope.devices is not None

    def run(self, report: DeviceReport, pulled_at: datetime, read: Read) -> None:
        """Find the differences, and read the direct bindings of their pairs once more.

        A report that has few pairs of the pull names too few devices: then all are read.
        """
        if self.problem:
            return
        self.differences, self.problem = self._compare(report, pulled_at)
        lists = [] if self.problem else self._lists_of_differences()
        if self._is_limited and self._is_doubtful(report):
            lists += self._unread_lists()
        if lists:
            self._replace(lists, *read(lists))
            self.differences, self.problem = self._compare(report, pulled_at)

    def _is_doubtful(self, report: DeviceReport) -> bool:
        """Return True if only one witness has most of the pairs."""
        found = self.differences.num_rows
        only_pull = self.differences.filter(pc.field("witness") == "pull").num_rows
        pairs = report.pairs.num_rows
        return bool(self.problem) or not pairs or 2 * found > pairs + only_pull

    def _compare(self, report: DeviceReport, pulled_at: datetime) -> tuple[pa.Table, str]:
        """Return the differences, or a reason why there are none to show."""
        nothing = DIFFERENCES_SCHEMA.empty_table()
        names = [one.name for one in (*_NEEDED, *_BINDINGS)]
        with in_memory() as connection:
            for name in names:
                connection.register(name, self.tables[name])
            connection.register("report", report.pairs)
            (ways,) = connection.sql(_COUNT_WAYS).fetchall()[0]
            if ways > MAX_WAYS:
                return nothing, f"the report was not compared: there are {ways:,} ways to devices"
            parameters = {
                "report_at": report.created_at,
                "pulled_at": pulled_at,
                "most": MAX_DIFFERENCES,
            }
            found: pa.Table = connection.sql(_DIFFERENCES, params=parameters).to_arrow_table()
        if found.num_rows > MAX_DIFFERENCES:
            return nothing, (
                f"the report and the pull have more than {MAX_DIFFERENCES:,} differences"
            )
        return found.cast(DIFFERENCES_SCHEMA), ""

    def _lists_of_differences(self) -> list[ListId]:
        (endpoint,) = self._bindings
        parents = self.tables[endpoint.parent]["_id"]
        ids = self.differences[endpoint.parent_column].unique()
        known = ids.filter(pc.is_in(ids, parents)).to_pylist()
        return [ListId(endpoint.name, str(one)) for one in known[:MAX_READ_AGAIN]]

    def _unread_lists(self) -> list[ListId]:
        """Return the lists of the devices that the report does not name."""
        (endpoint,) = self._bindings
        read = {proof.list_id for proof in self.proofs}
        ids = self.tables[endpoint.parent]["_id"].to_pylist()
        lists = (ListId(endpoint.name, str(one)) for one in ids)
        return [one for one in lists if one not in read]

    def _replace(
        self, lists: Sequence[ListId], rows: pa.Table, proofs: Sequence[Completeness]
    ) -> None:
        """Replace the rows and proofs of lists, unless the API refuses them now."""
        if not proofs:
            return
        (endpoint,) = self._bindings
        before = self.tables[endpoint.name]
        ids = pa.array([one.parent_id for one in lists])
        kept = before.filter(pc.invert(pc.is_in(before[endpoint.parent_column], ids)))
        self.tables[endpoint.name] = pa.concat_tables([kept, rows])
        again = set(lists)
        self.proofs = [one for one in self.proofs if one.list_id not in again] + list(proofs)
