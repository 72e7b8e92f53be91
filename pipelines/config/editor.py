"""Edit the settings file, keeping its comments and formatting."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from pipelines.config.settings import Settings, parse_settings, read_settings_file
from pipelines.errors import SettingsError
from pipelines.storage.atomic import replace_atomically
from pipelines.storage.locks import locked_folder

_TABLE = "integration"
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_ENTRY = re.compile(r"^[ \t]*\[\[[ \t]*integration[ \t]*\]\]", re.MULTILINE)
_NAME_LINE = re.compile(r"^[ \t]*name[ \t]*=.*\n?", re.MULTILINE)


@contextmanager
def _editing(path: Path) -> Iterator[None]:
    """Keep others from editing the file meanwhile, because an edit would replace theirs."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(path.resolve().parent))
        except OSError as error:
            raise SettingsError(f"{path}: cannot be written ({error.strerror})") from None
        yield


def append_integration(
    path: Path, fields: Mapping[str, str | bool | Mapping[str, str]]
) -> Settings:
    """Append an `[[integration]]` to the file, which is created if it does not exist.

    Returns:
        The new settings.

    Raises:
        SettingsError: the entry is not valid, or the file cannot be written. The file is unchanged.
    """
    with _editing(path):
        return _append(path, fields)


def _append(path: Path, fields: Mapping[str, str | bool | Mapping[str, str]]) -> Settings:
    text = read_settings_file(path) if path.exists() else ""
    if not _ENTRY.search(text) and _TABLE in _document(text, path):
        raise SettingsError(
            f"{path}: an integration cannot be added; write each as [[integration]] first"
        )
    entry = tomlkit.table()
    for name, value in fields.items():
        entry.add(name, _inline_table(value) if isinstance(value, Mapping) else value)
    added = tomlkit.dumps({_TABLE: [entry]})
    if text:
        added = ("\n" if text.endswith("\n") else "\n\n") + added
    return _replace(path, text + (added.replace("\n", "\r\n") if "\r\n" in text else added))


def set_enabled(path: Path, name: str, *, enabled: bool) -> bool:
    """Enable or disable an integration.

    Returns:
        True if the file was changed.

    Raises:
        SettingsError: the integration does not exist, or the file cannot be read or written.
    """
    with _editing(path):
        return _set_enabled(path, name, enabled=enabled)


def _set_enabled(path: Path, name: str, *, enabled: bool) -> bool:
    text = read_settings_file(path)
    before = parse_settings(text, str(path))
    if before.named(name).enabled == enabled:
        return False
    expected = list(before.integration)
    index = [integration.name for integration in expected].index(name)
    expected[index] = expected[index].model_copy(update={"enabled": enabled})
    changed = _set_in_text(text, index, enabled=enabled)
    if list(parse_settings(changed, str(path)).integration) != expected:
        raise SettingsError(
            f"{path}: cannot be changed in this form; write `enabled = {str(enabled).lower()}` for "
            f"integration {name!r} by hand"
        )
    _replace(path, changed)
    return True


def _inline_table(fields: Mapping[str, str]) -> tomlkit.items.InlineTable:
    table = tomlkit.inline_table()
    table.update(fields)
    return table


def _document(text: str, path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None


def _set_in_text(text: str, index: int, *, enabled: bool) -> str:
    """Return the text with `enabled` set in one entry; the same text if the entry is not found.

    Only the entry's own lines are parsed and written again. With a whole file, tomlkit would
    reorder it, and put a new line after the comment of the next table.
    """
    entries = list(_ENTRY.finditer(text))
    if index >= len(entries):
        return text
    start = entries[index].start()
    following = _HEADER.search(text, entries[index].end())
    end = following.start() if following else len(text)
    return text[:start] + _set_in_entry(text[start:end], enabled=enabled) + text[end:]


def _set_in_entry(text: str, *, enabled: bool) -> str:
    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        # A line of a multi-line string looked like a header.
        return text
    entry = document[_TABLE][0]
    if "enabled" in entry:
        entry["enabled"] = enabled
        return tomlkit.dumps(document)
    name = _NAME_LINE.search(text)
    if name is None:
        return text
    line_end = "\r\n" if name[0].endswith("\r\n") else "\n"
    line = f"enabled = {str(enabled).lower()}{line_end}"
    before = name[0] if name[0].endswith("\n") else f"{name[0]}\n"
    return text[: name.start()] + before + line + text[name.end() :]


def _replace(path: Path, text: str) -> Settings:
    settings = parse_settings(text, str(path))
    target = path.resolve()  # replace the target of a link, not the link
    try:
        with replace_atomically(target) as tmp_path:
            tmp_path.write_bytes(text.encode("utf-8"))
            if target.exists():
                before = target.stat()
                # Only root may give a file to the service's user; others own it already.
                with suppress(PermissionError):
                    os.chown(tmp_path, before.st_uid, before.st_gid)
                shutil.copymode(target, tmp_path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror})") from None
    return settings
