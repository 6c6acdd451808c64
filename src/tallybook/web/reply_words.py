"""What the page of replies says of a message: its state, why it waits or failed. Marked here for translation."""

from __future__ import annotations

from datetime import datetime
from gettext import NullTranslations

import msgspec

from tallybook.core.marking import N_
from tallybook.monitor.service.reply_board import SEEN_WITHIN
from tallybook.monitor.store.replies import Sent

PARTS = {
    "waiting": N_("Waiting"), "trouble": N_("Want a person"), "sent": N_("Sent"), "captured": N_("Captured"),
    "dropped": N_("Dropped"),
}  # fmt: skip
STATES = {
    "waiting": N_("Waits"), "sending": N_("Being sent"), "sent": N_("Sent"), "delivered": N_("Seen in the group"),
    "read": N_("Seen in the group"), "captured": N_("Not sent: only production sends"),
    "unknown": N_("Sent or not?"), "parked": N_("Not sent"), "dropped": N_("Dropped"),
}  # fmt: skip
UNSEEN = N_("Sent, but not seen in the group. Is the number a member of it?")
MARKS = {
    "waiting": "clock", "sending": "clock", "sent": "check", "delivered": "ok", "read": "ok", "captured": "tray",
    "unknown": "late", "parked": "wrong", "dropped": "dash",
}  # fmt: skip
KINDS = {"delivered": "ok", "read": "ok", "unknown": "late", "parked": "wrong"}
REASONS = (
    N_("The bridge refused the message: it takes neither this group nor this person."),
    N_("The bridge wants another token: set TALLYBOOK_BRIDGE_TOKEN."),
    N_("The bridge does not let us send: look at TALLYBOOK_BRIDGE_TOKEN."),
    N_("There is no bridge at the address that is set: look at the setting of its address."),
    N_("The address that is set takes no messages: look at the setting of the bridge's address."),
    N_("The bridge asks us to wait."), N_("The bridge had no answer from WhatsApp in time."),
    N_("The bridge is not connected to WhatsApp."), N_("The bridge could not send the message."),
    N_("The bridge's answer says neither yes nor no."), N_("The bridge took the message and gave no answer."),
    N_("The bridge cannot be reached at the address that is set."), N_("There is no text to send."),
    N_("This is not the address of a WhatsApp group."), N_("dropped by a person"),
    N_("only a person can find out whether it was sent"),
    N_("its sender was stopped before it could write down the answer"),
)  # fmt: skip


class Line(msgspec.Struct, frozen=True):
    """A message as the page shows it. ``kind`` is ok, late, wrong or plain."""

    sent: Sent
    drop: str | None
    state: str
    mark: str
    kind: str
    reason: str | None


def line(sent: Sent, now: datetime, words: NullTranslations) -> Line:
    """One message in the reader's words. Pure."""
    say = words.gettext
    unseen = sent.state == "sent" and sent.done_at is not None and now - sent.done_at > SEEN_WITHIN
    drop = sent.topic.removeprefix("drop:") if sent.topic and sent.topic.startswith("drop:") else None
    reason = "; ".join(say(part) for part in sent.reason.split("; ")) if sent.reason else None
    return Line(
        sent,
        drop,
        say(UNSEEN) if unseen else say(STATES[sent.state]),
        "late" if unseen else MARKS[sent.state],
        "late" if unseen else KINDS.get(sent.state, "plain"),
        None if sent.state == "dropped" else reason,
    )
