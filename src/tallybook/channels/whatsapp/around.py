"""What stands around an update and is needed to read it: whose account, which people, when. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from tallybook.core.content import Fault, Person
from tallybook.core.identity import vouched
from tallybook.core.messages import Identity

from .wire import Contact, Error, Moment, Profile, read_or

CHANNEL = "whatsapp"


@dataclass(frozen=True)
class Around:
    """The change in which an update came.

    ``account`` is the number's id at Meta or, where no number is named, ``waba:`` and the business account's.
    ``own`` are the digits of our number.
    """

    account: str
    field: str
    time: Moment = None
    own: str = ""
    contacts: list[Contact] = dataclasses.field(default_factory=list)

    def contact(self, wa_id: str | None, user_id: str | None) -> Contact | None:
        """What is known of somebody; of whom neither is told, the only one that is spoken of."""
        for one in self.contacts:
            if (wa_id and one.wa_id == wa_id) or (user_id and one.user_id == user_id):
                return one
        alone = len(self.contacts) == 1 and not wa_id and not user_id
        return self.contacts[0] if alone else None


def somebody(around: Around, wa_id: str | None, user_id: str | None, parent: str | None) -> tuple[Identity, Person]:
    """Who it is, from the message's own fields and the contacts beside it. Empty counts as missing."""
    contact = around.contact(wa_id, user_id) or Contact()
    user_id = user_id or contact.user_id or ""
    identity = vouched(wa_id or contact.wa_id, user_id)
    profile = read_or(contact.profile, Profile, Profile())
    return identity, Person(
        name=profile.name or "",
        username=profile.username or "",
        phone=identity.phone,
        user_id=user_id,
        parent_user_id=parent or contact.parent_user_id or "",
    )


def faults(errors: Iterable[Error] | None) -> list[Fault]:
    """Errors in our words."""
    return [
        Fault(
            error.code or 0,
            error.title or error.message or "",
            (error.error_data.details or "") if error.error_data else "",
        )
        for error in errors or ()
    ]


def as_json(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
