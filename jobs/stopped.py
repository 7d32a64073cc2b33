"""The word that ends a job."""


class Stopped(Exception):
    """The job must end at once: it was cancelled, or another worker holds its lease."""
