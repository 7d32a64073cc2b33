"""The errors a user is meant to read."""


class InputError(ValueError):
    """Bad input, told in one sentence that names the input and the remedy.

    The CLI prints it without a traceback and exits with code 2; a job that raises it is not
    retried, since the same input would fail again.
    """


class DiskFull(InputError):
    """The disk is full: for the command line one sentence, for a worker a reason to wait or to move on."""
