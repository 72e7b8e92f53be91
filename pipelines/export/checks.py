"""Write the checks of findings for people, programs and CI systems."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from pipelines.errors import printable
from pipelines.findings.checks import Check
from pipelines.findings.model import Finding
from pipelines.severity import Severity

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
NOT_ASKED = "not asked: the latest pull did not read what this finding needs"
_LEVELS: Mapping[Severity, str] = {"high": "error", "medium": "warning", "low": "note"}
_MAX_NAMES = 3


def to_table(checks: Sequence[Check], _: Severity) -> str:
    """Return a line for each finding with rows, and for each that could not be asked."""
    lines = ["severity  open   new  finding"]
    for one in checks:
        if one.open or not one.is_asked:
            count = f"{one.open:>6,}{one.new:>6,}" if one.open else "   not asked"
            assets = json.loads(one.assets)
            names = [printable(asset["asset_name"]) for asset in assets[:_MAX_NAMES]]
            shown = f": {', '.join(names)}{', ...' if one.open > _MAX_NAMES else ''}"
            note = f" ({one.note})" if one.note else ""
            where = f"{one.finding.name} in {one.integration}"
            lines.append(f"{one.finding.severity:<8}{count}  {where}{shown if names else ''}{note}")
    return "\n".join(lines) + "\n"


def to_json(checks: Sequence[Check], _: Severity) -> str:
    """Return an array with an object for each check, those without rows included."""
    objects = [
        {
            "integration": one.integration,
            "finding": one.finding.name,
            "title": one.finding.title,
            "severity": one.finding.severity,
            "asked": one.is_asked,
            "note": one.note,
            "open": one.open,
            "new": one.new,
            "assets": json.loads(one.assets),
        }
        for one in checks
    ]
    return json.dumps(objects, indent=2, ensure_ascii=False) + "\n"


def to_sarif(checks: Sequence[Check], _: Severity) -> str:
    """Return a SARIF 2.1.0 log: a rule for each finding, a result for each row.

    A finding that could not be asked has a result of the kind `open`, which SARIF defines as one
    without enough information.
    """
    findings = {one.finding.name: one.finding for one in checks}.values()
    driver = {
        "name": "jumpcloud-inventory",
        "rules": [_rule(finding) for finding in findings],
    }
    results = [result for one in checks for result in _results(one)]
    log = {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(finding: Finding) -> Mapping[str, object]:
    return {
        "id": finding.name,
        "shortDescription": {"text": finding.title},
        "fullDescription": {"text": finding.why},
        "help": {"text": finding.remedy},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
    }


def _results(check: Check) -> Iterator[Mapping[str, object]]:
    rule = check.finding.name
    if not check.is_asked and not check.open:
        text = f"{check.integration}: {NOT_ASKED}"
        yield {
            "ruleId": rule,
            "kind": "open",
            "level": "none",
            "message": {"text": text},
            "baselineState": "unchanged",  # SARIF wants it on all results of a run, or on none
        }
    for asset in json.loads(check.assets):
        place = f"{check.integration}/{asset['asset_type']}/{asset['asset_id']}"
        digest = hashlib.sha256(f"{rule}/{place}".encode()).hexdigest()
        yield {
            "ruleId": rule,
            "level": _LEVELS[check.finding.severity],
            "message": {"text": f"{check.finding.title}: {asset['asset_name']}"},
            "locations": [
                {
                    "logicalLocations": [
                        {
                            "name": asset["asset_name"],
                            "fullyQualifiedName": place,
                            "kind": "resource",
                        }
                    ]
                }
            ],
            "partialFingerprints": {"findingAsset/v1": digest},
            "baselineState": "new" if asset["new"] else "unchanged",
            "properties": {"since": asset["since"], "evidence": asset["evidence"]},
        }


def to_junit(checks: Sequence[Check], severity: Severity) -> str:
    """Return JUnit XML: a suite for each integration, a test case for each finding.

    A finding at or above the severity fails with rows, and is an error if it could not be asked.
    Below the severity, one that could not be asked is skipped.
    """
    root = ET.Element("testsuites", name="jumpcloud-inventory")
    ordered = sorted(checks, key=lambda one: one.integration)
    for integration, group in groupby(ordered, key=lambda one: one.integration):
        _add_suite(root, integration, list(group), severity)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_suite(
    root: ET.Element, integration: str, checks: Iterable[Check], severity: Severity
) -> None:
    suite = ET.SubElement(root, "testsuite", name=integration)
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for one in checks:
        case = ET.SubElement(suite, "testcase", classname=integration, name=one.finding.name)
        counts["tests"] += 1
        kind = one.finding.severity
        if one.open and one.fails(severity):
            counts["failures"] += 1
            message = f"{one.finding.title}: {one.open} open, {one.new} new"
            failure = ET.SubElement(case, "failure", type=kind, message=message)
            names = (asset["asset_name"] for asset in json.loads(one.assets))
            # XML has no control characters.
            failure.text = "\n".join(map(printable, names))
        elif not one.open and one.fails(severity):
            counts["errors"] += 1
            ET.SubElement(case, "error", type=kind, message=NOT_ASKED)
        elif not one.is_asked:
            counts["skipped"] += 1
            ET.SubElement(case, "skipped", message=NOT_ASKED)
    suite.attrib |= {name: str(count) for name, count in counts.items()}


FORMATS: Mapping[str, Callable[[Sequence[Check], Severity], str]] = {
    "table": to_table,
    "json": to_json,
    "sarif": to_sarif,
    "junit": to_junit,
}
