"""A key of several organizations: rows come from the one that is meant, or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.jumpcloud.errors import NotFoundError, UnauthorizedError, WrongOrganizationError
from pipelines.simulator import Behavior, Provider, Sizes, generate
from pipelines.simulator.oracle import expected_tables
from tests.support.cli import SERVICE_ACCOUNT
from tests.support.publisher import Pulled

SIZES = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


@pytest.fixture
def provider() -> Provider:
    return Provider(*(generate(seed, SIZES) for seed in (1, 2, 3)))


@pytest.mark.parametrize("key", [{}, SERVICE_ACCOUNT], ids=["API key", "service account"])
@pytest.mark.parametrize("details", [True, False])
def test_the_organization_that_is_set_is_pulled(
    key: dict[str, str], *, details: bool, provider: Provider, pull: Callable[..., Pulled]
) -> None:
    meant = provider.organizations[1]
    pulled = pull(provider, org_id=meant.id, details=details, **key)
    expected = expected_tables(meant, details=details)
    for name in pulled.tables:
        assert pulled.rows(name) == expected[name]


@pytest.mark.parametrize("key", [{}, SERVICE_ACCOUNT], ids=["API key", "service account"])
def test_none_that_is_set_asks_for_one(
    key: dict[str, str], provider: Provider, pull: Callable[..., Pulled]
) -> None:
    with pytest.raises(UnauthorizedError, match="several organizations and none is selected"):
        pull(provider, **key)


def test_one_that_is_none_of_the_keys_is_named(
    provider: Provider, pull: Callable[..., Pulled]
) -> None:
    gone = provider.organizations.pop()
    with pytest.raises(NotFoundError, match=f"is org_id {gone.id} an organization of this key"):
        pull(provider, org_id=gone.id)


@pytest.mark.parametrize("details", [True, False])
def test_rows_of_another_organization_are_refused_and_not_kept(
    *, details: bool, provider: Provider, pull: Callable[..., Pulled], state: Path
) -> None:
    first, meant, _ = provider.organizations
    behavior = Behavior(default_organization=True)
    # Whichever list comes first tells.
    words = (
        rf"'acme': system(group)?s of the organization {first.id} came instead of org_id {meant.id}"
    )
    with pytest.raises(WrongOrganizationError, match=words):
        pull(provider, behavior, org_id=meant.id, details=details)
    assert not (state / "spool" / "acme").exists()


def test_devices_tell_of_another_organization_where_groups_are_too_old_to(
    provider: Provider, pull: Callable[..., Pulled]
) -> None:
    first, meant, _ = provider.organizations
    for group_id in first.system_groups:
        first.update(group_id, organizationObjectId=None)
    with pytest.raises(WrongOrganizationError, match=f"systems of the organization {first.id}"):
        pull(provider, Behavior(default_organization=True), org_id=meant.id)


def test_a_default_organization_is_not_taken_for_the_one_that_is_meant(
    provider: Provider, pull: Callable[..., Pulled]
) -> None:
    behavior = Behavior(default_organization=True)
    with pytest.raises(WrongOrganizationError, match="the key sees 3 organizations; set org_id to"):
        pull(provider, behavior)
    stranger = "64b0c0de00000000000000ff"
    with pytest.raises(
        WrongOrganizationError, match=f"cannot see the organization of .* {stranger}"
    ):
        pull(provider, behavior, org_id=stranger)
