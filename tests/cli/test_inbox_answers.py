"""At the terminal people keep what the inbox's bot knows: a list is shown and written once, and a question is tried."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
import xlsxwriter

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import Invalid
from tallybook.inbox.answer_types import Line
from tallybook.inbox.service import faq_lists
from tests import world
from tests.core.worked import rows

HOURS = "We are open from nine to six."
HEBREW, HEBREW_HOURS = "מה שעות הפתיחה?", "אנחנו פתוחים מתשע עד שש."
HEAD = "question,answer,language\n"
LIST = (
    f"{HEAD}What are your opening hours?,{HOURS},en\n{HEBREW},{HEBREW_HOURS},he\nHow much is delivery?,It is free.,EN\n"
)
STORED = "select business_id, language, question, answer, active from inbox_answers order by id"
RECORDED = "select action, before->>'answer', after->>'answer' from audit_log where subject = 'answer' order by id"
SENT = "select (select count(*) from outbox)::int, (select count(*) from reply_decisions)::int"
# Runs command after command in one process, and tells how each ended.
EACH = """
import json, sys
from typer.testing import CliRunner
from tallybook.cli import app
for arguments in json.load(sys.stdin):
    done = CliRunner().invoke(app, arguments)
    print(json.dumps([done.exit_code, done.stdout, done.stderr + (getattr(done.exception, "message", None) or "")]))
