"""Every sentence that health can say exists in Hebrew: they are gathered from the source, so none is forgotten."""

from __future__ import annotations

import ast
import re
import typing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import tallybook
from tallybook import words
from tallybook.channels.bridge import sentences
from tallybook.channels.bridge.findings import Findings
from tallybook.core import health, health_words
from tallybook.core.businesses import Business
from tallybook.web import phrases
from tallybook.web.health import line
from tallybook.web.times import Clock

PACKAGE = Path(tallybook.__file__).parent
# A value stands in each place; that it comes through shows that the sentence was known.
VALUE = "7"
# What makes a check, a sign of life, or an error that becomes one; each says its sentence in one of its arguments.
SAY = {"Check", "SourceUnreadable"}
WHERE = (
    "core/health.py",
    "app.py",
    "health_report.py",
    "worker.py",
    "monitor/jobs.py",
    "monitor/service/rhythm.py",
    "channels/bridge",
)
PARTS = [health.WAITS, health.PARKED, health.UNKNOWN, health.REFUSALS]


# What the bridge's API answers becomes a message's reason, not a check.
OF_SENDING = {"sender.py", "wire.py"}


def sources() -> list[Path]:
    files = [file for place in WHERE for file in sorted({PACKAGE / place, *(PACKAGE / place).glob("*.py")})]
    return [file for file in files if file.is_file() and file.name not in OF_SENDING]


def text_of(node: ast.expr) -> str | None:
    """A literal as it comes out; what is put in is the value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\w+\}", VALUE, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    return None


def is_sentence(text: str) -> bool:
    return re.fullmatch(r"[A-Z7].*[.?](?: Start one with: tallybook work)?|.*: tallybook work", text) is not None


def said() -> dict[str, str]:
    """Every sentence in the source of those who make checks, and where it stands."""
    found = {}
    for file in sources():
        tree = ast.parse(file.read_text("utf-8"))
        told = [node for node in ast.walk(tree) if isinstance(node, ast.Call | ast.Assign | ast.AnnAssign)]
        for node in told:
            for text in _of_call(node) if isinstance(node, ast.Call) else _of_name(node):
                found[text] = f"{file.name}:{node.lineno}"
    return found


def _of_call(call: ast.Call) -> list[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name not in SAY | {"append"}:
        return []
    texts = [text_of(argument) for argument in call.args]
    return [text for text in texts if text and is_sentence(text)]


def _of_name(node: ast.Assign | ast.AnnAssign) -> list[str]:
    """A constant, a table of them, or a variable that holds a sentence."""
    parts = [part for part in ast.walk(node) if isinstance(part, ast.expr)]
    inside = {id(value) for part in parts if isinstance(part, ast.JoinedStr) for value in part.values}
    texts = [text_of(part) for part in parts if id(part) not in inside]
    return [text for text in texts if text and is_sentence(text) and len(text.split()) > 1]


def translated(text: str) -> str:
    return health_words.told(text, words.words("he"))


def test_the_sentences_of_all_who_make_checks_are_found() -> None:
    found = said()
    assert len(found) > 30
    for known in ("No message in two weeks.", "The bridge's session file has no LID map", health.AWAY, "7 is empty"):
        assert any(text.startswith(known) for text in found), known


@pytest.mark.parametrize("text", sorted(said()))
def test_every_sentence_is_said_in_hebrew_with_its_values(text: str) -> None:
    hebrew = translated(text)
    assert re.search("[א-ת]", hebrew), said()[text]
    assert hebrew.count(VALUE) == text.count(VALUE)


@pytest.mark.parametrize(("one", "many"), PARTS)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_every_count_is_said_in_hebrew(one: str, many: str, count: int) -> None:
    hebrew = translated(health.counted(count, one, many))
    assert re.search("[א-ת]", hebrew)
    assert (str(count) in hebrew) == bool(count)


def test_every_state_is_said_in_hebrew_without_a_detail() -> None:
    for text in health.PLAIN.values():
        assert text in health_words.HEALTH
        assert translated(text) != text


def test_every_error_of_the_bridges_file_is_said_in_hebrew(tmp_path: Path) -> None:
    errors: list[Exception] = [FileNotFoundError(), PermissionError(), OSError("the disk"), ValueError("odd")]
    path = tmp_path / "messages.db"
    texts = [sentences.sentence(path, error) for error in errors]
    texts += filter(
        None, (sentences.looks_wrong(path, header, len(header)) for header in (b"", b"x" * 512, b"\xff" * 512))
    )
    for text in texts:
        assert re.search("[א-ת]", translated(text)), text
        assert str(path) in translated(text)


def test_several_sentences_are_each_translated() -> None:
    both = translated("7 rows have no message id and were left out.\nEmpty.")
    assert both == f"{translated('7 rows have no message id and were left out.')} {translated('Empty.')}"


def test_a_sentence_that_nobody_knows_stays_as_it_is() -> None:
    assert translated("Something odd.") == "Something odd."


def test_every_fact_of_a_sign_of_life_has_a_name_for_people() -> None:
    plain = {int, str, bool, float}
    hints = typing.get_type_hints(Findings)
    fields = [one.name for one in msgspec.structs.fields(Findings) if hints[one.name] in plain]
    facts = {*fields, "host", "process", "newest_at", "remarks", "latency_ms", "bytes", "quarantined"}
    facts |= {"files", "mode", "age_seconds", "teams", "held", "may_be_accepted", "waiting", "off", "failing", "missed"}
    assert facts <= set(phrases.FACTS)
    assert all(words.words("he").gettext(name) != name for name in phrases.FACTS.values())


@pytest.mark.parametrize(("language", "yes"), [("en", "yes"), ("he", "כן")])
def test_what_a_process_says_is_so_is_said_in_a_word(language: str, yes: str) -> None:
    """A bridge that drops captions says it by true, which is no number to be written as one."""
    clock = Clock(datetime.now(UTC), Business(1, "Velo Fibre", "UTC", language), language, words.words(language))
    shown = line(
        health.Check("bridge", "ok", "Connected; reading.", None, {"drops_captions": True, "off": False}), clock
    )
    assert [value for _, value in shown.facts] == [yes]
