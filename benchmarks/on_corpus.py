"""The head of benchmarks that measure on a split of the corpus: common options, and what is done first."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import corpus

CORPUS = Path(__file__).resolve().parents[1] / ".." / "shared" / "corpus"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that all of them take; `description` is the module's docstring."""
    made = argparse.ArgumentParser(description=description.splitlines()[0] if description else None)
    made.add_argument("--corpus", type=Path, default=CORPUS)
    made.add_argument("--split", choices=["test", "valid"], default="valid")
    made.add_argument("--size", type=int, default=512)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, default=None, help="JSON and Markdown go here, by this stem")
    return made


def begin(options: argparse.Namespace) -> bool:
    """Set one thread; False, with the reason printed, where there is no corpus."""
    reason = corpus.find(options.corpus)
    if reason:
        print(reason)
        return False
    torch.set_num_threads(1)
    return True


def main(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], dict[str, Any]],
    markdown: Callable[[dict[str, Any]], str],
) -> None:
    """Measure, print the document as Markdown, and write it by the stem that was asked for."""
    options = parser.parse_args()
    if not begin(options):
        return
    document = run(options)
    if options.out:
        options.out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
        options.out.with_suffix(".md").write_text(markdown(document))
    print(markdown(document))
