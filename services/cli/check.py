"""What a check of the doctor found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One finding; `remedy` is empty where all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
