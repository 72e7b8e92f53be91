"""The contents of the wheel: complete, typed, and without the tests' expected results."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from zipfile import ZipFile

import pytest

from tests.support import ROOT

PACKAGES = ("pipelines", "assets_defs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with ZipFile(path) as opened:
        yield opened


def imports(source: bytes) -> Iterator[tuple[str, bool]]:
    """Yield every imported name of a source file, and whether it must be a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, True) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not resolved here"
            yield str(node.module), True
            yield from ((f"{node.module}.{alias.name}", False) for alias in node.names)


def module_files(module: str) -> set[str]:
    path = module.replace(".", "/")
    return {f"{path}.py", f"{path}/__init__.py"}


def test_wheel_has_no_oracle(wheel: ZipFile) -> None:
    names = wheel.namelist()
    assert "pipelines/simulator/__init__.py" in names
    assert [name for name in names if "oracle" in name] == []


def test_wheel_is_typed(wheel: ZipFile) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(wheel.namelist())


def test_wheel_has_every_file_of_the_packages(wheel: ZipFile) -> None:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.*"))
    names = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert {name for name in wheel.namelist() if name.startswith(PACKAGES)} == names


def test_shipped_modules_import_only_shipped_modules(wheel: ZipFile) -> None:
    shipped = set(wheel.namelist())
    not_shipped = {
        (name, imported)
        for name in shipped
        if name.endswith(".py")
        for imported, is_module in imports(wheel.read(name))
        if not module_files(imported) & shipped
        if (is_module and imported.startswith(PACKAGES))
        or any((ROOT / path).exists() for path in module_files(imported))
    }
    assert not_shipped == set()
