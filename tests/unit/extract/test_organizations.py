"""A key of several organizations: the records are of the one in the settings, or the pull fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.jumpcloud.errors import NotFoundError, UnauthorizedError, WrongOrganizationError
from pipelines.simulator import Behavior, Provider, Sizes, generate
from tests.oracle import expected_tables
from tests.support.cli import SERVICE_ACCOUNT
from tests.support.publisher import Pulled

SIZES = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


@pytest.fixture
def provider() -> Provider:
    return Provider(*(generate(seed, SIZES) for seed in (1, 2, 3)))


@pytest.mark.parametrize("key", [{}, SERVICE_ACCOUNT], ids=["API key", "service account"])
@pytest.mark.parametrize("details", [True, False])
def test_organization_of_the_settings_is_pulled(
    key: dict[str, str], *, details: bool, provider: Provider, pull: Callable[..., Pulled]
) -> None:
    chosen = provider.organizations[1]
    pulled = pull(provider, org_id=chosen.id, details=details, **key)
    expected = expected_tables(chosen, details=details)
    for name in pulled.tables:
        assert pulled.rows(name) == expected[name]


@pytest.mark.parametrize("key", [{}, SERVICE_ACCOUNT], ids=["API key", "service account"])
def test_several_organizations_require_org_id(
    key: dict[str, str], provider: Provider, pull: Callable[..., Pulled]
) -> None:
    with pytest.raises(UnauthorizedError, match="several organizations and none is selected"):
        pull(provider, **key)


def test_org_id_of_another_key_fails_with_its_name(
    provider: Provider, pull: Callable[..., Pulled]
) -> None:
    gone = provider.organizations.pop()
    with pytest.raises(NotFoundError, match=f"is org_id {gone.id} an organization of this key"):
        pull(provider, org_id=gone.id)


@pytest.mark.parametrize("details", [True, False])
def test_records_of_another_organization_fail_and_are_removed(
    *, details: bool, provider: Provider, pull: Callable[..., Pulled], state: Path
) -> None:
    first, chosen, _ = provider.organizations
    behavior = Behavior(default_organization=True)
    # The list that arrives first is named.
    message = (
        rf"'acme': system(group)?s of the organization {first.id} came "
        rf"instead of org_id {chosen.id}"
    )
    with pytest.raises(WrongOrganizationError, match=message):
        pull(provider, behavior, org_id=chosen.id, details=details)
    assert not (state / "spool" / "acme").exists()


def test_systems_reveal_another_organization_without_groups(
    provider: Provider, pull: Callable[..., Pulled]
) -> None:
    first, chosen, _ = provider.organizations
    for group_id in first.system_groups:
        first.update(group_id, organizationObjectId=None)
    with pytest.raises(WrongOrganizationError, match=f"systems of the organization {first.id}"):
        pull(provider, Behavior(default_organization=True), org_id=chosen.id)


def test_default_organization_of_a_key_is_not_pulled(
    provider: Provider, pull: Callable[..., Pulled]
) -> None:
    behavior = Behavior(default_organization=True)
    with pytest.raises(WrongOrganizationError, match="the key sees 3 organizations; set org_id to"):
        pull(provider, behavior)
    unknown = "64b0c0de00000000000000ff"
    with pytest.raises(
        WrongOrganizationError, match=f"cannot see the organization of .* {unknown}"
    ):
        pull(provider, behavior, org_id=unknown)
