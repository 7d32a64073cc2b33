"""References cited where they are used: [[key]] in a text becomes its number; the list holds those cited."""

import re
from collections.abc import Sequence
from dataclasses import replace

from surco.report.document import Block, Bullets, Heading, Missing, Para, Picture, Table
from surco.report.language import Language

_MARK = re.compile(r" ?\[\[(\w+)\]\]")


def cited(blocks: Sequence[Block], language: Language) -> list[Block]:
    """The blocks with every [[key]] as a number, in the order of first use, and the references at the end."""
    numbers: dict[str, int] = {}

    def number(text: str) -> str:
        return _MARK.sub(lambda mark: f"\u00a0\\[{numbers.setdefault(mark[1], len(numbers) + 1)}\\]", text)

    def one(block: Block) -> Block:
        match block:
            case Para() | Missing():
                return replace(block, text=number(block.text))
            case Bullets():
                return Bullets([number(item) for item in block.items])
            case Table() | Picture():
                return replace(block, caption=number(block.caption))
        return block

    found = [one(block) for block in blocks]
    if not numbers:
        return found
    items = [f"\\[{i}\\] {language.say(f'reference.{key}')}" for key, i in numbers.items()]
    return [*found, Heading(language.plain("reference.title")), Bullets(items)]
