"""Several integrations from the command line: a process for each, some of them at once."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from assets_defs.instance import open_instance


def refresh_each(
    integrations: Sequence[str], options: Sequence[str], at_once: int
) -> Iterator[tuple[str, int, list[str]]]:
    """Run `jumpcloud-inventory run` for each integration in a process of its own.

    So that one that fails, hangs or is killed takes no other with it. Needs `prepare_home`.

    Args:
        integrations: their names.
        options: options for every run.
        at_once: processes under way at once, at most.

    Yields:
        As each ends: its name, its exit code, below 0 where it was killed, and in lines why it was
        not published; none where it could not say.
    """
    # Dagster makes its databases now, not in several processes at the same time.
    with open_instance(), ThreadPoolExecutor(at_once) as pool:
        runs = {pool.submit(_run, name, options): name for name in integrations}
        for done in as_completed(runs):
            name = runs[done]
            ended = done.result()
            lines = ended.stderr.splitlines()
            said = [line for line in lines if line.startswith((f"{name}: ", "Error: "))]
            why = [line.removeprefix(f"{name}: ") for line in said if line != f"{name}: pulling"]
            yield name, ended.returncode, why


def _run(name: str, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assets_defs", "run", name, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- fixed
