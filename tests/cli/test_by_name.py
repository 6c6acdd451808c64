"""A command is imported when it is called, and the list of commands says what each says of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from tallybook import cli
from tallybook.cli import by_name

# Each costs a start a fifth of a second or more, and most processes never use it.
HEAVY = (
    "alembic",
    "sqlalchemy",
    "matplotlib",
    "msal",
    "xlsxwriter",
    "python_calamine",
    "litestar",
    "granian",
    "openai",
)
LOADED = """
import sys
from importlib import import_module
import_module(sys.argv[1])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def loaded_by(module: str) -> set[str]:
    """What an interpreter has imported once it has imported a module."""
    said = subprocess.run([sys.executable, "-c", LOADED, module], stdout=subprocess.PIPE, text=True, check=True)
    return set(said.stdout.split())


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("tallybook.cli", set()),
        ("tallybook.cli.product", set()),
        ("tallybook.cli.health", set()),
        ("tallybook.cli.work", set()),
        ("tallybook.cli.serve", {"litestar", "granian"}),
    ],
)
def test_nothing_is_imported_at_a_start_that_the_start_does_not_need(module: str, needed: set[str]) -> None:
    extra = loaded_by(module) & set(HEAVY) - needed
    assert extra == set(), "import it by later(): see Libraries that are slow to import, in CONTRIBUTING.md"


def test_the_list_says_of_each_command_what_the_command_says_of_itself() -> None:
    commands = typer.main.get_command(cli.app).commands
    assert set(commands) >= set(cli.Tallybook.named)
    for name, named in cli.Tallybook.named.items():
        said = " ".join((commands[name].help or "").split())
        assert said.startswith(named.says.removesuffix(".")), name


def test_a_group_of_one_command_is_a_group() -> None:
    result = CliRunner().invoke(cli.app, ["user", "--help"])
    assert "user [OPTIONS] COMMAND" in result.output
    assert "add" in result.output


def test_the_list_itself_imports_no_command() -> None:
    code = "import sys; from typer.testing import CliRunner; from tallybook import cli; "
    code += "print(CliRunner().invoke(cli.app, ['--help']).exit_code, 'tallybook.app' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert said.stdout.split() == ["0", "False"]


def test_a_command_that_does_not_exist_is_a_mistake_of_usage() -> None:
    result = CliRunner().invoke(cli.app, ["helth"])
    assert result.exit_code == 2
    assert "health" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["user", "add", "ana", "--role", "king"], "'king' is not one of 'admin', 'lead'"),
        (["monitor", "report", "--date", "yesterday"], "'yesterday' is not a day. Write it as 2026-01-31."),
        (["bench", "nothing"], "'nothing' is not one of 'monitor', 'door'"),
    ],
)
def test_a_wrong_value_is_told_in_words_of_whoever_typed_it(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert says in result.output
    assert "Value error" not in result.output


def test_a_mistake_of_our_own_is_not_taken_for_a_product_that_was_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the product is installed here, so whatever is missing is missing by mistake."""
    assert not by_name.left_out()
    with pytest.raises(ModuleNotFoundError):
        by_name.imported("no_such_command", "tallybook nothing")
    monkeypatch.setattr(by_name.metadata, "requires", lambda _: ["gone_from_here>=1; extra == 'product'"])
    assert by_name.left_out()
    with pytest.raises(ModuleNotFoundError, match="tallybook"):
        by_name.imported("no_such_command", "tallybook nothing")
