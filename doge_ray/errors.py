"""The one exception a user may see without a traceback."""


class InputError(Exception):
    """Bad input, found before any compute is spent.

    The message names the value, the place it came from and the remedy; the commands print it
    alone and end with exit code 2.
    """
