"""What a run prints on the terminal."""

import logging
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster import DagsterEventType

from assets_defs.console import terminal_logger


def test_names_of_records_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    check = SimpleNamespace(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description="acme: \x1b[2Jzoë\u202e on host",
    )
    event = SimpleNamespace(
        event_type=DagsterEventType.ASSET_CHECK_EVALUATION, asset_check_evaluation_data=check
    )
    logger = terminal_logger.logger_fn(dg.build_init_logger_context())
    metas: list[dict[str, object]] = [{"dagster_event": event}, {"orig_message": "two\nlines\x1b"}]
    for meta in metas:
        logger.handle(logging.makeLogRecord({"levelno": logging.INFO, "dagster_meta": meta}))
    assert capsys.readouterr().err == (
        "  WARN acme: \\u001b[2Jzoë\\u202e on host\ntwo\nlines\\u001b\n"
    )
