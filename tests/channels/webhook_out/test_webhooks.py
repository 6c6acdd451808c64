"""A webhook of ours is signed, goes to the address that was checked and to no other, and its answer is judged."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import pytest

from tallybook.channels.webhook_out import addresses
from tallybook.channels.webhook_out.client import Hook, Webhooks
from tallybook.channels.webhook_out.signing import signature
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Settlement, Unreachable
from tallybook.core.messages import Outgoing
from tests.receivers import LOCAL, SECRET, Certificates, WebhookServer, signed, webhook_server

LETTER = Outgoing("webhook", "alarms", "pager", "alarm:parked:1:begun:pager", {"event": "alarm.begun", "says": "א"})


def to(url: str, *, internal: bool = True, tls: ssl.SSLContext | bool = True, at: Sequence[str] = (LOCAL,)) -> Webhooks:
    """The channel, whose hosts are all found at the addresses ``at``."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return at

    hook = Hook("pager", url, SECRET, internal)
    return Webhooks(lambda _: hook, tls, resolve, seconds=5)


def local(server: WebhookServer) -> str:
    return f"http://hooks.test:{server.port}/alarm?token=1#part"


async def test_a_webhook_is_posted_signed_to_the_named_host() -> None:
    async with webhook_server() as server:
        assert await to(local(server)).send(LETTER) == LETTER.dedup_key
        (body,), (head,) = server.bodies, server.heads
    assert body == {"event": "alarm.begun", "says": "א"}
    assert head["host"] == f"hooks.test:{server.port}"
    assert head["request"] == "POST /alarm?token=1 HTTP/1.1"
    assert head["x-tallybook-delivery"] == LETTER.dedup_key


def test_a_signature_is_of_the_moment_and_of_every_byte() -> None:
    headers = {"x-tallybook-timestamp": "1", "x-tallybook-signature": signature(SECRET, 1, b"{}")}
    assert signed(headers, b"{}")
    assert not signed(headers, b"{ }")
    assert not signed(headers | {"x-tallybook-timestamp": "2"}, b"{}")


async def test_the_certificate_is_held_against_the_name_though_the_address_is_a_number() -> None:
    certificates = Certificates.made()
    async with webhook_server(certificates.server) as server:
        await to(f"https://localhost:{server.port}/", tls=certificates.client).send(LETTER)
        assert len(server.bodies) == 1
        for name, trusted in (("other.test", certificates.client), ("localhost", True)):
            with pytest.raises(Unreachable):
                await to(f"https://{name}:{server.port}/", tls=trusted).send(LETTER)
        assert len(server.bodies) == 1


INTERNAL = [  # none of them is bound to
    "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.0",
    "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "not an address",
]  # fmt: skip


@pytest.mark.parametrize("address", INTERNAL)
async def test_an_internal_address_is_refused_whatever_its_host_is_called(address: str) -> None:
    assert not addresses.is_public(address)
    for found in ([address], ["93.184.216.34", address]):
        with pytest.raises(Refused, match="internal"):
            await to("https://hooks.test/", internal=False, at=found).send(LETTER)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_a_public_address_is_one(address: str) -> None:
    assert addresses.is_public(address)


async def test_an_address_written_as_a_number_is_checked_too() -> None:
    """Several spellings of this machine, as the system itself resolves them."""
    hooks = [Hook("pager", f"http://{host}:9/", SECRET) for host in ("127.0.0.1", "2130706433", "0x7f.1", "[::1]")]
    for hook in hooks:
        with pytest.raises((Refused, Unreachable)) as raised:
            await Webhooks(lambda _, hook=hook: hook, seconds=2).send(LETTER)
        assert "internal" in str(raised.value) or "not known" in str(raised.value)


async def test_it_is_looked_up_once_and_connected_to_as_found() -> None:
    looked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        looked.append(host)
        return [LOCAL if len(looked) == 1 else "192.0.2.1"]

    async with webhook_server() as server:
        hook = Hook("pager", local(server), SECRET, internal=True)
        await Webhooks(lambda _: hook, resolve=resolve, seconds=5).send(LETTER)
    assert looked == ["hooks.test"]
    assert len(server.bodies) == 1


async def test_a_redirect_is_not_followed() -> None:
    async with webhook_server() as server, webhook_server() as other:
        server.answers, server.more = [302], {"location": f"http://{LOCAL}:{other.port}/"}
        with pytest.raises(Refused, match="redirect"):
            await to(local(server)).send(LETTER)
        assert other.heads == []


async def test_no_proxy_of_the_surroundings_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with webhook_server() as server, webhook_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{LOCAL}:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://{LOCAL}:{proxy.port}")
        await to(local(server)).send(LETTER)
        assert (len(server.bodies), proxy.heads) == (1, [])


@pytest.mark.parametrize(
    ("status", "error"), [(400, Refused), (401, Refused), (410, Refused), (500, SendError), (503, SendError),
                          (408, SendError), (429, RateLimited)]
)  # fmt: skip
async def test_an_answer_is_a_no_for_ever_or_for_now(status: int, error: type[SendError]) -> None:
    async with webhook_server() as server:
        server.answers, server.more = [status], {"retry-after": "7"}
        with pytest.raises(error) as raised:
            await to(local(server)).send(LETTER)
    assert raised.value.permanent == (error is Refused)
    assert "token" not in str(raised.value)
    if not raised.value.permanent:
        assert raised.value.retry_after == 7


async def test_a_line_that_breaks_leaves_the_outcome_unknown() -> None:
    async with webhook_server() as server:
        server.answers = [None]
        with pytest.raises(OutcomeUnknown):
            await to(local(server)).send(LETTER)


async def test_nobody_there_means_that_nothing_was_sent() -> None:
    async with webhook_server() as server:
        url = local(server)
    with pytest.raises(Unreachable):
        await to(url).send(LETTER)
    assert to(url).settlement is Settlement.NEVER


def test_what_is_secret_in_a_hook_is_not_in_its_text() -> None:
    assert repr(Hook("pager", "https://hooks.test/MARKED", "MARKED")) == "Hook(pager)"
