"""A file on its way up: slice by slice to the address that SharePoint gave for it, going on where it was cut off."""

from __future__ import annotations

from http import HTTPStatus as Http

from . import answers, calls
from .answers import Answer
from .budget import Cost
from .wire import NO_ANSWER, TRIES, Wire


async def send(wire: Wire, address: str, content: bytes) -> Answer:
    """Sends all slices. The answer to the last one tells the file; 504 where a look at the file itself must tell."""
    start, size = 0, len(content)
    for _ in range(TRIES + size // calls.SLICE):
        if start >= size:
            break
        first, end = calls.slices(size, start)[0]
        # The address is the permission: with a token beside it, SharePoint answers 401.
        headers = {"content-range": f"bytes {first}-{end - 1}/{size}", "content-length": str(end - first)}
        answer = await wire.once("PUT", address, Cost.WRITE, headers=headers, content=content[first:end])
        if answer.status == Http.ACCEPTED:
            start = end
        elif _was_cut_off(answer):
            waits_for = await _waits_for(wire, address)
            if waits_for is None:
                break
            start = waits_for
        elif not answer.must_wait:
            return answer
    return NO_ANSWER


def _was_cut_off(answer: Answer) -> bool:
    """No answer, or one that says that this slice is not the one that is waited for."""
    beside = answer.status == Http.REQUESTED_RANGE_NOT_SATISFIABLE
    return beside or (answer.status >= Http.INTERNAL_SERVER_ERROR and not answer.must_wait)


async def _waits_for(wire: Wire, address: str) -> int | None:
    """The byte that is waited for; None where the upload is finished or gone."""
    state = await wire.once("GET", address, Cost.READ)
    return answers.next_byte(state) if state.went_well else None
