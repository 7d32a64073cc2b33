"""The kinds of edits that songs are made by: names alone, so that specs can be read without arrays."""

from typing import Literal, get_args

Edit = Literal[
    "interpolate",
    "path",
    "arithmetic",
    "probe",
    "attribute",
    "noise",
    "swap",
    "average",
    "extrapolate",
    "harmony",
    "amounts",
]
EDITS: tuple[str, ...] = get_args(Edit)
