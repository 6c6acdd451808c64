"""A header about where a request comes from is believed from a trusted proxy, and from nobody else."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.web.proxies import FORWARDING, Origin, origin, read_address

PROXY = "10.0.0.7"
TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"

addresses = st.ip_addresses().map(str)
outside = st.ip_addresses(v=4).filter(lambda one: one not in TRUSTED[0]).map(str)
inside = st.ip_addresses(network="10.0.0.0/8").map(str)
forwarding = st.lists(st.tuples(st.sampled_from(sorted(FORWARDING)), st.binary(max_size=60)), max_size=4)


@given(addresses, forwarding)
def test_without_a_trusted_proxy_no_header_changes_anything(peer: str, headers: list[tuple[bytes, bytes]]) -> None:
    found = origin(peer, headers, ())
    assert (found.address, found.https) == (peer, None)
    if headers:
        assert not found.local


@given(outside, forwarding)
def test_a_stranger_cannot_speak_for_somebody_else(peer: str, headers: list[tuple[bytes, bytes]]) -> None:
    assert origin(peer, headers, TRUSTED).address == peer


@given(inside, outside, st.lists(inside, max_size=3), st.text(alphabet="0123456789.,: abcdef", max_size=40))
def test_it_is_the_right_most_address_that_is_not_a_proxys_whatever_was_written_before_it(
    peer: str, client: str, proxies: list[str], forged: str
) -> None:
    told = ", ".join([forged, client, *proxies])
    assert origin(peer, [(FOR, told.encode())], TRUSTED).address == client


@given(inside, forwarding)
def test_whoever_comes_through_a_proxy_is_never_local(peer: str, headers: list[tuple[bytes, bytes]]) -> None:
    found = origin(peer, headers, TRUSTED)
    assert not found.local
    assert read_address(found.address) is not None


@pytest.mark.parametrize(
    ("peer", "headers", "trusted", "expected"),
    [
        ("127.0.0.1", [], (), Origin("127.0.0.1", None, local=True)),
        ("::1", [], (), Origin("::1", None, local=True)),
        ("::ffff:127.0.0.1", [], (), Origin("::ffff:127.0.0.1", None, local=True)),
        ("127.0.0.1", [], LOOPBACK, Origin("127.0.0.1", None, local=False)),
        ("127.0.0.1", [(FOR, b"192.0.2.1")], (), Origin("127.0.0.1", None, local=False)),
        ("127.0.0.1", [(b"via", b"1.1 proxy")], (), Origin("127.0.0.1", None, local=False)),
        ("127.0.0.1", [(FOR, b"192.0.2.1"), (PROTO, b"https")], LOOPBACK, Origin("192.0.2.1", https=True, local=False)),
        ("127.0.0.1", [(FOR, b"127.0.0.1")], LOOPBACK, Origin("127.0.0.1", None, local=False)),
        ("::ffff:10.0.0.7", [(FOR, b"192.0.2.1")], TRUSTED, Origin("192.0.2.1", None, local=False)),
        (PROXY, [(FOR, b"192.0.2.1:4711")], TRUSTED, Origin("192.0.2.1", None, local=False)),
        (PROXY, [(FOR, b'"[2001:db8::1]:4711"')], TRUSTED, Origin("2001:db8::1", None, local=False)),
        (PROXY, [(FOR, b"192.0.2.1"), (FOR, b"192.0.2.2")], TRUSTED, Origin("192.0.2.2", None, local=False)),
        (PROXY, [(FOR, b"192.0.2.1, unknown, 10.0.0.8")], TRUSTED, Origin("10.0.0.8", None, local=False)),
        (PROXY, [(FOR, b"")], TRUSTED, Origin(PROXY, None, local=False)),
        (PROXY, [(PROTO, b"https, http")], TRUSTED, Origin(PROXY, https=False, local=False)),
        (PROXY, [(PROTO, b"gopher")], TRUSTED, Origin(PROXY, None, local=False)),
        ("", [(FOR, b"127.0.0.1")], TRUSTED, Origin("", None, local=False)),
    ],
)
def test_each_way_of_coming_here(
    peer: str, headers: list[tuple[bytes, bytes]], trusted: tuple[ipaddress.IPv4Network, ...], expected: Origin
) -> None:
    assert origin(peer, headers, trusted) == expected
