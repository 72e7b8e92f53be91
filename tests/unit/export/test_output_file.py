import errno
from pathlib import Path

import pytest

from pipelines.errors import InventoryError
from pipelines.export.output_file import output_file_or_stdout


def test_result_is_copied_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with output_file_or_stdout(None) as path:
        path.write_bytes(b"id\n1\n")
    assert capfdbinary.readouterr().out == b"id\n1\n"
    assert not path.exists()


def test_full_temporary_folder_is_named() -> None:
    with (
        pytest.raises(InventoryError, match=r"No space left.*Set TMPDIR") as failure,
        output_file_or_stdout(None) as path,
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(failure.value).startswith(str(path.parent))


def test_failure_keeps_the_previous_file(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.write_text("before")

    def fail() -> None:
        with output_file_or_stdout(output) as path:
            path.write_text("half")
            raise ValueError("query failed")

    with pytest.raises(ValueError, match="query"):
        fail()
    assert output.read_text() == "before"
    assert list(tmp_path.iterdir()) == [output]
