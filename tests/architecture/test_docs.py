"""What the documents say exists: links, commands, settings, files, tests, examples, log lines, metrics."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from tallybook.cli import app as command_line
from tallybook.core import retention
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.service.filing import log_lines
from tallybook.monitor.types import Filed
from tallybook.projects_file import read_projects_file
from tallybook.settings import known_names
from tests.architecture.sources import ROOT, SOURCE, modules
from tests.monitor.desk import open_for

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXTS = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in DOCUMENTS}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
# Blocks in these are run or read by a test below; ``text`` is for what belongs to other programs.
KNOWN_LANGUAGES = {"sh", "toml", "sql", "log", "mermaid", "text", "yaml"}
# Its examples are of other people's databases and contracts; tests/doctor/test_page.py runs them.
DOCTOR = "docs/doctor.md"


class Block(NamedTuple):
    document: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """The fenced examples of all documents."""
    found = [
        Block(name, match[2], textwrap.dedent(match[3]))
        for name, text in TEXTS.items()
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def prose(text: str) -> str:
    return FENCE.sub("", text)


def spans(text: str) -> list[str]:
    """What stands between backticks outside the examples."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(text))]


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_and_image_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(TEXTS[name])):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(file.read_text("utf-8")), f"{name}: {target}"


def test_every_example_is_of_a_kind_that_is_tested() -> None:
    assert {block.language for block in blocks()} <= KNOWN_LANGUAGES, [
        block for block in blocks() if block.language not in KNOWN_LANGUAGES
    ]


# ── Commands ────────────────────────────────────────────────────────────────────────────────────────────────────────

ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
PROGRAMS = ("tallybook", ".venv/bin/tallybook", "make")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every call of ours in an example or between backticks, as (document, words)."""
    for name, text in TEXTS.items():
        lines = [line for block in blocks("sh") if block.document == name for line in block.text.splitlines()]
        for line in [*lines, *spans(text)]:
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue
            while words and ASSIGNMENT.fullmatch(words[0]):
                words.pop(0)
            if words[:2] == ["docker", "compose"]:
                words = words[4:] if words[2] == "exec" else []
            if words and words[0] in PROGRAMS:
                yield name, words


def called(words: list[str]) -> tuple[typer.core.TyperGroup | typer.core.TyperCommand, list[str]]:
    """The command that the words call, and what is left of them."""
    current = typer.main.get_command(command_line)
    rest = words[1:]
    while isinstance(current, typer.core.TyperGroup) and rest and not rest[0].startswith("-"):
        assert rest[0] in current.commands, f"there is no {' '.join(words)}"
        current = current.commands[rest.pop(0)]
    return current, rest


def test_every_command_shown_exists() -> None:
    seen = list(commands())
    assert len(seen) > 50
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for name, words in seen:
        if words[0] == "make":
            assert set(words[1:]) <= targets, (name, words)
            continue
        command, rest = called(words)
        options = {option for parameter in command.params for option in parameter.opts}
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert given <= options | {"--help"}, (name, words)


def test_every_command_of_the_examples_has_its_arguments() -> None:
    """An example is typed as it stands: it must not end in an error of usage."""
    for block in blocks("sh"):
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            while words and (ASSIGNMENT.fullmatch(words[0]) or words[0] in {"docker", "compose", "exec", "web"}):
                words.pop(0)
            if words and words[0] == "tallybook":
                command, rest = called(words)
                command.make_context("example", list(rest), resilient_parsing=False).close()


def test_every_command_says_what_it_is_for() -> None:
    def walk(path: list[str], command: object) -> Iterator[list[str]]:
        yield path
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk([*path, name], inner)

    runner = CliRunner()
    for path in walk([], typer.main.get_command(command_line)):
        result = runner.invoke(command_line, [*path, "--help"])
        assert result.exit_code == 0, path
        assert len(result.output.splitlines()) > 4, path


# ── Settings, files, tests ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", TEXTS)
def test_every_setting_named_exists(name: str) -> None:
    # Read by the tests alone, or by compose.yaml to make the others of.
    others = {f"TALLYBOOK_TEST_{one}" for one in ("POSTGRES", "ALL", "PICTURES")}
    others |= {"TALLYBOOK_OWNER_PASSWORD", "TALLYBOOK_PROD_PASSWORD"}
    for setting in re.findall(r"\bTALLYBOOK_[A-Z_]*[A-Z]\b", TEXTS[name]):
        assert {setting, setting.removesuffix("_FILE")} & {*known_names(), *others}, f"{name}: {setting}"


@lru_cache
def names_in(path: Path) -> set[str]:
    """What a source file defines: ``name``, ``Class.method``, and constants."""
    found: set[str] = set()

    def walk(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    walk(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign):
                found.update(prefix + target.id for target in node.targets if isinstance(target, ast.Name))

    walk(ast.parse(path.read_text("utf-8")).body, "")
    return found


@pytest.mark.parametrize("name", TEXTS)
def test_every_test_named_exists(name: str) -> None:
    for span in re.findall(r"tests/[\w/]+\.py::[\w:]+", TEXTS[name]):
        path, _, test = span.partition("::")
        assert (ROOT / path).is_file(), f"{name}: {span}"
        assert test.replace("::", ".") in names_in(ROOT / path), f"{name}: {span}"


@pytest.mark.parametrize("name", TEXTS)
def test_every_file_named_exists(name: str) -> None:
    for span in spans(TEXTS[name]):
        if re.fullmatch(r"(src|tests|docs|bench)/[\w./-]*[\w/]", span) and "NNNN" not in span:
            assert (ROOT / span).exists(), f"{name}: {span}"


def test_the_walk_names_what_is_there() -> None:
    rows = re.findall(r"^\| `([\w/]+\.py)` \| ([^|]+) \|", TEXTS["docs/walk.md"], re.MULTILINE)
    assert len(rows) > 30
    for path, called_there in rows:
        assert (SOURCE / path).is_file(), path
        for name in re.findall(r"`([^`]+)`", called_there):
            assert name in names_in(SOURCE / path), f"{path}: {name}"


def test_each_failure_has_a_test_or_the_module_with_which_it_comes() -> None:
    rows = re.findall(r"^\| (?!what went|---)(.+) \|$", TEXTS["docs/failures.md"], re.MULTILINE)
    assert len(rows) > 50
    for row in rows:
        last = row.split(" | ")[-1]
        assert "tests/" in last or last in {"triage", "inbox"}, row


def test_every_decision_is_listed_and_numbered_without_a_gap() -> None:
    pages = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))
    for name in pages:
        text = TEXTS[f"docs/decisions/{name}"]
        assert f"({name})" in TEXTS["docs/decisions/README.md"]
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
            "Context", "Decision", "Measured or shown", "Consequences",
        ], name  # fmt: skip


# ── Examples ────────────────────────────────────────────────────────────────────────────────────────────────────────


def our_own(language: str) -> list[Block]:
    """The examples that are about this product's own files and tables."""
    return [block for block in blocks(language) if block.document != DOCTOR]


