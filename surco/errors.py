"""The errors a user is meant to read."""

import re

LIMIT = 299  # characters of a sentence
_QUOTE = 60  # of anything quoted in one that is too long


def plain(text: str) -> str:
    """A text as one line that any terminal can print: control characters and lone surrogates spelled out.

    >>> plain("two\\nlines \\x1b")
    'two lines \\\\x1b'
    """
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def middle_out(text: str, limit: int) -> str:
    """A text of at most `limit` characters: its middle left out where it is longer.

    >>> middle_out("abcdefghij", 5)
    'ab…ij'
    """
    if len(text) <= limit:
        return text
    head = limit // 2
    return f"{text[:head]}…{text[len(text) - (limit - head - 1) :]}"


def quoted(value: object, limit: int = _QUOTE) -> str:
    """A value as people may read it in a sentence, however large it is."""
    half = 2 * limit
    if isinstance(value, str) and len(value) > 2 * half:
        value = value[:half] + value[-half:]  # its middle will not be shown
    elif isinstance(value, bytes):
        value = value[:half]
    elif not isinstance(value, str | int | float | bool | None):
        return f"a {type(value).__name__}"  # to spell one out may take more memory than there is
    try:
        return middle_out(repr(value), limit)
    except ValueError:  # a whole number of thousands of digits
        return "a number of very many digits"


def sentence(text: str) -> str:
    """A message of at most `LIMIT` characters: its longest words are cut first, then its middle."""
    if len(text) > 16 * LIMIT:
        text = f"{text[: 4 * LIMIT]}…{text[-LIMIT:]}"
    line = plain(text)
    if len(line) > LIMIT:
        line = re.sub(r"\S{61,}", lambda word: middle_out(word[0], _QUOTE), line)
    return middle_out(line, LIMIT)


class InputError(ValueError):
    """Bad input, told in one sentence that names the input and the remedy.

    The CLI prints it without a traceback and exits with code 2; a job that raises it is not
    retried, since the same input would fail again. Whatever the input, the sentence is one line of
    less than 300 characters.
    """

    def __init__(self, text: object = ""):
        super().__init__(sentence(str(text)))


class DiskFull(InputError):
    """The disk is full: for the command line one sentence, for a worker a reason to wait or to move on."""
