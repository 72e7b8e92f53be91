"""Names of integrations that no program which reads the history changes."""

import pytest

from pipelines.config.integration import Integration, find_name_problem


@pytest.mark.parametrize(
    "name",
    [
        *("01", "2024", "1e5", "0x10", "-x", "_a"),
        *(
            "inf",
            "infinity",
            "nan",
            "nat",
            "null",
            "none",
            "true",
            "false",
            "epoch",
            "now",
            "today",
        ),
        *("may", "jan", "september", "dec24", "may-2024", "sat-24", "t10", "m1"),
    ],
)
def test_name_read_as_another_type_is_refused(name: str) -> None:
    assert find_name_problem(name)


@pytest.mark.parametrize(
    "name", ["acme", "team-2024", "us1", "mayor", "march-team", "t", "e5", "sunday-shop", "x_2"]
)
def test_name_read_as_text_is_kept(name: str) -> None:
    assert find_name_problem(name) == ""


def test_age_of_a_report_is_in_hours() -> None:
    for text, hours in (("90m", 1.5), ("12h", 12), ("2d", 48), (3, 3)):
        entry = {"name": "acme", "report_max_age": text}
        assert Integration.model_validate(entry).report_max_age == hours
