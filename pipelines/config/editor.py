"""Changes of the settings file that keep its comments and its form."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from pipelines.config.settings import Settings, parse_settings, read_settings_file
from pipelines.errors import SettingsError
from pipelines.storage.atomic import replace_atomically

_TABLE = "integration"
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_ENTRY = re.compile(r"^[ \t]*\[\[[ \t]*integration[ \t]*\]\]", re.MULTILINE)
_NAME_LINE = re.compile(r"^[ \t]*name[ \t]*=.*\n?", re.MULTILINE)


def append_integration(
    path: Path, fields: Mapping[str, str | bool | Mapping[str, str]]
) -> Settings:
    """Write a new `[[integration]]` at the end of the file, which is made where there is none.

    Returns:
        What the file then says.

    Raises:
        SettingsError: that would be wrong, or cannot be written; the file stays as it was.
    """
    text = read_settings_file(path) if path.exists() else ""
    if not _ENTRY.search(text) and _TABLE in _document(text, path):
        raise SettingsError(f"{path}: write each as [[integration]], so that one can be added")
    entry = tomlkit.table()
    for name, value in fields.items():
        entry.add(name, _in_one_line(value) if isinstance(value, Mapping) else value)
    added = tomlkit.dumps({_TABLE: [entry]})
    if text:
        added = ("\n" if text.endswith("\n") else "\n\n") + added
    return _replace(path, text + (added.replace("\n", "\r\n") if "\r\n" in text else added))


def set_enabled(path: Path, name: str, *, enabled: bool) -> bool:
    """Flip the switch of an integration.

    Returns:
        Whether it stood otherwise before.

    Raises:
        SettingsError: there is no such integration, or the file cannot be read or written.
    """
    text = read_settings_file(path)
    before = parse_settings(text, str(path))
    if before.named(name).enabled == enabled:
        return False
    index = [each.name for each in before.integration].index(name)
    changed = _with_switch(text, index, enabled=enabled)
    wanted = [
        each.model_copy(update={"enabled": enabled}) if each.name == name else each
        for each in before.integration
    ]
    if list(parse_settings(changed, str(path)).integration) != wanted:
        word = "true" if enabled else "false"
        raise SettingsError(
            f"{path}: is written in a form that is not changed here; write `enabled = {word}` for "
            f"integration {name!r} by hand"
        )
    _replace(path, changed)
    return True


def _in_one_line(fields: Mapping[str, str]) -> tomlkit.items.InlineTable:
    table = tomlkit.inline_table()
    table.update(fields)
    return table


def _document(text: str, path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None


def _with_switch(text: str, index: int, *, enabled: bool) -> str:
    """The text with the switch of one entry set; unchanged where the entry is not found.

    Only the entry's own lines are parsed and written again: a whole file would be put in another
    order, and a new line put behind the comment of what follows.
    """
    entries = list(_ENTRY.finditer(text))
    if index >= len(entries):
        return text
    start = entries[index].start()
    following = _HEADER.search(text, entries[index].end())
    end = following.start() if following else len(text)
    return text[:start] + _entry_with_switch(text[start:end], enabled=enabled) + text[end:]


def _entry_with_switch(text: str, *, enabled: bool) -> str:
    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        # A line within a text of several lines was taken for a header.
        return text
    entry = document[_TABLE][0]
    if "enabled" in entry:
        entry["enabled"] = enabled
        return tomlkit.dumps(document)
    name = _NAME_LINE.search(text)
    if name is None:
        return text
    line_end = "\r\n" if name[0].endswith("\r\n") else "\n"
    line = f"enabled = {'true' if enabled else 'false'}{line_end}"
    before = name[0] if name[0].endswith("\n") else f"{name[0]}\n"
    return text[: name.start()] + before + line + text[name.end() :]


def _replace(path: Path, text: str) -> Settings:
    settings = parse_settings(text, str(path))
    # Where the name is a link, the file it leads to is meant.
    target = path.resolve()
    try:
        with replace_atomically(target) as aside:
            aside.write_bytes(text.encode("utf-8"))
            if target.exists():
                shutil.copymode(target, aside)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror})") from None
    return settings
