"""The command `findings`: counts, new rows, exit codes and the formats of CI systems."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from click.testing import Result

from pipelines.findings.catalog import FINDINGS
from pipelines.simulator import generate
from tests.support.finding_schemas import SARIF
from tests.support.planted_findings import planted_findings
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, on_day

ODD = 'new "<device>" \x07 & more'
LEVELS = {"high": "error", "medium": "warning", "low": "note"}


@pytest.fixture(scope="module")
def home(pull_once: Callable[..., Pulled], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish `acme` twice, with a device more, and `blind`, which reads nearly nothing."""
    publisher = Publisher(tmp_path_factory.mktemp("home"))
    organization = planted_findings(1, FIRST_DAY)
    publisher.publish(on_day(0, pull_once(organization)))
    organization.add_system(hostname=ODD)
    publisher.publish(on_day(1, pull_once(organization)))
    blind = pull_once(generate(now=FIRST_DAY), details=False)
    publisher.publish(on_day(1, blind), "blind")
    return publisher.home


@pytest.fixture(autouse=True)
def published(publisher: Publisher, home: Path) -> Publisher:
    shutil.copytree(home, publisher.home)
    return publisher


@pytest.fixture
def opened(published: Publisher) -> Counter[str]:
    """Return the number of rows of each finding of `acme` that its latest snapshot opened."""
    rows = published.rows(
        "FROM findings.latest_changes WHERE integration = 'acme' AND change = 'opened'"
    )
    return Counter(str(row["finding"]) for row in rows)


@pytest.fixture
def counts(published: Publisher) -> dict[str, int]:
    """Return the number of rows of each finding of `acme`."""
    return {
        one.name: len(published.rows(f"FROM findings.{one.name} WHERE integration = 'acme'"))
        for one in FINDINGS
    }


def acme(ask: Callable[..., Result], *arguments: str) -> Result:
    return ask("findings", "--integration", "acme", *arguments)


def parse(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 -- our own output


def test_json_has_each_finding_with_its_rows(
    ask: Callable[..., Result],
    published: Publisher,
    counts: dict[str, int],
    opened: Counter[str],
) -> None:
    checks = json.loads(acme(ask, "--format", "json").stdout)
    assert {one["finding"]: one["open"] for one in checks} == counts
    assert all(len(one["assets"]) == one["open"] for one in checks)
    questions = published.rows("FROM findings.questions WHERE integration = 'acme'")
    assert {one["finding"]: one["asked"] for one in checks} == {
        row["finding"]: row["answerable"] for row in questions
    }
    assert {one["finding"]: one["new"] for one in checks if one["new"]} == opened
    assert opened["systems_in_no_group"] == 1
    fresh = json.loads(acme(ask, "--format", "json", "--new").stdout)
    assert {one["finding"]: one["open"] for one in fresh if one["open"]} == opened
    assert ODD in {asset["asset_name"] for one in fresh for asset in one["assets"]}


def test_exit_code_is_3_for_open_findings_of_the_level(ask: Callable[..., Result]) -> None:
    severities = {one.severity for one in FINDINGS if one.name == "systems_in_no_group"}
    assert severities == {"low"}
    assert acme(ask).exit_code == 0
    assert acme(ask, "--fail-on", "high").exit_code == 3
    assert acme(ask, "--fail-on", "high", "--new").exit_code == 0
    assert acme(ask, "--fail-on", "low", "--new").exit_code == 3
    assert acme(ask, "systems_in_no_group", "--fail-on", "medium").exit_code == 0
    assert acme(ask, "systems_in_no_group", "--fail-on", "low").exit_code == 3
    unknown = acme(ask, "systems_in_no_grup")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no finding is named 'systems_in_no_grup'; there are: " in unknown.stderr
    other = ask("findings", "--integration", "none")
    assert other.exit_code == 1
    assert "there are: acme, blind" in other.stderr


def test_finding_that_was_not_asked_counts_as_open(ask: Callable[..., Result]) -> None:
    name = "users_without_mfa_with_sudo"
    asked = ask("findings", name, "--integration", "blind", "--fail-on", "high", "--new")
    assert asked.exit_code == 3, asked.stderr
    assert f"not asked  {name} in blind" in asked.stdout
    junit = ask("findings", "--integration", "blind", "--format", "junit", "--fail-on", "high")
    suite = parse(junit.stdout)[0]
    assert suite.find(f"testcase[@name='{name}']/error") is not None
    assert suite.find("testcase[@name='systems_without_users']/skipped") is not None
    assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    sarif = json.loads(ask("findings", "--integration", "blind", "--format", "sarif").stdout)
    jsonschema.validate(sarif, SARIF)
    kinds = {one["ruleId"]: one.get("kind") for one in sarif["runs"][0]["results"]}
    assert kinds[name] == "open"


def test_sarif_has_a_result_for_each_row(
    ask: Callable[..., Result], counts: dict[str, int], opened: Counter[str], tmp_path: Path
) -> None:
    output = tmp_path / "findings.sarif"
    done = acme(ask, "--format", "sarif", "--output", str(output), "--fail-on", "high")
    assert (done.exit_code, done.stdout) == (3, ""), done.stderr
    log = json.loads(output.read_text())
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == counts.keys()
    levels = {one.name: LEVELS[one.severity] for one in FINDINGS}
    for name, count in counts.items():
        results = [one for one in run["results"] if one["ruleId"] == name]
        assert len(results) == count
        assert all(one["level"] == levels[name] for one in results)
    new = [one for one in run["results"] if one["baselineState"] == "new"]
    assert Counter(one["ruleId"] for one in new) == opened
    assert any(ODD in one["message"]["text"] for one in new)


def test_junit_has_a_test_case_for_each_finding(
    ask: Callable[..., Result], counts: dict[str, int]
) -> None:
    root = parse(acme(ask, "--format", "junit", "--fail-on", "medium").stdout)
    (suite,) = root
    assert (root.tag, suite.tag, suite.attrib["name"]) == ("testsuites", "testsuite", "acme")
    cases = {case.attrib["name"]: case for case in suite}
    assert cases.keys() == counts.keys()
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    severe = {one.name for one in FINDINGS if one.severity != "low"}
    assert failed == {name for name, count in counts.items() if count and name in severe}
    assert suite.attrib["tests"] == str(len(FINDINGS))
    assert suite.attrib["failures"] == str(len(failed))
    everything = acme(ask, "--format", "junit").stdout
    assert "&lt;device&gt;" in everything
    assert "\\u0007" in everything
