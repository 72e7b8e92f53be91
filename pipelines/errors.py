"""Errors that a user can fix. Any other exception is a defect of the program."""

NOT_PUBLISHED = "no inventory has been published here yet"
PUBLISH = "Run `jumpcloud-inventory run`, or choose another data directory"


class InventoryError(Exception):
    """Base class of errors caused by something outside the program.

    The message names what failed, the cause and the remedy. The command line prints it without a
    traceback and exits with 1; a Dagster run fails with it as its description. A message never
    holds a key or another secret.
    """


class SettingsError(InventoryError):
    """The settings are wrong; the message names the file, the integration and the field.

    The command line exits with 2.
    """


def printable(text: str) -> str:
    """Return the text in one line, with control characters escaped."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
