"""Of a raw delivery, what is somebody's is told apart from what is others'."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallybook.inbox.raw_words import apart

HER = "27820000001"


def told(*messages: Any, **more: Any) -> bytes:
    return json.dumps({"object": "x", "entry": [{"changes": [{"value": {"messages": [*messages], **more}}]}]}).encode()


MINE = {"from": "27820000002", "text": {"body": f"ask {HER} about it"}}
HERS = {"from": HER, "text": {"body": "a secret"}}


@pytest.mark.parametrize(
    ("body", "left", "theirs"),
    [
        (told(MINE, HERS), told(MINE), [HERS]),
        (told(HERS), told(), [HERS]),
        (told(MINE), told(MINE), []),
        (told(MINE, contacts=[{"wa_id": f"+{HER}"}]), told(MINE, contacts=[]), [{"wa_id": f"+{HER}"}]),
        (json.dumps({"from": f"{HER}@s.whatsapp.net", "text": "a secret"}).encode(), b"",
         [{"from": f"{HER}@s.whatsapp.net", "text": "a secret"}]),
        (f"torn {HER}".encode(), b"", []),
    ],
    ids=["of two", "hers alone", "said of her", "her contact", "as a whole", "cannot be read"],
)  # fmt: skip
def test_what_is_hers_is_taken_out_and_nothing_else(body: bytes, left: bytes, theirs: list[Any]) -> None:
    rest, taken = apart(body, [HER])
    assert (rest and json.loads(rest), taken) == (left and json.loads(left), theirs)
