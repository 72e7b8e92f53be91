"""The asset checks of findings."""

from collections.abc import Callable

import dagster as dg
import pytest

from assets_defs.checks import RemovalGuard, finding_results
from pipelines.config.integration import Integration
from pipelines.findings.catalog import FINDINGS
from pipelines.history.removal_guard import accept_hint
from pipelines.schema.tables import SYSTEMS
from pipelines.simulator import Sizes, generate
from pipelines.workspace import Workspace
from tests.support.planted_findings import planted_findings
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, on_day

MOST = 10
Check = Callable[..., dict[str, dg.AssetCheckResult]]


@pytest.fixture
def check(publisher: Publisher) -> Check:
    """Return a function that runs the checks on the published file, in a run of an integration."""

    def run(integration: str | None = None) -> dict[str, dg.AssetCheckResult]:
        results = finding_results(Workspace(publisher.home), integration)
        return {str(each.check_name): each for each in results}

    return run


def test_run_counts_findings_of_its_own_integration(
    check: Check, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(pull(planted_findings(1, FIRST_DAY)), "acme")
    publisher.publish(pull(generate(sizes=Sizes.empty())), "globex")
    results = check("acme")
    result = results["suspended_users_with_access"]
    assert not result.passed
    count = result.metadata["count"].value
    assert f": acme {count} (findings." in str(result.description)
    assert str(result.metadata["first"].value).startswith("acme/")
    assert all("globex" not in f"{each.description} {each.metadata}" for each in results.values())
    assert all(each.passed for each in check("globex").values())


def test_check_without_integration_counts_each(
    check: Check, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulled = pull(planted_findings(1, FIRST_DAY))
    publisher.publish(pulled, "acme")
    count = check()["suspended_users_with_access"].metadata["count"].value
    assert isinstance(count, int)
    publisher.publish(pulled, "globex")
    result = check()["suspended_users_with_access"]
    assert f": acme {count}, globex {count}, in all {2 * count} (" in str(result.description)
    assert result.metadata["count"].value == 2 * count
    assert result.metadata["by_integration"].value == f"acme {count}, globex {count}"
    names = str(result.metadata["first"].value).split(", ")
    assert {each.partition("/")[0] for each in names} <= {"acme", "globex"}


def test_check_of_many_integrations_names_the_largest_counts(
    check: Check, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=Sizes.empty())
    organization.add_group("Empty")
    pulled = pull(organization)
    for number in range(MOST + 2):
        publisher.publish(pulled, f"few-{number:02}")
    organization.add_group("Empty, too")
    publisher.publish(pull(organization), "most")
    result = check()["groups_without_members"]
    shown = str(result.metadata["by_integration"].value)
    assert shown.startswith("most 2, few-00 1, ")
    assert shown.endswith(", few-08 1 and 3 more")
    assert f": {shown}, in all {MOST + 4} (" in str(result.description)


def test_check_names_integrations_with_unknown_findings(
    check: Check, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(pull(planted_findings(1, FIRST_DAY), details=False))
    result = check()["users_without_mfa_with_sudo"]
    assert result.metadata["not_known_of"].value == "acme"


def test_unreadable_findings_are_a_warning(check: Check, publisher: Publisher) -> None:
    publisher.file.parent.mkdir(parents=True, exist_ok=True)
    publisher.file.write_bytes(b"no database")
    results = check()
    assert len(results) == len(FINDINGS)
    for result in results.values():
        assert not result.passed
        assert result.severity == dg.AssetCheckSeverity.WARN
        assert "cannot be opened" in str(result.description)


def test_accepted_removals_stop_again_when_worse(
    integration: Callable[..., Integration], pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulled = pull(generate(sizes=Sizes(systems=60, users=5, system_groups=2, applications=1)))
    publisher.publish(on_day(0, pulled))
    systems, workspace = pulled.tables["systems"], Workspace(publisher.home)
    acme = integration(pulled.server)

    def stop(left: int) -> str:
        guard = RemovalGuard(workspace, acme, pulled.pull.completeness, accept_removals=False)
        (result,) = guard.results(SYSTEMS, systems.slice(0, left))
        assert str(result.description).startswith(f"acme: {60 - left} of 60 systems vanished")
        hint = guard.record_stop()
        assert result.passed is (hint == "")
        return hint

    assert stop(30) == accept_hint("acme")
    workspace.removal_file("acme").accept()
    assert stop(20)
    assert stop(30)  # the acceptance has ended
    workspace.removal_file("acme").accept()
    assert not stop(30)
    publisher.publish(on_day(1, pulled))  # the devices came back
    assert stop(30)
