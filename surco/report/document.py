"""A report as a list of blocks, and its typesetting with Typst: no LaTeX, no network, bundled fonts."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surco.files import write_bytes
from surco.report.language import HERE, Language, escape


@dataclass(frozen=True)
class Heading:
    """`text` is plain."""

    text: str
    level: int = 1
    numbered: bool = True


@dataclass(frozen=True)
class Para:
    """A paragraph of Typst markup; `role` "question" or "answer" sets it apart."""

    text: str
    role: str = "text"


@dataclass(frozen=True)
class Bullets:
    """Items of Typst markup."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells are plain text; the first column is set left, the others right unless `left` says so."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str  # Typst markup
    left: Sequence[int] = (0,)
    widths: Sequence[str] = field(default_factory=tuple)  # Typst lengths; auto if not given
    floats: bool = True  # a short one may stand at the head or foot of a page


@dataclass(frozen=True)
class Picture:
    """A figure file and its caption in Typst markup; it may float to the head or foot of a page."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Missing:
    """What is not there, in Typst markup, and the command that makes it."""

    text: str
    command: str


WHOLE = 10  # rows of a table that is not broken between pages

Block = Heading | Para | Bullets | Table | Picture | Missing


def markup(block: Block) -> str:
    """One block as Typst source; pictures are named as they will lie beside it."""
    match block:
        case Heading(text, level, True):
            return f"{'=' * level} {escape(text)}"
        case Heading(text, level):
            return f"#heading(level: {level}, numbering: none)[{escape(text)}]"
        case Para(text, "text"):
            return text
        case Para(text, role):
            return f"#{role}[{text}]"
        case Bullets(items):
            return "\n".join(f"- {item}" for item in items)
        case Missing(text, command):
            return f"#missing([{text}], {json.dumps(command)})"
        case Picture(path, caption):
            return f'#figure(image("{path.name}", width: 100%), placement: auto, caption: [{caption}])'
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    aligns = ", ".join("left" if i in table.left else "right" for i in range(len(table.header)))
    widths = ", ".join(table.widths or ["auto"] * len(table.header))
    head = ", ".join(f"[*{escape(c)}*]" for c in table.header)
    body = ",\n".join(", ".join(f"[{escape(c)}]" for c in row) for row in table.rows)
    # a long one goes on over the page, under its head again; a short one stays whole and floats, so that
    # text fills the page where it does not fit
    long = len(table.rows) > WHOLE
    across = "#show figure: set block(breakable: true)\n" if long else ""
    place = "auto" if table.floats and not long else "none"
    points = 8.8 if len(table.header) < 8 else 8.2 if len(table.header) < 10 else 7.6
    made = (
        f"#figure(kind: table, placement: {place}, caption: [{table.caption}], "
        f"{{set text({points}pt); table(columns: ({widths},), align: ({aligns},), stroke: none, "
        f"inset: (x: {points / 2.5}pt, y: 3pt), table.hline(stroke: 0.8pt), "
        f"table.header({head}), table.hline(stroke: 0.4pt),\n{body},\ntable.hline(stroke: 0.8pt))}})"
    )
    return f"#[\n{across}{made}\n]" if across else made


def source(title: str, subtitle: str, blocks: Sequence[Block], language: Language) -> str:
    """The whole document as Typst source."""
    head = (HERE / "report.typ").read_text(encoding="utf-8")
    call = (
        f"#show: report.with(title: [{escape(title)}], subtitle: [{escape(subtitle)}], "
        f'language: "{language.language}", command-label: [{language.say("word.command")}])'
    )
    return "\n\n".join([head, call, *map(markup, blocks)]) + "\n"


def typeset(title: str, subtitle: str, blocks: Sequence[Block], language: Language, out: Path) -> Path:
    """Write the blocks as a PDF; the same blocks give the same bytes."""
    import typst

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for block in blocks:
            if isinstance(block, Picture):
                shutil.copyfile(block.path, folder / block.path.name)
        main = folder / "main.typ"
        main.write_text(source(title, subtitle, blocks, language), encoding="utf-8")
        pdf = typst.compile(str(main), ignore_system_fonts=True, timestamp=0)
    write_bytes(out, bytes(pdf))
    return out
