"""Templates that somebody chose for later, or for a rule: made ready when they are sent."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core.db import Conn
from tallybook.inbox.automation_types import TemplateChoice
from tallybook.inbox.contents import Press, Template, Value
from tallybook.inbox.store.sending import Held


async def made_ready(
    conn: Conn, business_id: int, held: Held, chosen: TemplateChoice, payloads: Sequence[str] = ()
) -> Template:
    """A template with what stands for its places. ``payloads`` are those of its buttons, where it has so many.

    Raises Invalid or NotFound where it cannot be sent so.
    """
    del conn, business_id, held
    values = tuple(Value(one) for one in chosen.values)
    buttons = tuple(Press(index, "quick_reply", payload) for index, payload in enumerate(payloads))
    return Template(
        chosen.name, chosen.language, " ".join([chosen.name, *chosen.values]), (), values, buttons
    ).checked()
