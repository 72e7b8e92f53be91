"""Check a connection: read one record of each endpoint that a run would read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import pyarrow as pa

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import DetailEndpoint, Integration
from pipelines.errors import InventoryError
from pipelines.extract.discovery import read_organizations
from pipelines.extract.estimate import Plan, choose_binding_list, estimate_calls
from pipelines.extract.organizations import check_organization
from pipelines.extract.permissions import Permissions, read_permissions
from pipelines.extract.refusals import OPTIONAL_TARGET, Refusal, explain_target, is_dispensable
from pipelines.extract.scope import Scope, select_endpoints
from pipelines.extract.second_witness import Witness, find_witness, limit_scope
from pipelines.jumpcloud.auth import open_session
from pipelines.jumpcloud.client import PAGE_SIZE, SEARCH_PAGE_SIZE, JumpCloudClient, page_request
from pipelines.jumpcloud.endpoints import (
    ENDPOINTS,
    ORGANIZATIONS,
    SYSTEMGROUPS,
    SYSTEMGROUPS_ASSOCIATIONS,
    SYSTEMS,
    SYSTEMUSERS,
    USERS_ASSOCIATIONS,
    Endpoint,
    ListId,
)
from pipelines.jumpcloud.errors import (
    ForbiddenError,
    NotFoundError,
    RefusedError,
    TokenError,
    UnauthorizedError,
    WrongOrganizationError,
)
from pipelines.jumpcloud.paginator import check_total
from pipelines.jumpcloud.parsing import parse_page
from pipelines.jumpcloud.reports import REPORTS_SCOPE
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.schema.tables import TABLES

# A user waits for the result, so a second failure is reported.
MAX_TRIES = 2
# The request of a report, a poll at least, and its content.
CALLS_OF_REQUEST = 3
State = Literal["readable", "refused", "failed", "left out", "nothing to ask", "not asked"]


# The fields of both classes are published by `check --json`.
@dataclass(frozen=True)
class EndpointAccess:
    """Result of reading one endpoint.

    Attributes:
        endpoint: name of the endpoint.
        state: `refused`: the key's role may not read it; `left out`: the settings skip it;
            `nothing to ask`: there is no record with such a list; `not asked`: an earlier failure
            made the request pointless, or another list has the same with fewer calls.
        total: number of records; for a list per group or application, those of the first. None if
            the API does not announce it.
        why: message of the failure.
    """

    endpoint: str
    state: State
    total: int | None = None
    why: str = ""

    @property
    def stops_run(self) -> bool:
        """Return True if no run works because of it."""
        goes_on = self.endpoint == ORGANIZATIONS.name or ENDPOINTS[self.endpoint].is_optional
        return self.state == "failed" or (self.state == "refused" and not goes_on)


@dataclass(frozen=True)
class ConnectionCheck:
    """Result of checking a connection.

    Attributes:
        reaches: result of each endpoint, in the order of `ENDPOINTS`.
        organizations: id and name of each organization that the key sees.
        plan: estimate of a run; None if the length of a list is not known.
        problem: reason why a run would fail although every endpoint can be read, or "".
        permissions: permissions of the key; None if no endpoint was read.
        report_problem: reason why there is no report of users and devices to use now, although the
            settings want one, or "".
    """

    reaches: tuple[EndpointAccess, ...]
    organizations: tuple[tuple[str, str | None], ...]
    plan: Plan | None
    problem: str
    permissions: Permissions | None
    report_problem: str = ""

    @property
    def works(self) -> bool:
        """Return True if a run would work."""
        return not self.problem and not any(access.stops_run for access in self.reaches)


def check_connection(
    integration: Integration, on_open: Callable[[JumpCloudClient], None] = lambda _: None
) -> ConnectionCheck:
    """Read one record of each endpoint that a run would read.

    Only GET requests are sent, and for a service account a POST to the token endpoint.

    Args:
        integration: settings of the integration.
        on_open: called with the client before its first call, so that the caller can abort it.

    Raises:
        SettingsError: the credentials or the CA bundle are missing or unusable.
    """
    credentials = load_credentials(integration)
    limiter = get_rate_limiter(credentials.identity, None, integration.max_requests_per_second)
    with open_session(integration, credentials) as session:
        client = JumpCloudClient(session, integration.url, limiter, org_id=integration.org_id)
        client.max_tries = MAX_TRIES
        on_open(client)
        checker = _EndpointChecker(client, integration)
        results = tuple(map(checker.check, ENDPOINTS.values()))
        permissions = None
        if any(access.state in {"readable", "refused"} for access in results):
            read = [one.endpoint for one in results if one.state != "left out"]
            needed = {name: ENDPOINTS[name].scope for name in read}
            if integration.uses_report:
                needed["the report of users and devices"] = REPORTS_SCOPE
            permissions = read_permissions(client, credentials, needed)
    problem = ""
    try:
        check_organization(integration, checker.tables)
    except WrongOrganizationError as error:
        problem = str(error)
    visible = checker.tables.get(ORGANIZATIONS.name, ORGANIZATIONS.schema.empty_table())
    organizations = tuple((row["_id"], row["displayName"]) for row in visible.to_pylist())
    plan = _estimate(integration, results, checker.scope)
    plan = plan and plan.with_calls(checker.report_calls)
    why = checker.report_problem
    return ConnectionCheck(results, organizations, plan, problem, permissions, why)


def missing_without(endpoint: str) -> list[str]:
    """Return the tables, and columns as `table.column`, that have no data without an endpoint."""
    lost = {other.name for other in ENDPOINTS.values() if endpoint in {other.name, other.parent}}
    names = []
    for table in TABLES.values():
        if lost & set(table.endpoints):
            names.append(table.name)
            continue
        names += [
            f"{table.name}.{column.name}"
            for column in table.columns
            if lost & {*column.endpoints, column.source.partition(".")[0]}
        ]
    return names


def can_be_skipped(endpoint: str) -> bool:
    """Return True if the setting `skip_endpoints` accepts an endpoint."""
    return endpoint in get_args(DetailEndpoint)


class _EndpointChecker:
    """Checker of one endpoint after the other; parents are read before their child lists.

    Attributes:
        tables: records read, by endpoint.
        scope: endpoints that the settings include, and devices that a report names.
        report_problem: reason why there is no report to use, or "".
        report_calls: number of calls for the report.
    """

    def __init__(self, client: JumpCloudClient, integration: Integration) -> None:
        self.tables: dict[str, pa.Table] = {}
        self._client = client
        self._integration = integration
        self._targets = integration.association_targets
        self.scope = Scope(select_endpoints(integration), self._targets)
        self.report_problem = ""
        self.report_calls = 0
        self.not_asked = ""
        self._totals: dict[str, int] = {}
        self._refused = False
        self._aborted = False

    def check(self, endpoint: Endpoint) -> EndpointAccess:
        """Read one record of an endpoint."""
        if endpoint is USERS_ASSOCIATIONS and self.tables:
            self._find_report()
        reason = self._skip_reason(endpoint)
        if reason:
            return EndpointAccess(endpoint.name, reason)
        parent_id = self._ids(endpoint.parent)[0] if endpoint.parent else ""
        try:
            total = self._read(endpoint, parent_id)
            self._totals[endpoint.name] = total or 0
            why, self.not_asked = self.not_asked, ""
            return EndpointAccess(endpoint.name, "readable", total, why)
        except InventoryError as error:
            not_found = isinstance(error, NotFoundError)
            if not_found and parent_id and self._is_gone(endpoint.parent, parent_id):
                return EndpointAccess(endpoint.name, "nothing to ask")
            if self._is_refused(endpoint, error):
                self._refused = True
                return EndpointAccess(endpoint.name, "refused", why=str(error))
            bad_key = isinstance(error, UnauthorizedError | TokenError)
            answered = self._refused or bool(self.tables)
            self._aborted = bad_key or not answered
            return EndpointAccess(endpoint.name, "failed", why=str(error))

    def _find_report(self) -> None:
        """Find the report that a run would use, and the devices that it limits the run to."""
        before = self._client.counts.calls
        try:
            witness = find_witness(self._client, self._integration, self.scope, may_request=False)
        except TokenError as error:
            witness = Witness(problem=str(error))
        requested = CALLS_OF_REQUEST if witness.is_requested else 0
        self.report_calls = self._client.counts.calls - before + requested
        self.report_problem = witness.problem
        if witness.report and self._integration.direct_bindings == "report":
            self.scope = limit_scope(self.scope, witness.report)

    def _is_refused(self, endpoint: Endpoint, error: InventoryError) -> bool:
        """Return True if one list is refused; a bad key is refused everywhere, with 401."""
        if isinstance(error, Refusal):
            return endpoint.is_optional or isinstance(error, ForbiddenError)
        if endpoint is not ORGANIZATIONS or not isinstance(error, UnauthorizedError):
            return False
        try:
            self._client.send(page_request(SYSTEMGROUPS, ListId(SYSTEMGROUPS.name), 0, 1))
        except InventoryError as other:
            return not isinstance(other, UnauthorizedError)
        return True

    def _skip_reason(self, endpoint: Endpoint) -> State | None:
        no_targets = endpoint is SYSTEMGROUPS_ASSOCIATIONS and not self._targets
        if endpoint not in self.scope.endpoints or no_targets:
            return "left out"
        if self._aborted or (endpoint.parent and endpoint.parent not in self.tables):
            return "not asked"
        if endpoint.parent and not self._ids(endpoint.parent):
            return "nothing to ask"
        if {SYSTEMS.name, SYSTEMUSERS.name} <= self._totals.keys():
            chosen = choose_binding_list(self.scope.endpoints, self._totals)
            return None if endpoint in chosen else "not asked"
        return None

    def _ids(self, endpoint: str) -> list[str]:
        (path,) = ENDPOINTS[endpoint].key
        return [str(record_id) for record_id in self.tables[endpoint].column(path[0]).to_pylist()]

    def _read(self, endpoint: Endpoint, parent_id: str) -> int | None:
        """Read one record and return the total."""
        if endpoint is ORGANIZATIONS:
            # Read all of them, because the one in the settings must be among them.
            table = self.tables[endpoint.name] = read_organizations(self._client)
            return table.num_rows
        # The API may refuse one type of target and accept the others.
        targets = self._targets if endpoint is SYSTEMGROUPS_ASSOCIATIONS else ("",)
        totals: list[int | None] = []
        refused: dict[str, Refusal] = {}
        for target in targets:
            try:
                totals.append(self._read_list(endpoint, ListId(endpoint.name, parent_id, target)))
            except (ForbiddenError, NotFoundError, RefusedError) as error:
                list_id = ListId(endpoint.name, parent_id, target)
                if target == OPTIONAL_TARGET and is_dispensable(error, list_id):
                    self.not_asked = str(error)
                else:
                    refused[target] = error
        if refused:
            first = next(iter(refused.values()))
            raise explain_target(first, ListId(endpoint.name, parent_id, ",".join(refused)))
        known = [total for total in totals if total is not None]
        return sum(known) if len(known) == len(totals) else None

    def _read_list(self, endpoint: Endpoint, list_id: ListId) -> int | None:
        answer = self._client.send(page_request(endpoint, list_id, 0, 1))
        page = parse_page(endpoint, list_id.parent_id, answer, 0, 1)
        self.tables[endpoint.name] = pa.Table.from_batches([page.rows])
        check_total(page, list_id, needs_total=endpoint.needs_total)
        return page.total

    def _is_gone(self, endpoint: str, record_id: str) -> bool:
        try:
            return self._client.is_gone(ENDPOINTS[endpoint], record_id)
        except InventoryError:
            return False


def _estimate(
    integration: Integration, results: tuple[EndpointAccess, ...], scope: Scope
) -> Plan | None:
    known = {access.endpoint: access.total for access in results}
    refused = {access.endpoint for access in results if access.state == "refused"}
    optional = {one.name for one in ENDPOINTS.values() if one.is_optional} | {ORGANIZATIONS.name}
    known |= dict.fromkeys(refused & optional, 0)
    selected = [
        one
        for one in scope.endpoints
        if not one.is_optional or not refused & {one.name, one.parent}
    ]
    roots = [endpoint for endpoint in selected if not endpoint.parent]
    totals = {root.name: total for root in roots if (total := known[root.name]) is not None}
    limits = {root.name: SEARCH_PAGE_SIZE if root.search_path else PAGE_SIZE for root in roots}
    if totals.keys() != limits.keys():
        return None
    selected = choose_binding_list(selected, totals)
    targets = [
        target
        for target in integration.association_targets
        if target != OPTIONAL_TARGET or not _is_target_refused(results)
    ]
    devices = None if scope.devices is None else len(scope.devices)
    return estimate_calls(totals, limits, selected, len(targets), devices)


def _is_target_refused(results: tuple[EndpointAccess, ...]) -> bool:
    """Return True if the associations can be read, but not those with the optional target."""
    return any(
        access.endpoint == SYSTEMGROUPS_ASSOCIATIONS.name
        and access.state == "readable"
        and bool(access.why)
        for access in results
    )
