"""What a user sees without a traceback."""


class InputError(Exception):
    """Bad input, found before any compute is spent.

    The message names the value, the place it came from and the remedy; the commands print it
    alone and end with exit code 2.
    """


class SweepError(Exception):
    """A sweep that cannot go on; the same command tries again from where it stands.

    The commands print the message alone and end with exit code 1.
    """


DAMAGED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading JSON of another form than expected raises."""
