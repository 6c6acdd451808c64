"""Files at the Cloud API: one that a customer sent is had by its id, one of ours is given to it before it is sent.

A file is had in two steps: its id is asked for an address that holds for some minutes, and the address for the bytes.
Both need the number's access token, so that the address must be the provider's own: any other, which a false answer
could name, would get the token, or would have us read this machine's own network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import httpx
import msgspec

from tallybook.channels.authorities import authorities
from tallybook.channels.files import AGAIN, CANNOT_READ, LONGEST_ID, PART, File, NotThere, Take
from tallybook.channels.posting import at_most, read_as
from tallybook.core.channel import OutcomeUnknown, RateLimited, SendError, Unreachable

from .answers import DONE, OfNumber, outcome_of
from .outgoing import NUMBER
from .sender import TokenOf, token_for

# Where Meta keeps files. Whoever is asked for one gets the number's access token.
HOSTS = ("facebook.com", "fbsbx.com", "fbcdn.net", "whatsapp.net")
NOT_FOUND, ASKED_WRONGLY, NO_OBJECT, NO_PARAMETER = 404, 400, 33, 100
EXPIRED = "WhatsApp does not have this file any more: it keeps files for some days only."
AWAY = "WhatsApp cannot be reached for the file."
NOT_TAKEN = "WhatsApp did not say that it took the file."
ELSEWHERE = "WhatsApp named an address for the file that is none of its own."


class Place(msgspec.Struct, frozen=True):
    url: str = ""


class Fault(msgspec.Struct, frozen=True):
    code: int | None = None
    error_subcode: int | None = None


class Given(msgspec.Struct, frozen=True):
    id: str = ""
    error: Fault | None = None


def is_ours_to_ask(url: str, address: str) -> bool:
    """Whether an address may be asked for a file, with the token: the provider's, or as the set ``address``. Pure."""
    try:
        told, known = urlsplit(url), urlsplit(address)
        same = (told.scheme, told.hostname, told.port) == (known.scheme, known.hostname, known.port)
        usual = told.port in {None, 443}
    except ValueError:
        return False
    if told.username is not None or told.password is not None or not url.isascii() or not url.isprintable():
        return False
    if same:
        return True
    host = (told.hostname or "").rstrip(".")
    return told.scheme == "https" and usual and any(host == one or host.endswith(f".{one}") for one in HOSTS)


@dataclass
class WhatsAppFiles:
    """The files of a business's numbers. Times in seconds: for an answer, and for all of one file."""

    keeps: ClassVar[timedelta] = timedelta(days=28)  # of the thirty for which it keeps what it was given

    address: str
    token_of: TokenOf = field(repr=False)
    timeout: float = 20.0
    longest: float = 900.0

    async def fetch(self, account: str, media_id: str, take: Take) -> None:
        """Hands the bytes of a customer's file to ``take`` as they come. Raises NotThere, or what ``take`` raises."""
        if not NUMBER.fullmatch(account) or not NUMBER.fullmatch(media_id):
            raise NotThere(EXPIRED)
        try:
            headers = {"authorization": f"Bearer {await token_for(self.token_of, account)}"}
        except SendError as error:
            raise NotThere(str(error), passing=True) from error
        try:
            async with asyncio.timeout(self.longest), self._client(headers) as client:
                url = await self._address_of(client, account, media_id)
                async with client.stream("GET", url) as answer:
                    if answer.status_code not in DONE:
                        raise NotThere(AWAY, passing=True)
                    async for part in answer.aiter_bytes(PART):
                        await take(part)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise NotThere(AWAY, passing=True) from error

    async def _address_of(self, client: httpx.AsyncClient, account: str, media_id: str) -> str:
        asked = f"{self.address}/{media_id}"
        async with client.stream("GET", asked, params={"phone_number_id": account}) as answer:
            content = await at_most(answer)
        if answer.status_code in DONE:
            place = read_as(Place, content)
            if place is None or not place.url:
                raise NotThere(AWAY, passing=True)
            if not is_ours_to_ask(place.url, self.address):
                raise NotThere(ELSEWHERE)
            return place.url
        given = read_as(Given, content)
        fault = given.error if given else None
        if answer.status_code == NOT_FOUND or (
            fault is not None and (fault.code, fault.error_subcode) == (NO_PARAMETER, NO_OBJECT)
        ):
            raise NotThere(EXPIRED)
        try:
            outcome_of(answer.status_code, answer.headers, content)
        except OfNumber as error:
            raise NotThere(str(error), passing=True) from error
        except (SendError, OutcomeUnknown) as error:
            wait = error.retry_after if isinstance(error, RateLimited) else None
            raise NotThere(AWAY, passing=True, wait=wait or 0.0) from error
        raise NotThere(AWAY, passing=True)

    async def upload(self, account: str, path: Path, file: File) -> str:
        """Gives the provider a file; returns its id there. Raises a SendError: nothing is sent by that."""
        headers = {"authorization": f"Bearer {await token_for(self.token_of, account)}"}
        told = {"messaging_product": "whatsapp", "type": file.mime}
        # The name is for the customer, who is told it with the message.
        name = f"file{Path(file.filename).suffix[:8]}" if file.filename.isascii() else "file"
        try:
            async with self._client(headers) as client:
                with path.open("rb") as opened:
                    files = {"file": (name, opened, file.mime)}
                    address = f"{self.address}/{account}/media"
                    async with client.stream("POST", address, data=told, files=files) as answer:
                        content = await at_most(answer)
        except OSError as error:
            raise SendError(CANNOT_READ, AGAIN) from error
        except httpx.ConnectError as error:
            raise Unreachable("WhatsApp cannot be reached with the file.") from error
        except httpx.HTTPError as error:
            raise SendError("WhatsApp cannot be reached with the file.", AGAIN) from error
        return _id_in(answer, content)

    @asynccontextmanager
    async def _client(self, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
        """No proxy, no redirect: the address is the address. No compression: what comes is as long as it is."""
        async with httpx.AsyncClient(
            headers=headers | {"accept-encoding": "identity"},
            timeout=self.timeout,
            verify=authorities(),
            follow_redirects=False,
            trust_env=False,
        ) as client:
            yield client


def _id_in(answer: httpx.Response, content: bytes) -> str:
    given = read_as(Given, content)
    if answer.status_code in DONE and given is not None and 0 < len(given.id) <= LONGEST_ID:
        return given.id
    try:
        outcome_of(answer.status_code, answer.headers, content)
    except (OutcomeUnknown, Unreachable) as error:
        # It answers: it may be this file alone that it cannot take, and the number's other messages must not wait.
        raise SendError(NOT_TAKEN, AGAIN) from error
    raise SendError(NOT_TAKEN, AGAIN)
