"""What the projects file says of the inbox's bot, and each mistake in it with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallybook.core.errors import WrongSetup
from tallybook.inbox.answer_types import Bot, Mode
from tallybook.projects_file import read_projects_file


def bot(folder: Path, text: str) -> Bot:
    path = folder / "tallybook.toml"
    path.write_text(text, encoding="utf-8")
    return read_projects_file(path).bot


@pytest.mark.parametrize("text", ["", "[inbox]\n"])
def test_the_bot_is_off_until_somebody_says_otherwise(tmp_path: Path, text: str) -> None:
    assert bot(tmp_path, text) == Bot(Mode.OFF, None)


def test_it_answers_for_the_business_that_is_named(tmp_path: Path) -> None:
    assert bot(tmp_path, '[inbox]\nbot = "auto"\nbusiness = "Fibre"\n') == Bot(Mode.AUTO, "Fibre")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("bot = true", 'line 2: bot must be "off", "draft" or "auto".'),
        ('bot = "on"', 'line 2: bot must be "off", "draft" or "auto".'),
        ('business = " "', "line 2: business must be a text."),
        ('boot = "off"', "line 2: boot is not known here; the nearest is bot."),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(WrongSetup) as refused:
        bot(tmp_path, f"[inbox]\n{line}\n")
    assert refused.value.message.endswith(says)
