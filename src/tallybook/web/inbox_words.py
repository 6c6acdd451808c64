"""What the inbox says of a message: who wrote it, what it is, how far it came. Each stands as its source says it."""

from __future__ import annotations

from collections.abc import Mapping

from tallybook.core.marking import N_
from tallybook.inbox.rules import TAKEN_BACK
from tallybook.inbox.types import Delivery, Source

SIGNS: Mapping[str, str] = {Source.BOT: "🤖", Source.AUTOMATION: "⚡", Source.HUMAN: "👤"}
SOURCES: Mapping[str, str] = {
    Source.BOT: N_("Bot"),
    Source.AUTOMATION: N_("Automation"),
    Source.HUMAN: N_("Person"),
    Source.CUSTOMER: N_("Customer"),
    Source.SYSTEM: N_("System"),
}
# Of a message of ours: what is said, the icon, and the colour that goes with it.
STATES: Mapping[str, tuple[str, str, str]] = {
    Delivery.QUEUED: (N_("Waits to be sent"), "clock", "plain"),
    Delivery.SENT: (N_("Sent, not delivered yet"), "check", "plain"),
    Delivery.DELIVERED: (N_("Delivered"), "checks", "plain"),
    Delivery.READ: (N_("Read by the customer"), "checks", "read"),
    Delivery.FAILED: (N_("Not sent"), "wrong", "wrong"),
    Delivery.UNKNOWN: (N_("Nobody knows yet whether it was sent"), "late", "late"),
}
# What a message is that is more than its words; “text” and what is like it has no entry.
TYPES: Mapping[str, tuple[str, str]] = {
    "image": ("📷", N_("Photo")),
    "sticker": ("📷", N_("Sticker")),
    "video": ("🎬", N_("Video")),
    "audio": ("🎤", N_("Voice message")),
    "voice": ("🎤", N_("Voice message")),
    "document": ("📄", N_("Document")),
    "media": ("📎", N_("File")),
    "location": ("📍", N_("Location")),
    "contacts": ("👤", N_("Contact card")),
    "order": ("🛒", N_("Order")),
    "template": ("", N_("Template")),
    "media_placeholder": ("📎", N_("A file that has not come yet")),
    "new_number": ("", N_("The customer has a new number")),
    TAKEN_BACK: ("🚫", N_("This message was deleted")),
}
TEXTS = frozenset({"", "text", "interactive", "button"})
OTHER = ("📎", N_("A message of a kind that cannot be shown here"))
FILTERS = {
    "all": N_("All"),
    "unread": N_("Unread"),
    "mine": N_("Mine"),
    "unassigned": N_("Nobody’s"),
    "closed": N_("Closed"),
    "snoozed": N_("Snoozed"),
}
DAYS = (N_("Today"), N_("Yesterday"))
NO_NAME = N_("Somebody without a name")
CLOSED = N_("More than 24 hours have passed since the customer wrote: only a template can be sent.")
NEVER_OPEN = N_("The customer has not written to this number: only a template can be sent.")
BLOCKED = N_("This customer is blocked: nothing can be sent to them.")
ALWAYS_OPEN = N_("Can be answered at any time")
NOT_ANSWERED = N_("Answers cannot be sent through a number of this kind.")
UNTIL = N_("Can be answered freely until {time}")
# Errors that this page may show.
ERRORS = (
    N_("This place in the thread is not one of ours. Open the thread again."),
    N_("A search may be at most 100 characters long."),
    N_("There is no such conversation."), N_("A message has 1 to 4,096 characters."),
    N_("The message holds a character that cannot be sent."),
    N_("Another text was sent under this key. Load the page again."),
    N_("Nothing is known of this customer by which they could be written to."),
    N_("The number to which the customer wrote is not one of this business any more."),
    N_("The number has no access token. An admin can give it one with `tallybook channel add`."),
)  # fmt: skip
