"""Make one HTML file of the page's folder: style, data and modules inline, nothing fetched."""

import re
from pathlib import Path

PAGE = Path(__file__).parent / "static"
_IMPORT = re.compile(r'^import\s+\{[^}]*\}\s+from\s+"\./([\w-]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:const|let|async function|function|class)\b)", re.M)


def modules(folder: Path = PAGE, entry: str = "main.js") -> list[str]:
    """Names of the modules that `entry` needs, each after those that it imports."""
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"modules import each other in a circle: {' > '.join((*above, name))}")
        if name not in order:
            for needed in _IMPORT.findall((folder / name).read_text(encoding="utf-8")):
                visit(needed, (*above, name))
            order.append(name)

    visit(entry, ())
    return order


def script(folder: Path = PAGE, entry: str = "main.js") -> str:
    """All modules as one: imports dropped, exports made plain declarations of the shared scope.

    Two modules with a top-level name in common do not fit together; the browser says so as a
    syntax error, and the tests before it.
    """
    parts = []
    for name in modules(folder, entry):
        text = _IMPORT.sub("", (folder / name).read_text(encoding="utf-8"))
        text = _EXPORT.sub("", text)
        parts.append(f"// {name}\n{text}")
    return "\n".join(parts)


def inline(data: str, sounds: str, folder: Path = PAGE) -> str:
    """The page: `data` is JSON text, `sounds` the inert elements that carry the sounds."""
    html = (folder / "index.html").read_text(encoding="utf-8")
    style = (folder / "style.css").read_text(encoding="utf-8")
    safe = data.replace("<", "\\u003c")  # no </script> inside JSON
    parts = {
        "<!--style-->": f"<style>\n{style}</style>",
        "<!--data-->": f'<script type="application/json" id="data">{safe}</script>\n{sounds}',
        "<!--script-->": f'<script type="module">\n{script(folder)}</script>',
    }
    for mark, text in parts.items():
        html = html.replace(mark, text)
    return html
