"""An e-mail is sent once, encrypted, and at every step it is known whether it can have left."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tallybook.channels.mail.client import Mail, message
from tallybook.channels.mail.relay import Relay, relay_of
from tallybook.core.channel import OutcomeUnknown, Refused, SendError, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tests.receivers import LOCAL, Certificates, mail_server

SENDER, ANA = "tallybook@example.org", "ana@example.org"
LETTER = Outgoing("mail", "alarms", ANA, "alarm:parked:1:begun:" + ANA, {"subject": "Over: א", "text": "שלום\n"})


def by(port: int, **different: object) -> Mail:
    relay = msgspec.structs.replace(Relay(LOCAL, port, "plain"), **different)
    return Mail(lambda _: (relay, SENDER), seconds=5)


async def test_an_e_mail_arrives_as_it_was_written() -> None:
    async with mail_server() as server:
        number = await by(server.port).send(LETTER)
        (mail,) = server.mails
    assert (mail["Subject"], mail["To"], mail["From"], mail["Message-ID"]) == ("Over: א", ANA, SENDER, number)
    assert mail.get_content().strip() == "שלום"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert server.recipients == [ANA]


def test_a_repeat_bears_the_same_number() -> None:
    other = msgspec.structs.replace(LETTER, dedup_key="another")
    assert message(LETTER, SENDER)["Message-ID"] == message(LETTER, SENDER)["Message-ID"]
    assert message(LETTER, SENDER)["Message-ID"] != message(other, SENDER)["Message-ID"]


@pytest.mark.parametrize("implicit", [True, False])
async def test_the_password_goes_out_encrypted_alone(implicit: bool) -> None:
    certificates = Certificates.made()
    async with mail_server(certificates.server, implicit=implicit) as server:
        relay = Relay("localhost", server.port, "tls" if implicit else "starttls", "ana", "right")
        await Mail(lambda _: (relay, SENDER), certificates.client, seconds=5).send(LETTER)
        assert server.logins == [(b"ana", b"right")]
        assert server.encrypted == [True]


async def test_a_server_without_starttls_or_with_another_s_certificate_gets_nothing() -> None:
    certificates = Certificates.made()
    async with mail_server() as server:
        with pytest.raises(Unreachable):
            await by(server.port, security="starttls", user="ana", password="right").send(LETTER)
        assert (server.logins, server.mails) == ([], [])
    async with mail_server(certificates.server) as server:
        relay = Relay("localhost", server.port, "starttls", "ana", "right")
        with pytest.raises(Unreachable):
            await Mail(lambda _: (relay, SENDER), seconds=5).send(LETTER)
        assert (server.logins, server.mails) == ([], [])


async def test_a_wrong_password_is_tried_again_since_a_person_mends_it() -> None:
    certificates = Certificates.made()
    async with mail_server(certificates.server) as server:
        relay = Relay("localhost", server.port, "starttls", "ana", "wrong")
        with pytest.raises(SendError, match="did not take the name and password") as raised:
            await Mail(lambda _: (relay, SENDER), certificates.client, seconds=5).send(LETTER)
        assert not raised.value.permanent
        assert "wrong" not in str(raised.value)


@pytest.mark.parametrize(("answer", "permanent"), [("550 no such user ana@example.org", True), ("451 later", False)])
@pytest.mark.parametrize("at", ["answers", "ends"])
async def test_a_no_is_final_or_for_later_and_its_words_are_not_kept(answer: str, permanent: bool, at: str) -> None:
    async with mail_server() as server:
        getattr(server, at).append(answer)
        with pytest.raises(SendError) as raised:
            await by(server.port).send(LETTER)
        assert isinstance(raised.value, Refused) == permanent
        assert ANA not in str(raised.value)
        assert server.mails == []


async def test_a_line_that_breaks_after_the_content_leaves_the_outcome_unknown() -> None:
    async with mail_server() as server:
        server.drop = True
        with pytest.raises(OutcomeUnknown):
            await by(server.port).send(LETTER)
        assert len(server.mails) == 1


async def test_a_server_that_does_not_answer_in_time_leaves_the_outcome_unknown() -> None:
    async with mail_server() as server:
        server.held = asyncio.Event()
        slow = by(server.port)
        slow.seconds = 0.3
        with pytest.raises(OutcomeUnknown):
            await slow.send(LETTER)
        server.held.set()


async def test_nobody_there_means_that_nothing_was_sent() -> None:
    async with mail_server() as server:
        port = server.port
    with pytest.raises(Unreachable):
        await by(port).send(LETTER)


def test_no_server_can_be_asked_afterwards_so_that_a_person_is() -> None:
    assert by(1).settlement is Settlement.NEVER


@pytest.mark.parametrize("to", ["ana", "ana@example.org\r\nRCPT TO:<bia@example.org>", "", "a@b@c"])
def test_an_address_that_is_none_is_refused(to: str) -> None:
    with pytest.raises(Refused):
        message(Outgoing("mail", "alarms", to, "k", {"subject": "s", "text": "t"}), SENDER)


def test_a_subject_stays_one_line() -> None:
    mail = message(Outgoing("mail", "alarms", ANA, "k", {"subject": "a\r\nBcc: b@c.d", "text": "t"}), SENDER)
    assert (mail["Subject"], mail["Bcc"]) == ("a Bcc: b@c.d", None)


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://ana:p%40ss@mail.example.org", Relay("mail.example.org", 587, "starttls", "ana", "p@ss")),
        ("smtps://mail.example.org", Relay("mail.example.org", 465, "tls")),
        ("smtp+plain://localhost:2525", Relay("localhost", 2525, "plain")),
    ],
)
def test_the_address_of_the_server_says_how_it_is_spoken_to(url: str, relay: Relay) -> None:
    assert relay_of(url) == relay


@pytest.mark.parametrize(
    "url",
    [
        "http://MARKED",
        "smtp://",
        "smtp://MARKED@host",
        "smtp+plain://ana:MARKED@host",
        "smtp://[MARKED",
        "smtp://h:MARKED",
    ],
)
def test_a_wrong_address_of_the_server_is_told_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is|needs|would)") as raised:
        relay_of(url)
    assert "MARKED" not in str(raised.value)
    assert "MARKED" not in repr(Relay("h", 1, "tls", "ana", "MARKED"))
