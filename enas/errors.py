"""The one exception that a user's own mistake may end in."""


class UserError(Exception):
    """A mistake in a flag, a file or an arc string.

    The message is one line that names the flag or file, the value found and what was expected. The mains print it
    as ``error: <message>`` and exit with code 2; no traceback is shown.
    """
