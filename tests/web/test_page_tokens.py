"""A page's token is never written twice the same way, so that a compressed page tells nothing of it by its length."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.web.page_tokens import LENGTH, business_of, masked, unmasked
from tallybook.web.pages import takes_gzip
from tests.web.conftest import FIELD, Browser
from tests.world import Someone

tokens = st.binary(min_size=LENGTH, max_size=LENGTH).map(bytes.hex)


@given(tokens, st.none() | st.integers(1, 2**31))
def test_a_masked_token_is_read_again_and_says_its_business(token: str, business: int | None) -> None:
    text = masked(token, business)
    assert unmasked(text) == token
    assert business_of(text) == business
    assert token not in text


@given(tokens)
def test_it_is_another_one_at_each_time(token: str) -> None:
    assert masked(token) != masked(token)


@given(st.text(max_size=400))
def test_whatever_is_sent_instead_opens_nothing_and_breaks_nothing(text: str) -> None:
    unmasked(text)
    business_of(text)
    unmasked(masked(text))


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("", False), ("gzip", True), ("br, GZIP", True), ("gzip;q=0", False), ("gzip;q=0.000", False),
        ("gzip;q=0.5", True), ("x-gzip, br", False), ("identity", False),
    ],
)  # fmt: skip
def test_who_takes_a_compressed_page(accepted: str, *, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


async def test_a_page_is_compressed_and_its_token_differs_from_answer_to_answer(browser: Browser, ana: Someone) -> None:
    await browser.log_in(ana)
    answers = [await browser.get("/account", headers={"accept-encoding": "gzip"}) for _ in range(2)]
    assert [answer.headers["content-encoding"] for answer in answers] == ["gzip", "gzip"]
    assert "accept-encoding" in answers[0].headers["vary"]
    seen = {one[0] or one[1] for answer in answers for one in FIELD.findall(answer.text)}
    assert len(seen) == len(answers)
    assert await browser.token() not in answers[0].text
    for text in seen:
        assert (await browser.post("/theme", {"theme": "dark", "_csrf_token": text})).status_code == 303


async def test_who_takes_no_compression_gets_none(browser: Browser, ana: Someone) -> None:
    await browser.log_in(ana)
    plain = await browser.get("/account", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    small = await browser.get("/healthz")
    assert "content-encoding" not in small.headers


async def test_another_visitors_token_is_worth_nothing(
    browser: Browser, open_browser: Callable[..., Browser], ana: Someone
) -> None:
    await browser.log_in(ana)
    found = FIELD.search((await open_browser().get("/login")).text)
    assert found is not None
    assert (await browser.post("/theme", {"theme": "dark", "_csrf_token": found[1] or found[2]})).status_code == 403


async def test_a_cookie_of_a_key_that_is_gone_is_replaced_by_the_next_page(browser: Browser, ana: Someone) -> None:
    browser.client.cookies.set("tallybook_csrf", "0" * 128, domain="tallybook.test", path="/")
    page = await browser.get("/login")
    found = FIELD.search(page.text)
    assert found is not None
    browser.client.cookies.delete("tallybook_csrf", domain="tallybook.test", path="/")
    browser.client.cookies.set("tallybook_csrf", page.cookies["tallybook_csrf"], domain="tallybook.test", path="/")
    assert (await browser.log_in(ana)).status_code == 303
