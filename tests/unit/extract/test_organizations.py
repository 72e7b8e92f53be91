"""A key of several organizations: the records are of the one in the settings, or the pull fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.config.integration import Integration
from pipelines.extract.connection_check import check_connection
from pipelines.jumpcloud.endpoints import ORGANIZATIONS
from pipelines.jumpcloud.errors import NotFoundError, UnauthorizedError, WrongOrganizationError
from pipelines.simulator import Behavior, Fault, Provider, Server, Sizes, generate
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


REFUSALS = {
    "403": Behavior(denied_to_service_accounts={"organizations"}),
    "401": Behavior(faults=[Fault("/api/organizations", "status", status=401)]),
}


@pytest.mark.parametrize(
    ("refusal", "key"), [("403", SERVICE_ACCOUNT), ("401", SERVICE_ACCOUNT), ("401", {})]
)
def test_service_account_needs_no_list_of_organizations(
    refusal: str,
    key: dict[str, str],
    pull: Callable[..., Pulled],
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
) -> None:
    organization = generate(sizes=SIZES)
    expected = expected_tables(organization)
    settings = {"org_id": organization.id, **key}
    pulled = pull(organization, REFUSALS[refusal], **settings)
    for name in pulled.tables:
        assert pulled.rows(name) == expected[name]
    assert ORGANIZATIONS not in pulled.pull.scope.endpoints
    assert (
        f"/api/organizations: {'Jump' if refusal == '401' else 'the key'}" in pulled.pull.unproven
    )
    assert f"by the records alone that they are of {organization.id}" in pulled.pull.unproven
    result = check_connection(integration(serve(organization, REFUSALS[refusal]), **settings))
    assert result.works
    assert result.reaches[0].state == "refused"


def test_unproven_organization_is_reported(pull: Callable[..., Pulled]) -> None:
    organization, refused = generate(sizes=SIZES), Behavior(denied={"organizations"})
    pulled = pull(organization, refused)
    assert f"the records name {organization.id}; set org_id" in pulled.pull.unproven
    assert pulled.pull.organization_id == organization.id
    for record_id in (*organization.system_groups, *organization.systems):
        organization.update(record_id, organization=None, organizationObjectId=None)
    pulled = pull(organization, refused)
    assert "nothing shows that the records are of the right organization" in pulled.pull.unproven
    pulled = pull(organization, skip_endpoints=["organizations"])
    assert pulled.pull.unproven == ""
    assert pulled.pull.organization_id is None


def test_records_of_several_organizations_require_org_id(pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SIZES)
    other = "64b0c0de00000000000000ff"
    organization.update(next(iter(organization.systems)), organization=other)
    with pytest.raises(WrongOrganizationError, match="records are of 2 organizations; set org_id"):
        pull(organization, skip_endpoints=["organizations"])


def test_single_organization_is_a_list_of_one(pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SIZES)
    pulled = pull(organization, Behavior(single_organization=True), org_id=organization.id)
    (row,) = pulled.pull.tables["organizations"].to_pylist()
    assert row == {"_id": organization.id, "displayName": organization.name}
