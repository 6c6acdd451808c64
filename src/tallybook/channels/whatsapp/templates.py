"""Reads from the Cloud API which templates a business account has, and which numbers are its. Nothing is changed there.

The calls are few and counted by Meta by the hour: each page has as many as it may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from tallybook.channels.authorities import authorities
from tallybook.core.channel import OutcomeUnknown, SendError, Unreachable
from tallybook.core.numbers import number_in

from .answers import OfNumber, failure_of

PAGE = 100
MOST_PAGES = 100  # of an account; Meta allows 6,000 templates
MAX_ANSWER = 8_000_000
TEMPLATES = "name,language,status,category,id,parameter_format,components,quality_score,rejected_reason"
WABA_DIGITS = 64


class _Cursors(msgspec.Struct, frozen=True):
    after: str = ""


class _Paging(msgspec.Struct, frozen=True):
    cursors: _Cursors | None = None
    next: str = ""


class _Page(msgspec.Struct, frozen=True):
    data: list[dict[str, Any]] = []
    paging: _Paging | None = None


@dataclass
class Catalogue:
    """Meta's list of what belongs to a business account. Times in seconds."""

    address: str
    timeout: float = 30.0

    async def templates(self, waba: str, token: str) -> list[dict[str, Any]]:
        """Every template, as Meta spells it. Raises a SendError where it cannot be had whole."""
        return await self._all(waba, "message_templates", TEMPLATES, token)

    async def numbers(self, waba: str, token: str) -> list[str]:
        """The ids of the account's numbers. Raises a SendError."""
        return [str(one.get("id", "")) for one in await self._all(waba, "phone_numbers", "id", token)]

    async def _all(self, waba: str, what: str, fields: str, token: str) -> list[dict[str, Any]]:
        if number_in(waba, WABA_DIGITS) is None:
            raise OfNumber("This is not the id of a business account.")
        found: list[dict[str, Any]] = []
        asked = {"fields": fields, "limit": str(PAGE)}
        client = httpx.AsyncClient(timeout=self.timeout, verify=authorities(), follow_redirects=False, trust_env=False)
        async with client:
            for _ in range(MOST_PAGES):
                page = await self._page(client, f"{self.address}/{waba}/{what}", asked, token)
                found += page.data
                # By the cursor, never by the address that Meta gives: it holds the token.
                after = page.paging.cursors.after if page.paging and page.paging.next and page.paging.cursors else ""
                if not after:
                    return found
                asked["after"] = after
        raise SendError("WhatsApp lists more templates than there can be.")

    async def _page(self, client: httpx.AsyncClient, address: str, asked: dict[str, str], token: str) -> _Page:
        try:
            answer = await client.get(address, params=asked, headers={"authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            raise Unreachable("WhatsApp cannot be reached at the address that is set.") from error
        wrong = failure_of(answer.status_code, answer.headers, answer.content)
        if wrong is not None:
            # Nothing is done by asking: no answer is no answer.
            raise Unreachable("WhatsApp is in trouble.") if isinstance(wrong, OutcomeUnknown) else wrong
        try:
            return msgspec.json.decode(answer.content[:MAX_ANSWER], type=_Page)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable("WhatsApp's answer cannot be read.") from error
