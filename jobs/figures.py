"""Figures of a job's finished work: one that cannot be drawn costs nothing but itself."""

from collections.abc import Callable
from pathlib import Path

from jobs.context import Context


def draw(context: Context, name: str, figure: Callable[[Path], object], *, folder: str = "figures") -> bool:
    """Draw `folder`/`name`.png by `figure`, which is given the path; whether it was drawn.

    One that fails is told of in the log and leaves no file: finished work must not be lost to it.
    """
    path = context.out / folder / f"{name}.png"
    try:
        figure(path)
    except Exception as error:
        path.unlink(missing_ok=True)
        context.log(f"The figure {name} could not be drawn ({type(error).__name__}: {error}).")
        return False
    return True
