"""Only the custom attributes that the settings name leave the response."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.config.integration import Integration
from pipelines.extract.pull import pull_organization
from pipelines.simulator import Behavior, Server, Sizes, generate

SMALL = Sizes(systems=5, users=4, system_groups=1, user_groups=1)


@pytest.mark.parametrize("search", [True, False])
@pytest.mark.parametrize("names", [[], ["costCode"]])
def test_only_named_attributes_reach_a_file(
    names: list[str],
    *,
    search: bool,
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    state: Path,
) -> None:
    organization = generate(sizes=SMALL)
    # An API that ignores `fields` sends all attributes.
    server = serve(organization, Behavior(whole_records=True, search=search))
    pulled = pull_organization(integration(server, custom_attributes=names), state)
    files = b"".join(path.read_bytes() for path in state.rglob("*.arrow"))
    assert not [secret for secret in organization.secrets() if secret.encode() in files]
    assert (b"doorCode" in files, b"costCode" in files) == (False, bool(names))
    for name, records in (("systems", organization.systems), ("systemusers", organization.users)):
        found = pulled.tables[name].select(["_id", "attributes"]).to_pylist()
        assert {row["_id"]: row["attributes"] for row in found} == {
            key: [one for one in record["attributes"] if one["name"] in names]
            for key, record in records.items()
        }


def test_attributes_are_requested_only_if_named(
    serve: Callable[..., Server], integration: Callable[..., Integration], state: Path
) -> None:
    server = serve(generate(sizes=SMALL), Behavior(search=False))
    asked: list[set[str]] = []
    numbers = [0]
    for names in ([], ["costCode"]):
        pull_organization(integration(server, custom_attributes=names), state)
        calls = server.calls[sum(numbers) :]
        asked.append({call.path for call in calls if "+attributes" in call.query})
        numbers.append(len(calls))
    assert asked == [set(), {"/api/systems", "/api/systemusers"}]
    assert numbers[1] == numbers[2]