@pytest.mark.parametrize("block", our_own("toml"), ids=lambda block: block.document)
def test_every_projects_file_shown_is_right(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "tallybook.toml"
    path.write_text(block.text, encoding="utf-8")
    assert read_projects_file(path).monitor.projects


async def test_every_query_shown_runs(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    queries = [one for block in our_own("sql") for one in block.text.split(";\n") if one.strip()]
    assert len(queries) >= 4
    for query in queries:
        await conn.execute(query.encode())


def test_every_log_line_quoted_is_written_by_the_code() -> None:
    drop = [("DR1752104", "Lawley")]
    written = {
        line
        for tag in ("", "[DEV] ")
        for line in log_lines(Filed(created=drop, resubmitted=drop, history=drop, invalid=drop, activated=drop), tag)
    }
    quoted = [line for block in blocks("log") for line in block.text.splitlines()]
    assert len(quoted) >= 4
    assert [line for line in quoted if line not in written] == []


def test_every_metric_is_described_and_every_one_described_exists() -> None:
    modules()
    counted = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in REGISTRY.collect()
        if metric.name.startswith("tallybook_")
    }
    table = TEXTS["docs/operations.md"].split("### Metrics")[1].split("###")[0]
    described = set(re.findall(r"^\| `(tallybook_\w+)` \|", table, re.MULTILINE))
    assert described == counted


def test_the_times_for_which_rows_are_kept_are_the_real_ones() -> None:
    said = dict(
        re.findall(r"^\| `(\w+)` \| (.+) \|$", TEXTS["docs/operations.md"].split("## How long")[1], re.MULTILINE)
    )
    assert said.keys() == {rule.table for rule in retention.RULES}
    for rule in retention.RULES:
        if rule.age.days:
            assert said[rule.table].startswith(f"{rule.age.days} days"), rule.table


def test_no_query_that_people_are_given_asks_the_server_what_day_it_is() -> None:
    """On a server in UTC it would show yesterday until two in the morning of Johannesburg."""
    for page in (ROOT / "docs").rglob("*.md"):
        for block in re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            assert "current_date" not in block.lower(), page.name