"""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Answers:
    """Runs ``inbox answers`` commands beside a database."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.settings = {
            "TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(folder / "data"),
            "TALLYBOOK_LOG_LEVEL": "error", "COLUMNS": "200",
        }  # fmt: skip

    def file(self, text: str, name: str = "answers.csv") -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return str(self.folder / name)

    def __call__(self, *commands: tuple[str, ...]) -> list[Ended]:
        done = subprocess.run(
            [sys.executable, "-c", EACH], input=json.dumps([["inbox", "answers", *one] for one in commands]),
            env=os.environ | self.settings, check=True, capture_output=True, text=True, cwd=self.folder, timeout=60,
        )  # fmt: skip
        return [Ended(*json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture
def answers(fresh_url: str, tmp_path: Path) -> Answers:
    return Answers(fresh_url, tmp_path)


async def test_a_list_is_shown_and_asked_about_and_written_once(
    fresh_db: Database, business: Business, answers: Answers
) -> None:
    file = answers.file(LIST)
    none, unasked, first, again, told = answers(
        ("list",), ("import", file), ("import", file, "--yes"), ("import", file), ("import", file, "--yes", "--json")
    )
    assert none == (0, "No answer is known yet.\n", "")
    assert unasked.code == 2
    assert "Add 3 answers and change 0?" in unasked.err
    assert first == (0, "3 answers added; 0 changed; 0 were known already.\n", first.err)
    assert f"Added: 3\n  en  What are your opening hours? → {HOURS}\n  he  {HEBREW} → {HEBREW_HOURS}\n" in first.err
    assert again == (0, "0 answers added; 0 changed; 3 were known already.\n", again.err)
    assert "Added: 0\nChanged: 0\nKnown already: 3." in again.err
    counts = {"added": 0, "changed": 0, "known": 3, "withdrawn": 0, "applied": True}
    assert (json.loads(told.out), told.err) == (counts, "")
    assert len(await rows(fresh_db, STORED)) == 3
    assert [row[0] for row in await rows(fresh_db, RECORDED)] == ["answer.added"] * 3


async def test_an_answer_that_changed_is_shown_with_what_it_was_and_one_put_aside_is_given_again(
    fresh_db: Database, business: Business, answers: Answers, fresh_owner_url: str
) -> None:
    answers(("import", answers.file(LIST), "--yes"))
    with psycopg.connect(fresh_owner_url) as owner:
        owner.execute("update inbox_answers set active = false where language = 'he'")
    (done,) = answers(("import", answers.file(LIST.replace("It is free.", "It costs 5."), "new.csv"), "--yes"))
    assert done.out == "0 answers added; 2 changed; 1 were known already.\n"
    assert "How much is delivery?: It is free. → It costs 5." in done.err
    assert f"{HEBREW}: not given so far, given again" in done.err
    assert {(row[3], row[4]) for row in await rows(fresh_db, STORED)} == {
        (HOURS, True), (HEBREW_HOURS, True), ("It costs 5.", True),
    }  # fmt: skip
    assert ("answer.changed", "It is free.", "It costs 5.") in await rows(fresh_db, RECORDED)


async def test_what_a_list_lacks_is_withdrawn_after_a_look_and_much_of_it_only_if_it_is_meant(
    fresh_db: Database, business: Business, answers: Answers
) -> None:
    file = answers.file(f"{HEAD}What are your opening hours?,{HOURS},en\n", "short.csv")
    tried, kept, refused, done, again = answers(
        ("import", answers.file(LIST), "--yes"), ("import", file, "--withdraw", "--dry-run"), ("import", file, "--yes"),
        ("import", file, "--withdraw", "--yes"), ("import", file, "--withdraw", "--withdraw-many", "--yes"),
        ("import", file, "--withdraw", "--yes"),
    )[1:]  # fmt: skip
    assert tried.out == "Nothing was changed: this was a dry run.\n"
    assert "Withdrawn: 1\n" in tried.err
    assert "How much is delivery?" in tried.err
    assert kept.out == "0 answers added; 0 changed; 1 were known already.\n"
    assert (refused.code, "1 of 2 would be given no more. Use --withdraw-many." in refused.err) == (1, True)
    assert done.out == "0 answers added; 0 changed; 1 are given no more; 1 were known already.\n"
    assert again.out == "0 answers added; 0 changed; 0 are given no more; 1 were known already.\n"
    given = {row[3]: row[4] for row in await rows(fresh_db, STORED)}
    assert given == {HOURS: True, HEBREW_HOURS: True, "It is free.": False}
    assert (await rows(fresh_db, RECORDED))[-1] == ("answer.withdrawn", "It is free.", "It is free.")


async def test_a_wrong_row_is_named_and_nothing_of_the_list_is_written(
    fresh_db: Database, business: Business, answers: Answers
) -> None:
    file = answers.file(f"{LIST}Where are you?,,en\nDo you deliver?,Yes.,fr\n")
    wrong, headless, missing = answers(
        ("import", file, "--yes"), ("import", answers.file("a,b\n1,2\n", "other.csv")), ("import", "none.csv")
    )
    assert wrong.code == 1
    assert "Nothing was changed. Rows that cannot be used: 2" in wrong.err
    assert "row 5: There is no answer." in wrong.err
    assert "row 6: The language must be en or he." in wrong.err
    assert (headless.code, "question, answer, language" in headless.err) == (1, True)
    assert (missing.code, "none.csv cannot be read" in missing.err) == (1, True)
    assert await rows(fresh_db, STORED) == []


async def test_another_business_keeps_its_own_answers(fresh_db: Database, business: Business, answers: Answers) -> None:
    other = await fresh_db.run("add business", world.kinneret_tours)
    file, theirs = (
        answers.file(LIST),
        answers.file(f"{HEAD}What are your opening hours?,Never on Saturday.,en\n", "t.csv"),
    )
    ours, kinneret = ("--business", business.name), ("--business", other.name)
    unnamed, *_, tried = answers(
        ("list",), ("import", file, "--yes", *ours), ("import", theirs, "--yes", *kinneret),
        ("try", "opening hours?", *kinneret),
    )  # fmt: skip
    assert (unnamed.code, "several businesses" in unnamed.err) == (1, True)
    assert "Never on Saturday." in tried.out
    assert [row[0] for row in await rows(fresh_db, STORED)] == [business.id] * 3 + [other.id]
    (number,) = (await rows(fresh_db, "select max(id) from inbox_answers"))[0]
    refused, listed = answers(("remove", str(number), "--yes", *ours), ("list", "--json", *kinneret))
    assert (refused.code, f"There is no answer {number} here" in refused.err) == (1, True)
    assert [one["answer"] for one in json.loads(listed.out)] == ["Never on Saturday."]


async def test_an_answer_is_shown_and_taken_out_only_with_a_yes(
    fresh_db: Database, business: Business, answers: Answers
) -> None:
    answers(("import", answers.file(LIST), "--yes"))
    ((number,),) = await rows(fresh_db, "select id from inbox_answers where language = 'he'")
    listed, unasked, kept, removed, gone = answers(
        ("list",), ("remove", str(number)), ("list", "--json"), ("remove", str(number), "--yes"),
        ("remove", str(number), "--yes"),
    )  # fmt: skip
    assert HEBREW in listed.out
    assert HOURS in listed.out
    assert (unasked.code, HEBREW_HOURS in unasked.err) == (2, True)
    assert len(json.loads(kept.out)) == 3
    assert removed == (0, f"Answer {number} is taken out.\n", removed.err)
    assert gone.code == 1
    assert [row[1] for row in await rows(fresh_db, STORED)] == ["en", "en"]
    assert (await rows(fresh_db, RECORDED))[-1] == ("answer.removed", HEBREW_HOURS, None)


async def test_a_question_is_tried_and_nothing_is_sent_or_decided(
    fresh_db: Database, business: Business, answers: Answers
) -> None:
    projects = answers.folder / "tallybook.toml"
    projects.write_text('[inbox]\nbot = "auto"\n', encoding="utf-8")
    answers.settings["TALLYBOOK_CONFIG"] = str(projects)
    english, hebrew, unknown, person, told = answers(
        ("import", answers.file(LIST), "--yes"), ("try", "Hi! When are the opening hours?"),
        ("try", "מה השעות פתיחה שלכם"), ("try", "Do you sell bicycles?"),
        ("try", "I want to talk to a person"), ("try", HEBREW, "--json"),
    )[1:]  # fmt: skip
    assert english.out.startswith("Answered by number ")
    assert HOURS in english.out
    assert HEBREW_HOURS in hebrew.out
    assert unknown.out == "A person would be told: no known answer fits surely enough.\n"
    assert person.out.startswith("A person would be told: the customer asked for a person.")
    said = json.loads(told.out)
    assert (said["answer"]["answer"], said["sure"], said["mode"]) == (HEBREW_HOURS, 1.0, "auto")
    projects.unlink()
    assert "The bot is off for this business" in answers(("try", HEBREW))[0].out
    assert await rows(fresh_db, SENT) == [(0, 0)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{HEBREW},{HEBREW_HOURS},en", faq_lists.IS_HEBREW),
        ("what is it?,That.,en", faq_lists.SAYS_NOTHING),
        (f"{'opening ' * 70},Yes.,en", faq_lists.LONG_QUESTION),
        (f"Opening?,{'x' * 3000},en", faq_lists.LONG_ANSWER),
        ("Opening\x07?,Yes.,en", faq_lists.NOT_SHOWN),
        (",Yes.,en", faq_lists.NO_QUESTION),
    ],
)
def test_a_line_that_would_never_be_given_or_not_whole_is_refused(row: str, reason: str) -> None:
    assert [(one.row, one.reason) for one in faq_lists.read(f"{HEAD}{row}\n".encode()).wrong] == [(2, reason)]


def test_a_question_with_two_answers_is_refused_and_one_said_twice_is_counted() -> None:
    read = faq_lists.read(
        f"{HEAD}Opening hours?,Nine.,en\nOpening  hours? ,Nine.,en\nOpening hours?,Ten.,en\n".encode()
    )
    assert (len(read.lines), read.repeats) == (1, 1)
    assert [(one.row, one.reason) for one in read.wrong] == [(4, faq_lists.SAID_OTHERWISE.format(row=2))]


def test_a_workbook_is_read_and_a_sheet_without_the_columns_is_named() -> None:
    whole = io.BytesIO()
    with xlsxwriter.Workbook(whole, {"in_memory": True}) as book:
        sheet = book.add_worksheet("FAQ")
        for at, cells in enumerate(
            (("Language", "Question", "Answer"), ("he", HEBREW, HEBREW_HOURS), ("en", "Price?", 5))
        ):
            sheet.write_row(at + 1, 0, cells)
        book.add_worksheet("Notes").write(0, 0, "to do")
    read = faq_lists.read(whole.getvalue())
    assert read.lines == [Line("he", HEBREW, HEBREW_HOURS), Line("en", "Price?", "5")]
    assert (read.wrong, read.left_out) == ([], ["Notes"])


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(Invalid, match="no line below a header"):
        faq_lists.read(HEAD.encode())
