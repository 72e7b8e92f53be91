"""The connection test: one read of each endpoint, so that a person knows what a run would meet."""

from dataclasses import dataclass
from typing import Literal, get_args

import pyarrow as pa

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import DetailEndpoint, Integration
from pipelines.errors import InventoryError
from pipelines.extract.estimate import Plan, estimate_calls
from pipelines.extract.organizations import (
    check_organization_visible,
    check_record_organizations,
    read_organizations,
)
from pipelines.extract.paginator import missing_total_error
from pipelines.extract.pull import select_endpoints
from pipelines.jumpcloud.auth import open_session
from pipelines.jumpcloud.client import JumpCloudClient
from pipelines.jumpcloud.endpoints import (
    ENDPOINTS,
    ORGANIZATIONS,
    SYSTEMGROUPS_ASSOCIATIONS,
    Endpoint,
    ListId,
)
from pipelines.jumpcloud.errors import (
    ForbiddenError,
    NotFoundError,
    TokenError,
    UnauthorizedError,
    WrongOrganizationError,
)
from pipelines.jumpcloud.parsing import parse_page
from pipelines.jumpcloud.requests import PAGE_SIZE, SEARCH_PAGE_SIZE, is_gone, page_request
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.schema.tables import TABLES

# A person waits: one failure may pass, a second one is told.
MAX_TRIES = 2
State = Literal["readable", "refused", "failed", "left out", "nothing to ask", "not asked"]


@dataclass(frozen=True)
class EndpointAccess:
    """What one endpoint answered.

    Attributes:
        endpoint: its name.
        state: `refused` where the key's role may not read it; `left out` by the settings;
            `nothing to ask` where there is no group or application whose list it would be;
            `not asked` after a failure that says enough.
        total: records that the API announces; of a list of each group or application, those of
            the first. None where it does not say.
        why: the failure in words.
    """

    endpoint: str
    state: State
    total: int | None = None
    why: str = ""


@dataclass(frozen=True)
class ConnectionCheck:
    """What the key can read.

    Attributes:
        reaches: each endpoint, in the order of `ENDPOINTS`.
        organizations: id and name of each organization that the key sees.
        plan: what a run would read; None where not every list says how long it is.
        problem: why a run would be refused although everything is readable; else empty.
    """

    reaches: tuple[EndpointAccess, ...]
    organizations: tuple[tuple[str, str | None], ...]
    plan: Plan | None
    problem: str

    @property
    def works(self) -> bool:
        """Whether a run would work."""
        return not self.problem and not any(
            each.state in {"refused", "failed"} for each in self.reaches
        )


def check_connection(integration: Integration) -> ConnectionCheck:
    """Read a record of each endpoint that a run would read.

    It sends nothing but GET, and for a service account a POST to the token endpoint.

    Raises:
        SettingsError: there is no usable key or CA bundle.
    """
    credentials = load_credentials(integration)
    throttle = get_rate_limiter(credentials.identity, None, integration.max_requests_per_second)
    with open_session(integration, credentials) as session:
        client = JumpCloudClient(session, integration.url, throttle, org_id=integration.org_id)
        client.max_tries = MAX_TRIES
        probe = _Probe(client, integration)
        reaches = tuple(map(probe.reach, ENDPOINTS.values()))
    seen = probe.tables.get(ORGANIZATIONS.name, ORGANIZATIONS.schema.empty_table())
    return ConnectionCheck(
        reaches,
        tuple((row["_id"], row["displayName"]) for row in seen.to_pylist()),
        _plan(integration, reaches),
        _problem(integration, probe.tables),
    )


def missing_without(endpoint: str) -> list[str]:
    """Tables, and columns as `table.column`, that say nothing unless the endpoint is pulled."""
    lost = {each.name for each in ENDPOINTS.values() if endpoint in {each.name, each.parent}}
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
    """Whether `skip_endpoints` may name it."""
    return endpoint in get_args(DetailEndpoint)


