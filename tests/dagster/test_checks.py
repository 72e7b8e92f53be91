"""The asset checks of findings."""

from collections.abc import Callable, Iterator
from typing import cast

import dagster as dg
import pytest

from assets_defs.checks import findings
from pipelines.findings.catalog import FINDINGS
from pipelines.simulator import Sizes, generate
from pipelines.workspace import Workspace
from tests.support.planted_findings import planted_findings
from tests.support.publisher import FIRST_DAY, Publisher, Pulled

MOST = 10
Check = Callable[[], dict[str, dg.AssetCheckResult]]


@pytest.fixture
def check(publisher: Publisher) -> Check:
    """Return a function that runs the checks on the published file."""
    resources = {"workspace": Workspace(publisher.home)}

    def run() -> dict[str, dg.AssetCheckResult]:
        context = dg.build_asset_check_context(resources=resources)
        results = cast("Iterator[dg.AssetCheckResult]", findings(context))
        return {str(each.check_name): each for each in results}

    return run


def test_check_counts_findings_by_integration(
    check: Check, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulled = pull(planted_findings(1, FIRST_DAY))
    publisher.publish(pulled, "acme")
    alone = check()["suspended_users_with_access"]
    publisher.publish(pulled, "globex")
    publisher.publish(pull(generate(sizes=Sizes.empty())), "empty")
    result = check()["suspended_users_with_access"]
    assert not result.passed
    count = alone.metadata["count"].value
    assert isinstance(count, int)
    assert f": {count} (findings." in str(alone.description)
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
