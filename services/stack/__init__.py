"""The three servers from PyPI wheels, without root or containers."""

from services.stack.stack import Stack

__all__ = ["Stack"]
