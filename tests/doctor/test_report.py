"""A report is read by a tired person, by code scanning and by continuous integration; none of them learns too much."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tallybook.doctor.codes import MEANS
from tallybook.doctor.contract import NaturalKey
from tallybook.doctor.report import show
from tallybook.doctor.report_junit import junit
from tallybook.doctor.report_sarif import fingerprint, sarif
from tallybook.doctor.types import Code, Evidence, Finding, Report, Severity
from tests.doctor import sarif_spec

STRICT = Finding(
    code=Code.TOO_STRICT,
    severity=Severity.ERROR,
    table="qa_photo_reviews",
    name="unique_drop_per_day",
    says="The same drop on one day in two projects is refused, so Lawley's review is lost.",
    do="drop unique_drop_per_day, after making the declared key",
    key=NaturalKey(table="qa_photo_reviews", columns=("project", "drop_number", "review_date")),
    evidence=Evidence(
        rows=(
            {"id": 7, "drop_number": "DR1752104", "project": "Lawley", "secret": "x"},
            {"id": 9, "drop_number": "DR1752104", "project": "Velo\x1b[2J Test", "secret": "x"},
        ),
        groups=2,
        error='duplicate key value violates unique constraint "unique_drop_per_day"',
        times=12,
        last=datetime(2025, 11, 26, 13, 42, tzinfo=UTC),
    ),
)
STATEMENT = Finding(
    code=Code.CONFLICT_WITHOUT_ARBITER,
    severity=Severity.ERROR,
    table="sessions",
    place="src/a store.ts:12",
    says="Every save of a session fails.",
    do="name the key",
)
AGAIN = Finding(
    code=Code.CONFLICT_WITHOUT_ARBITER, severity=Severity.ERROR, table="sessions", place="src/a store.ts:40",
    says="Every save of a session fails.", do="name the key",
)  # fmt: skip
LATE = Finding(
    code=Code.SEQUENCE_BEHIND, severity=Severity.WARNING, table="orders", says="The next insert fails.", do="setval"
)
UNSEEN = Finding(
    code=Code.NOT_LOOKED_AT, severity=Severity.NOTE, table="vault", says="Our role may not look.", do="grant select"
)
UNREAD = Finding(
    code=Code.NOT_READ, severity=Severity.NOTE, table="", place="src/b.py:3: it is only a part of a statement",
    says="This could not be read.", do="Name it in the contract.",
)  # fmt: skip
FINDINGS = (UNSEEN, LATE, STRICT, STATEMENT, AGAIN, UNREAD)


def report(*findings: Finding) -> Report:
    return Report(
        findings=findings, tables=96, keys=120, upserts=1, seconds=1.23, database="shop", schemas=("public", "app")
    )


def shown(given: Report, width: int = 120) -> str:
    out = io.StringIO()
    show(given, Console(file=out, width=width))
    return out.getvalue()


def test_the_worst_comes_first_and_a_healthy_schema_gets_a_calm_sentence() -> None:
    said = shown(report(*FINDINGS))
    places = [said.index(word) for word in ("too-strict", "conflict-without-arbiter", "sequence-behind", "vault")]
    assert places == sorted(places)
    assert "3 errors, 1 warning, 2 notes: looked at 96 tables of shop (public, app)" in said
    assert shown(report()) == (
        "All is well: looked at 96 tables of shop (public, app), 120 keys and 1 statement in 1.2 s.\n"
    )


def test_a_finding_shows_what_differs_what_users_see_how_often_and_what_to_do() -> None:
    said = shown(report(STRICT))
    for part in (
        "✗ too-strict  qa_photo_reviews  unique_drop_per_day", "is refused, so Lawley's review is lost.",
        "2 groups of rows", "DR1752104", "Users see: duplicate key",
        "Recorded 12 times, last on 2025-11-26 at 13:42 UTC",
        "Do: drop unique_drop_per_day",
    ):  # fmt: skip
        assert part in said
    assert "secret" not in said, "what is the same in all rows says nothing"


def test_a_value_of_the_database_cannot_move_the_cursor() -> None:
    assert "\x1b" not in shown(report(STRICT))


def test_a_terminal_of_a_phone_shows_it_too() -> None:
    assert max(map(len, shown(report(*FINDINGS), width=40).splitlines())) <= 40


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "contract.toml"
    path.write_text('[[keys]]\ntable = "orders"\n\n[[keys]]\ntable = "qa_photo_reviews"\n', encoding="utf-8")
    return path


def scanned(given: Report, contract: Path | None, folder: Path) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(sarif(given, version="0.5.0", contract=contract, folder=folder))
    return log


def test_sarif_is_as_its_specification_demands(contract: Path, tmp_path: Path) -> None:
    for given in (report(), report(*FINDINGS)):
        sarif_spec.check(scanned(given, contract, tmp_path))
        sarif_spec.check(scanned(given, None, tmp_path))


def test_sarif_points_at_the_statement_else_at_the_table_in_the_contract(contract: Path, tmp_path: Path) -> None:
    run = scanned(report(*FINDINGS), contract, tmp_path)["runs"][0]
    places = [one["locations"][0]["physicalLocation"] for one in run["results"]]
    assert [(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in places] == [
        ("contract.toml", 5), ("src/a%20store.ts", 12), ("src/a%20store.ts", 40), ("contract.toml", 2),
        ("contract.toml", 1), ("src/b.py", 3),
    ]  # fmt: skip
    outside = scanned(report(STRICT), contract, tmp_path / "elsewhere")["runs"][0]["results"][0]
    assert outside["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")


def test_a_finding_is_the_same_one_though_lines_move_and_rows_are_added() -> None:
    assert fingerprint(STATEMENT) == fingerprint(AGAIN)
    assert len({fingerprint(one) for one in FINDINGS}) == 5


def test_no_row_of_the_database_leaves_in_a_file_that_is_uploaded(contract: Path, tmp_path: Path) -> None:
    given = report(*FINDINGS)
    for written in (
        sarif(given, version="0.5.0", contract=contract, folder=tmp_path),
        junit(given, fail_on=Severity.ERROR),
    ):
        assert b"DR1752104" not in written


def suites(given: Report, fail_on: Severity) -> ET.Element:
    return ET.fromstring(junit(given, fail_on=fail_on))  # noqa: S314 - we wrote it ourselves, a line before


@pytest.mark.parametrize(("fail_on", "failures", "skipped"), [(Severity.ERROR, 3, 2), (Severity.WARNING, 4, 2)])
def test_junit_fails_what_is_bad_enough_and_skips_what_was_not_looked_at(
    fail_on: Severity, failures: int, skipped: int
) -> None:
    suite = suites(report(*FINDINGS), fail_on).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert (len(suite.findall("testcase/failure")), len(suite.findall("testcase/skipped"))) == (failures, skipped)
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (
        str(len(cases)), str(failures), str(skipped),
    )  # fmt: skip
    assert len(cases) == len(FINDINGS) + len(Code) - len({one.code for one in FINDINGS})


def test_a_healthy_schema_is_a_suite_in_which_all_passed() -> None:
    healthy = suites(report(), Severity.WARNING)
    assert healthy.get("failures") == "0"
    assert healthy.get("tests") == str(len(Code))


def test_every_code_is_explained() -> None:
    assert set(MEANS) == set(Code)
    assert all(text.endswith(".") for text in MEANS.values())
