"""Modules that cost a start too much and that most processes never use."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class Later(ModuleType):
    """Stands for a module, which is imported when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        """Whatever the module itself has of that name. Raises ImportError where there is no such module."""
        return getattr(import_module(self.__name__), name)


def later(name: str) -> Any:
    """The module of that full name, imported at its first use, in whichever thread that is.

    if TYPE_CHECKING:
        import xlsxwriter
    else:
        xlsxwriter = later("xlsxwriter")
    """
    return Later(name)
