"""What the projects file says of alarms is checked, each mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallybook.core.errors import WrongSetup
from tallybook.projects_file import read_projects_file

MISTAKEN = """\
[alerts]
patience_seconds = -1
quiet = 3

[[alerts.mail]]
to = ["ana"]

[[alerts.mail]]
to = []
from = "ana@example.org"

[[alerts.webhook]]
name = "pager"
url = "http://example.org"

[[alerts.webhook]]
name = "pager"
url = "ftp://example.org"
allow_internal = "yes"
"""


def mistakes(folder: Path, text: str) -> list[str]:
    path = folder / "tallybook.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WrongSetup) as raised:
        read_projects_file(path)
    return raised.value.message.splitlines()


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    addresses = 'must be a list of e-mail addresses, such as ["ana@example.org"]'
    assert mistakes(tmp_path, MISTAKEN) == [
        "tallybook.toml line 2: patience_seconds must be a number of seconds from 0 to 86400.",
        "tallybook.toml line 3: quiet is not known here; the nearest is quiet_seconds.",
        "tallybook.toml line 5: from is missing.",
        'tallybook.toml line 6: to must be an e-mail address, such as "ana@example.org".',
        f"tallybook.toml line 9: to {addresses}.",
        "tallybook.toml line 14: url must begin with https://, or allow_internal be true.",
        'tallybook.toml line 17: name "pager" is also that of the webhook in line 13.',
        'tallybook.toml line 18: url must be an address such as "https://example.org/hook", without a user.',
        "tallybook.toml line 19: allow_internal must be true or false.",
    ]


@pytest.mark.parametrize("text", ["alerts = 3", "[alerts]\nmail = 3", "[[alerts]]\nto = 1", "[alerts]\nwebhook = [3]"])
def test_another_shape_is_told_and_not_guessed(tmp_path: Path, text: str) -> None:
    assert any("must be" in one for one in mistakes(tmp_path, text))


def test_one_address_may_stand_alone_and_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "tallybook.toml"
    path.write_text('[[alerts.mail]]\nto = "ana@example.org"\nfrom = "t@example.org"\n')
    assert read_projects_file(path).alerts.mail[0].to == ("ana@example.org",)


@pytest.mark.parametrize(
    "url",
    [
        "https://bücher.example/hook", "https://example.org/" + "x" * 2000, r"https://example.org/a\u0007b",
        "https://example.org/a b", "https://exa..mple.org/", "https://" + "x" * 64 + ".org/", "https://-x.org/",
        "https://example.org/é",
    ],
)  # fmt: skip
def test_an_address_that_no_client_would_send_to_is_a_mistake_of_the_file(tmp_path: Path, url: str) -> None:
    text = f'[[alerts.webhook]]\nname = "pager"\nurl = "{url}"\n'
    assert any("line 3: url must be" in one for one in mistakes(tmp_path, text))


@pytest.mark.parametrize(
    "url",
    ["https://xn--bcher-kva.example/hook", "https://example.org.:8443/a?b=c#d", "https://[2606:2800:220:1::1]/x",
     "https://93.184.216.34/", "https://a_b.example.org/"],
)  # fmt: skip
def test_an_address_that_a_client_sends_to_is_taken(tmp_path: Path, url: str) -> None:
    path = tmp_path / "tallybook.toml"
    path.write_text(f'[[alerts.webhook]]\nname = "pager"\nurl = "{url}"\n')
    assert read_projects_file(path).alerts.webhook[0].url == url
