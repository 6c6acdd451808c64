"""Commands that are imported when they are called: a start waits for what it needs and for nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module, metadata
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from tallybook.core.errors import WrongSetup


class Named(NamedTuple):
    """Where a command is, as ``module:function`` or ``module:app`` in this folder, and what its help begins with."""

    where: str
    says: str


class Stub(TyperCommand):
    """What stands in the list of commands. Called, it hands over to the command itself."""

    def __init__(self, name: str, named: Named) -> None:
        super().__init__(name, callback=None, help=named.says)
        self._where = named.where

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return loaded(str(self.name), self._where).make_context(info_name, args, parent, **extra)


class Commands(MutableMapping[str, Any]):
    """Commands by name, each imported when it is looked up."""

    def __init__(self, named: Mapping[str, Named], given: Mapping[str, Any]) -> None:
        self._named = named
        self._loaded = dict(given)

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded and name in self._named:
            self._loaded[name] = loaded(name, self._named[name].where)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._named, **self._loaded})

    def __len__(self) -> int:
        return len({**self._named, **self._loaded})


class ByName(TyperGroup):
    """A group whose commands are named in ``named``; what was added to it in the usual way is in it too."""

    named: ClassVar[Mapping[str, Named]] = {}

    def __init__(self, *, commands: Any = None, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands(self.named, commands or {})

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = plain(error.message)
            raise

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as the base class has it
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        named = self.named.get(cmd_name)
        return Stub(cmd_name, named) if named else super().get_command(ctx, cmd_name)


def plain(message: str) -> str:
    """What is wrong with an option, without the words of the library that read it. Pure."""
    said = message.removeprefix("Value error, ")
    return re.sub(r"does not match the formats '%Y-%m-%d'\.?", "is not a day. Write it as 2026-01-31.", said)


def imported(module: str, what: str) -> ModuleType:
    """A module of this folder. Raises WrongSetup where the product, which ``what`` needs, was left out."""
    try:
        return import_module(f"{__package__}.{module}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "tallybook" or not left_out():
            raise  # a mistake of ours, or a broken installation; it must be seen as it is
        raise WrongSetup(f"{what} needs the whole product: pip install 'tallybook[product]'.") from None


def left_out() -> bool:
    """Whether only the doctor was installed: something that the product stands on is not there."""
    try:
        return any(not _is_installed(name) for name in _of_product(metadata.requires("tallybook") or []))
    except metadata.PackageNotFoundError:
        return False


def _of_product(requirements: list[str]) -> Iterator[str]:
    for requirement in requirements:
        said, _, condition = requirement.partition(";")
        if re.search(r"""extra\s*==\s*['"]product['"]""", condition):
            yield re.split(r"[^\w.-]", said.strip(), maxsplit=1)[0]


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def loaded(name: str, where: str) -> Any:
    """The command itself, imported."""
    module, _, attribute = where.partition(":")
    found = getattr(imported(module, f"tallybook {name}"), attribute)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)  # a group even where it has one command yet
    else:
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command
