"""What every channel that is told by webhooks must hold. A channel's tests derive from WebhookSuite and give a Case."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tallybook.core.channel import MAX_BODY, Webhook


@dataclass(frozen=True)
class Case:
    """A channel, how its provider signs, and samples of what it sends.

    ``late`` is how old a signature may be; None where the provider's signature has no moment in it.
    """

    webhook: Webhook
    signed: Callable[[bytes, datetime], dict[str, str]]
    body: bytes
    body_of_unknown_type: bytes
    late: timedelta | None


class WebhookSuite:
    """Derive from it and define the fixture ``case``."""

    @pytest.fixture
    def case(self) -> Case:
        raise NotImplementedError

    @pytest.fixture
    def now(self) -> datetime:
        return datetime.now(UTC)

    def test_what_its_provider_signed_is_let_in(self, case: Case, now: datetime) -> None:
        assert case.webhook.verify(case.signed(case.body, now), case.body, now)

    def test_without_a_signature_nobody_is_let_in(self, case: Case, now: datetime) -> None:
        assert not case.webhook.verify({}, case.body, now)

    def test_each_signed_header_is_needed(self, case: Case, now: datetime) -> None:
        headers = case.signed(case.body, now)
        for name in headers:
            assert not case.webhook.verify({k: v for k, v in headers.items() if k != name}, case.body, now)

    @pytest.mark.parametrize("wrong", ["", "0", "sha256=", "sha256=zz", "é", "\x00", "x" * 10_000, "1e9", "٣"])
    def test_a_malformed_header_is_a_no_and_not_an_error(self, case: Case, now: datetime, wrong: str) -> None:
        headers = case.signed(case.body, now)
        for name in headers:
            assert case.webhook.verify(headers | {name: wrong}, case.body, now) is False

    def test_one_changed_byte_is_refused(self, case: Case, now: datetime) -> None:
        headers = case.signed(case.body, now)
        for changed in (case.body + b" ", case.body[:-1], case.body.replace(b"1", b"2", 1), b""):
            assert not case.webhook.verify(headers, changed, now)

    def test_the_signature_of_another_body_is_refused(self, case: Case, now: datetime) -> None:
        assert not case.webhook.verify(case.signed(b"{}", now), case.body, now)

    def test_a_late_signature_is_refused(self, case: Case, now: datetime) -> None:
        if case.late is None:
            pytest.skip("its provider signs no moment")
        for moment in (now - case.late - timedelta(seconds=2), now + case.late + timedelta(seconds=2)):
            assert not case.webhook.verify(case.signed(case.body, moment), case.body, now)

    @pytest.mark.parametrize("body", [b"", b"x" * MAX_BODY, b"not JSON", b"\xff\xfe\x00"])
    def test_the_signature_decides_and_not_what_was_signed(self, case: Case, now: datetime, body: bytes) -> None:
        assert case.webhook.verify(case.signed(body, now), body, now)

    @pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"null", b'{"', b"\xff\xfe\x00", b"[" * 100_000])
    def test_what_cannot_be_read_is_an_error_and_never_an_empty_list(self, case: Case, body: bytes) -> None:
        # An empty list would mark the delivery done; an error parks it, where a person sees it.
        with pytest.raises(Exception, match=r".*"):
            case.webhook.parse(body)

    def test_an_update_of_an_unknown_type_is_kept(self, case: Case) -> None:
        assert case.webhook.parse(case.body_of_unknown_type)

    def test_parsing_twice_gives_the_same(self, case: Case) -> None:
        first = case.webhook.parse(case.body)
        assert first
        assert copy.deepcopy(first) == case.webhook.parse(bytes(bytearray(case.body)))

    def test_every_update_names_its_channel_its_account_and_its_moment(self, case: Case) -> None:
        for incoming in case.webhook.parse(case.body) + case.webhook.parse(case.body_of_unknown_type):
            assert incoming.channel == case.webhook.name
            assert incoming.account
            assert incoming.external_id
            assert incoming.said_at.tzinfo is not None

    def test_updates_of_one_body_have_keys_of_their_own(self, case: Case) -> None:
        keys = [incoming.natural_key for incoming in case.webhook.parse(case.body)]
        assert len(set(keys)) == len(keys)
