"""Fields that the API starts to send are noticed by name, and nothing of them is kept."""

from collections.abc import Callable

import pytest

from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.jumpcloud.unknown_fields import MAX_NAMES, unknown_fields
from pipelines.simulator import Behavior, Organization, Sizes, generate
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Pulled

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
# These lists send whole records, with every field.
WHOLE = Behavior(whole_records=True)


@pytest.mark.parametrize("make", [lambda: generate(sizes=SMALL), edge_cases])
def test_current_fields_are_all_known(
    make: Callable[[], Organization], pull: Callable[..., Pulled]
) -> None:
    assert not any(pull(make(), WHOLE).pull.unknown_fields.values())


def test_new_field_is_named_without_its_value(pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SMALL)
    organization.update(next(iter(organization.systems)), riskScore="value-of-it", newToken="t")
    organization.update(next(iter(organization.system_groups)), tags=["x"])
    pulled = pull(organization, WHOLE)
    found = {name: names for name, names in pulled.pull.unknown_fields.items() if names}
    assert found == {"systems": {"newToken", "riskScore"}, "systemgroups": {"tags"}}
    assert "value-of-it" not in str(pulled.pull.tables["systems"].to_pylist())
    assert "riskScore" not in pulled.pull.tables["systems"].column_names


def test_unknown_fields_are_filtered_and_bounded() -> None:
    systems = ENDPOINTS["systems"]
    odd = [
        "jane.doe@example.com",
        "64b0c0de00000000000000ff",
        "a" * 65,
        "two words",
        "jca_4f9Qe81LmT2a7Zx",
        "<script>",
        "",
        "été",
    ]
    assert unknown_fields(systems, [dict.fromkeys(odd), {"good-name.v2": 1}]) == {"good-name.v2"}
    many = [{f"field_{letter}{other}": 1} for letter in "abcdefgh" for other in "abcdefgh"]
    assert len(unknown_fields(systems, many)) == MAX_NAMES
    assert unknown_fields(systems, []) == set()
