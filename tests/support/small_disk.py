"""A small file system for a command, if the system allows it.

The script mounts it and executes the command. Only the command can see it.
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS = 0x20000
CLONE_NEWUSER = 0x10000000
MS_REC_PRIVATE = 0x4000 | 0x40000


def on_small_disk(folder: Path, size: str) -> Sequence[str]:
    """Return the start of a command line that mounts a file system of a size at a folder."""
    return [sys.executable, __file__, str(folder), size]


def small_disk_of(process_id: int, folder: Path) -> Path | None:
    """Return a path to the file system from other processes; None if there is none."""
    disk = Path(f"/proc/{process_id}/root{folder}")
    return disk if disk.exists() and disk.stat().st_dev != folder.stat().st_dev else None


@contextmanager
def filled(disk: Path, room: int) -> Iterator[None]:
    """Fill the disk so that a number of bytes stay free."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        os.posix_fallocate(file.fileno(), 0, free - room)
    yield
    filler.unlink()


def _mount(folder: str, size: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    elif libc.unshare(CLONE_NEWNS) != 0:
        return
    if libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0:
        libc.mount(b"none", folder.encode(), b"tmpfs", 0, f"size={size}".encode())


if __name__ == "__main__":
    if sys.platform == "linux":
        _mount(sys.argv[1], sys.argv[2])
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 -- what the test names
