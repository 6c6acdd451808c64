"""Templates that somebody chose for later, or for a rule: made ready when they are sent."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.core.db import Conn
from tallybook.inbox import template_rules
from tallybook.inbox.automation_types import TemplateChoice
from tallybook.inbox.contents import Press, Template
from tallybook.inbox.store.sending import Held

from . import templates


async def made_ready(
    conn: Conn, business_id: int, held: Held, chosen: TemplateChoice, payloads: Sequence[str] = ()
) -> Template:
    """A template with what stands for its places, in their order. ``payloads`` go to its quick replies, one to each.

    Raises Invalid or NotFound where it cannot be sent so.
    """
    found = await templates.named(conn, business_id, held.account, chosen.name, chosen.language)
    places = [one.key for one in template_rules.fields(found)]
    filled = template_rules.fill(found, dict(zip(places, chosen.values, strict=False)))
    part = found.part("BUTTONS")
    replies = [number for number, one in enumerate(part.buttons if part else ()) if one.type.upper() == "QUICK_REPLY"]
    pressed = tuple(Press(number, "quick_reply", payload) for number, payload in zip(replies, payloads, strict=False))
    return msgspec.structs.replace(filled, buttons=(*filled.buttons, *pressed))
