"""What became of messages of ours, each report a row of its own: several name one message, in any order. Pure."""

from __future__ import annotations

from msgspec import Raw

from tallybook.core.content import Content
from tallybook.core.messages import Incoming
from tallybook.core.updates import Said, Update, canonical, moment, parts_of

from .around import CHANNEL, Around, faults, somebody
from .wire import Status, decode

GROUP = "group"


def incoming(around: Around, raw: Raw) -> Incoming:
    """A report, keyed by the message's id and the status, in a group by the reader too.

    It needs no message: one that comes before its message waits for it as a row. Raises msgspec.ValidationError.
    """
    read = decode(raw, Status)
    in_group = read.recipient_type == GROUP
    reader = read.recipient_participant_id or ("" if in_group else read.recipient_id)
    who, person = somebody(around, reader, read.recipient_user_id, read.recipient_parent_user_id)
    participant = f"#{who.key}" if in_group and who.raw else ""
    # A repeated report differs in its moment alone; what it adds (a price, an error) enriches the row.
    telling = {name: part for name, part in parts_of(raw).items() if name != "timestamp"}
    content = Content(
        type=read.status,
        as_sent=raw,
        person=person,
        about=read.id,
        group=(read.recipient_id or "") if in_group else "",
        ours=read.biz_opaque_callback_data or "",
        faults=faults(read.errors),
    )
    update = Update(
        kind=f"status:{read.status}",
        external_id=f"{read.id}{participant}",
        chat=(read.recipient_id or "") if in_group else who.key,
        sender=who,
        at=moment(read.timestamp),
        said=Said(content, tuple(name.encode() + canonical(telling[name]) for name in sorted(telling))),
    )
    return update.incoming(CHANNEL, around.account)
