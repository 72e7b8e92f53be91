import subprocess
import sys

CODE = """
import sys
import pyarrow as pa
from pipelines.arrow import hide_pandas

hide_pandas()
table = pa.table({"name": ["a"]})
assert "pandas" not in sys.modules
assert table.to_pandas().shape == (1, 1)
assert "pandas" in sys.modules
"""


def test_pandas_is_loaded_only_for_its_own_objects() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
