"""The root of every error that is the user's to mend, not the program's."""


class InventoryError(Exception):
    """Something outside the program is wrong; the message says what, where and how to mend it.

    The command line prints the message without a traceback and exits with 1; a Dagster run fails
    with it as its description. A message never holds a key or another secret.
    """