class _Probe:
    """Asks one endpoint after the other, and remembers whose lists the later ones need.

    Attributes:
        tables: what was read, by endpoint.
    """

    def __init__(self, client: JumpCloudClient, integration: Integration) -> None:
        self.tables: dict[str, pa.Table] = {}
        self._client = client
        self._targets = integration.association_targets
        self._asked_for = select_endpoints(integration)
        self._has_answered = False
        self._is_over = False

    def reach(self, endpoint: Endpoint) -> EndpointAccess:
        """Read a record of the endpoint."""
        reason = self._reason_not_to_ask(endpoint)
        if reason:
            return EndpointAccess(endpoint.name, reason)
        parent_id = self._first_ids(endpoint.parent)[0] if endpoint.parent else ""
        try:
            return EndpointAccess(endpoint.name, "readable", self._read(endpoint, parent_id))
        except ForbiddenError as error:
            self._has_answered = True
            return EndpointAccess(endpoint.name, "refused", why=str(error))
        except InventoryError as error:
            if (
                isinstance(error, NotFoundError)
                and parent_id
                and self._is_gone(endpoint, parent_id)
            ):
                return EndpointAccess(endpoint.name, "nothing to ask")
            is_of_all = isinstance(error, UnauthorizedError | TokenError)
            self._is_over = is_of_all or not self._has_answered
            return EndpointAccess(endpoint.name, "failed", why=str(error))

    def _reason_not_to_ask(self, endpoint: Endpoint) -> State | None:
        has_no_target = endpoint is SYSTEMGROUPS_ASSOCIATIONS and not self._targets
        if endpoint not in self._asked_for or has_no_target:
            return "left out"
        if self._is_over or (endpoint.parent and endpoint.parent not in self.tables):
            return "not asked"
        if endpoint.parent and not self._first_ids(endpoint.parent):
            return "nothing to ask"
        return None

    def _first_ids(self, endpoint: str) -> list[str]:
        (path,) = ENDPOINTS[endpoint].key
        return [str(each) for each in self.tables[endpoint].column(path[0]).to_pylist()]

    def _read(self, endpoint: Endpoint, parent_id: str) -> int | None:
        """Read a record; how many there are."""
        if endpoint is ORGANIZATIONS:
            # All of them: which organization is meant must be among them.
            table = read_organizations(self._client)
            self._keep(endpoint, table)
            return table.num_rows
        # The API may refuse one kind of target and give the others.
        targets = self._targets if endpoint is SYSTEMGROUPS_ASSOCIATIONS else ("",)
        totals = [
            self._read_list(endpoint, ListId(endpoint.name, parent_id, target))
            for target in targets
        ]
        known = [total for total in totals if total is not None]
        return sum(known) if len(known) == len(totals) else None

    def _read_list(self, endpoint: Endpoint, list_id: ListId) -> int | None:
        answer = self._client.send(page_request(endpoint, list_id, 0, 1))
        page = parse_page(endpoint, list_id.parent_id, answer, 0, 1)
        self._keep(endpoint, pa.Table.from_batches([page.rows]))
        if page.total is None and endpoint.may_have_holes:
            raise missing_total_error(list_id)
        return page.total

    def _keep(self, endpoint: Endpoint, table: pa.Table) -> None:
        self._has_answered = True
        self.tables[endpoint.name] = table

    def _is_gone(self, endpoint: Endpoint, parent_id: str) -> bool:
        try:
            return is_gone(self._client, ENDPOINTS[endpoint.parent], parent_id)
        except InventoryError:
            return False


def _problem(integration: Integration, tables: dict[str, pa.Table]) -> str:
    try:
        if ORGANIZATIONS.name in tables:
            check_organization_visible(integration, tables[ORGANIZATIONS.name])
        check_record_organizations(integration, tables)
    except WrongOrganizationError as error:
        return str(error)
    return ""


def _plan(integration: Integration, reaches: tuple[EndpointAccess, ...]) -> Plan | None:
    endpoints = [each for each in select_endpoints(integration) if not each.parent]
    found = {each.endpoint: each.total for each in reaches if each.total is not None}
    totals = {each.name: found[each.name] for each in endpoints if each.name in found}
    if len(totals) < len(endpoints):
        return None
    limits = {e.name: SEARCH_PAGE_SIZE if e.search_path else PAGE_SIZE for e in endpoints}
    targets = len(integration.association_targets)
    return estimate_calls(totals, limits, select_endpoints(integration), targets)
