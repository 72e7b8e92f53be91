"""The connection check finds what a run would meet, and only reads."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import ALL_TARGETS, AssociationTarget, Integration
from pipelines.extract.connection_check import check_connection, missing_without
from pipelines.jumpcloud.endpoints import ENDPOINTS, ORGANIZATIONS
from pipelines.jumpcloud.errors import ExtractError
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Behavior, Fault, Organization, Provider, Server, Sizes, generate
from tests.support.cli import SERVICE_ACCOUNT
from tests.support.publisher import Pulled

pytestmark = pytest.mark.usefixtures("no_waiting")
SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
# The names by which the simulator denies endpoints.
COLLECTIONS = {name: name.replace("_", "/") for name in ENDPOINTS}


@pytest.fixture
def quick(
    serve: Callable[..., Server], integration: Callable[..., Integration]
) -> Callable[..., tuple[Server, Integration]]:
    """Return an integration with a fast saved rate."""

    def make(
        holder: Organization | Provider, behavior: Behavior | None = None, **settings: object
    ) -> tuple[Server, Integration]:
        server = serve(holder, behavior)
        acme = integration(server, **settings)
        get_rate_limiter(load_credentials(acme).identity, MAX_SAVED_RATE, None)
        return server, acme

    return make


def test_plan_equals_the_plan_of_a_run(
    quick: Callable[..., tuple[Server, Integration]], pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=Sizes(systems=250, users=120, system_groups=8, applications=3))
    for settings in ({}, {"details": False}, {"skip_endpoints": ["applications"]}):
        plan = check_connection(quick(organization, **settings)[1]).plan
        assert plan == pull(organization, **settings).pull.plan


def test_check_uses_the_report_as_a_run_does(
    quick: Callable[..., tuple[Server, Integration]], pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=SMALL)
    fresh = Behavior(report_age=timedelta(hours=2))
    organization.account.scopes |= {"directoryinsights.readonly"}
    server, acme = quick(organization, fresh, direct_bindings="report", **SERVICE_ACCOUNT)
    result = check_connection(acme)
    assert result.plan == pull(organization, fresh, direct_bindings="report").pull.plan
    assert (result.works, result.report_problem) == (True, "")
    states = {access.endpoint: access.state for access in result.reaches}
    assert (states["users_associations"], states["systems_associations"]) == (
        "left out",
        "readable",
    )
    organization.account.scopes -= {"directoryinsights.readonly"}
    found = check_connection(acme).permissions
    assert found
    assert found.missing_scopes["directoryinsights.readonly"] == (
        "the report of users and devices",
    )
    assert server.writes == []


@pytest.mark.parametrize(
    ("denied", "may_request", "problem", "calls"),
    [
        ({"insights"}, True, "directoryinsights.readonly", 1),
        (set(), False, "request_reports is false", 1),
        (set(), True, "a run requests one", 4),
    ],
)
def test_check_without_a_report_plans_to_read_all(
    denied: set[str],
    may_request: bool,  # noqa: FBT001 -- a parameter of the test
    problem: str,
    calls: int,
    quick: Callable[..., tuple[Server, Integration]],
) -> None:
    organization = generate(sizes=SMALL)
    settings = {"direct_bindings": "report", "request_reports": may_request}
    server, acme = quick(organization, Behavior(denied=denied), **settings)
    result = check_connection(acme)
    assert result.works
    assert problem in result.report_problem
    all_read = check_connection(quick(organization)[1]).plan
    assert all_read
    assert result.plan == all_read.with_calls(calls)
    assert [call.method for call in server.calls if "insights" in call.path] == ["GET"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_check_works_if_a_run_works(
    endpoint: str,
    quick: Callable[..., tuple[Server, Integration]],
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SMALL)
    denied = Behavior(denied={COLLECTIONS[endpoint]})
    for settings in ({}, {"details": False}, {"skip_endpoints": ["applications"]}):
        result = check_connection(quick(organization, denied, **settings)[1])
        states = {access.endpoint: access.state for access in result.reaches}
        if result.works:
            assert states[endpoint] in {"left out", "refused", "not asked"}
            optional = endpoint == ORGANIZATIONS.name or ENDPOINTS[endpoint].is_optional
            assert states[endpoint] == "left out" or optional
            assert result.plan
            pulled = pull(organization, denied, **settings).pull
            assert result.plan is not None
            assert endpoint not in {read.name for read in pulled.scope.endpoints}
            assert endpoint not in pulled.completeness["endpoint"].to_pylist()
        else:
            assert states[endpoint] == "refused"
            with pytest.raises(ExtractError):
                pull(organization, denied, **settings)


@pytest.mark.parametrize(
    ("silent", "failing"),
    [
        (Behavior(totals=False), {"systemgroups_members", "usergroups_members"}),
        (
            Behavior(v1_totals=False),
            {"systems", "systemusers", "applications", "commands", "radiusservers"},
        ),
    ],
    ids=["v2", "v1"],
)
def test_list_without_total_fails_like_a_run(
    silent: Behavior,
    failing: set[str],
    quick: Callable[..., tuple[Server, Integration]],
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SMALL)
    result = check_connection(quick(organization, silent)[1])
    assert {access.endpoint for access in result.reaches if access.state == "failed"} == failing
    assert not result.works
    with pytest.raises(ExtractError) as refused:
        pull(organization, silent)
    messages = [access.why for access in result.reaches if access.why]
    assert all("announces no total" in message for message in messages)
    assert "announces no total" in str(refused.value)


@pytest.mark.parametrize("status", [400, 403])
def test_refused_radius_target_is_not_asked(
    status: int,
    quick: Callable[..., tuple[Server, Integration]],
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SMALL)
    fault = Fault("associations.*targets=radius_server(&|$)", "status", status=status)
    denied = Behavior(faults=[fault])
    result = check_connection(quick(organization, denied)[1])
    assert result.works
    pulled = pull(organization, denied).pull
    assert list(pulled.scope.targets) == [one for one in ALL_TARGETS if one != "radius_server"]
    assert list(pulled.refusals) == ["systemgroups_associations"]
    assert "radius_server" not in pulled.completeness["target"].to_pylist()


@pytest.mark.parametrize("target", [one for one in ALL_TARGETS if one != "radius_server"])
def test_refused_target_is_detected(
    target: AssociationTarget,
    quick: Callable[..., tuple[Server, Integration]],
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SMALL)
    denied = Behavior(faults=[Fault(f"associations.*targets={target}(&|$)", "forbidden")])
    result = check_connection(quick(organization, denied)[1])
    assert not result.works
    (refused,) = (access for access in result.reaches if access.state == "refused")
    assert (refused.endpoint, refused.state) == ("systemgroups_associations", "refused")
    remedy = f'leave the refused "{target}" out of association_targets'
    assert remedy in refused.why
    with pytest.raises(ExtractError, match=remedy):
        pull(organization, denied)
    others = [other for other in ALL_TARGETS if other != target]
    pull(organization, denied, association_targets=others)


def test_tables_and_columns_of_an_endpoint_are_missing() -> None:
    assert missing_without("organizations") == [
        "integrations.organization_id",
        "integrations.organization_name",
    ]
    assert missing_without("systems") == [
        "systems",
        "ipv4_addresses",
        "system_ipv4_addresses",
        "system_ip_addresses",
        "system_local_accounts",
        "custom_attributes",
    ]
    assert "system_groups" in missing_without("systemgroups")
    assert "system_group_members" in missing_without("systemgroups")


def test_endpoint_failure_leaves_others_readable(
    quick: Callable[..., tuple[Server, Integration]],
) -> None:
    faults = [Fault("/systemgroups$", "status", times=1), Fault("/systemusers", "status")]
    _, acme = quick(generate(sizes=SMALL), Behavior(faults=faults))
    result = check_connection(acme)
    failed = {access.endpoint: access.why for access in result.reaches if access.state == "failed"}
    assert list(failed) == ["systemusers"]
    assert "failed with status 503" in failed["systemusers"]
    assert not result.works


def test_deleted_group_is_not_a_failure(
    quick: Callable[..., tuple[Server, Integration]],
) -> None:
    organization = generate(sizes=Sizes(systems=3, users=3, system_groups=1, applications=0))
    organization.vanished.update(organization.system_groups)
    result = check_connection(quick(organization)[1])
    states = {access.endpoint: access.state for access in result.reaches}
    assert states["systemgroups_members"] == "nothing to ask"
    assert states["applications_users"] == "nothing to ask"
    assert result.works
