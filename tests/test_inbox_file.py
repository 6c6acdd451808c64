"""What the projects file says of the inbox's bot, and each mistake in it with its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tallybook.core.errors import WrongSetup
from tallybook.inbox.answer_types import Bot, Mode, ModelTerms
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
        ("silence_hours = 0", "line 2: silence_hours must be a number from 0.1 to 8,760."),
        ('boot = "off"', "line 2: boot is not known here; the nearest is bot."),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(WrongSetup) as refused:
        bot(tmp_path, f"[inbox]\n{line}\n")
    assert refused.value.message.endswith(says)


@pytest.mark.parametrize(("text", "hours"), [("", 24), ("[inbox]\nsilence_hours = 0.5\n", 0.5)])
def test_a_conversation_is_over_after_a_day_of_silence_or_what_the_file_says(
    tmp_path: Path, text: str, hours: float
) -> None:
    path = tmp_path / "tallybook.toml"
    path.write_text(text, encoding="utf-8")
    assert read_projects_file(path).silence == timedelta(hours=hours)


def test_a_model_is_named_with_its_limits(tmp_path: Path) -> None:
    text = """
[inbox]
business = "Fibre"
[inbox.bot]
mode = "draft"
per_hour = 5
model = "small"
persona = "You are Noa."
seconds = 10
cost_per_day = 2
price_in = 0.5
"""
    terms = ModelTerms("small", "You are Noa.", seconds=10.0, cost_per_day=2.0, price_in=0.5)
    assert bot(tmp_path, text) == Bot(Mode.DRAFT, "Fibre", 5, terms)
    assert bot(tmp_path, '[inbox.bot]\nmode = "auto"\n') == Bot(Mode.AUTO)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('mode = "on"', 'line 2: mode must be "off", "draft" or "auto".'),
        ("per_hour = 0", "line 2: per_hour must be a whole number from 1 to 1,000."),
        ('mode = "auto"\npersona = "x"', "line 3: persona is for a model, and none is named: model is missing."),
        ('model = "m"\ncost_per_day = 1', "line 3: cost_per_day needs price_in and price_out beside it."),
        ('model = "m"\nseconds = nan', "line 3: seconds must be a number."),
        ('model = "m"\ntoken_per_day = 3', "line 3: token_per_day is not known here; the nearest is tokens_per_day."),
    ],
)
def test_a_mistake_about_the_model_is_told_with_its_line(tmp_path: Path, lines: str, says: str) -> None:
    with pytest.raises(WrongSetup) as refused:
        bot(tmp_path, f"[inbox.bot]\n{lines}\n")
    assert refused.value.message.endswith(says)
