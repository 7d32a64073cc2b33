"""Verbs of the command line, called in this process."""

from click.testing import CliRunner

from services.cli import VERBS


def invoke(name: str, *words: str) -> str:
    """What a verb prints; raises what it raises, and fails where it ends with another code than 0."""
    verb = next(v for v in VERBS if v.name == name)
    result = CliRunner().invoke(verb.command(), words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output
