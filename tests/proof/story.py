"""What a bridge tells: an endless day in the groups, the same for the same seed, and the groups' own file.

Times only rise, so that what a post does does not depend on where a reader's batches happen to end.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN, MORNING, PRIVATE_CHAT, VELO_TEST

MAMELODI = "120363000000000004@g.us"
MARKETING = "120363000000000005@g.us"
ELSEWHERE = "120363000000000099@g.us"
LID, LIDS_PHONE = "98765432109876", "27820000007"

# Name, group, kind, drop space, validated, the environments that read it.
PROJECTS = (
    ("Lawley", LAWLEY, "qa", "fibre", False, ("prod",)),
    ("Mohadin", MOHADIN, "qa", "fibre", True, ("prod",)),
    ("Mamelodi", MAMELODI, "qa", "fibre", False, ("prod",)),
    ("Velo Test", VELO_TEST, "qa", "Velo Test", False, ("prod", "dev")),
    ("Marketing Activations", MARKETING, "marketing", "Marketing Activations", False, ("prod",)),
)
CHATS = (LAWLEY, LAWLEY, LAWLEY, MOHADIN, MOHADIN, MAMELODI, VELO_TEST, VELO_TEST, MARKETING, PRIVATE_CHAT, ELSEWHERE)
SENDERS = ("27820000001", "27820000002", "27820000003@s.whatsapp.net", "27820000004", f"{LID}@lid")
SAYINGS = (
    "DR{}",
    "dr {} is done",
    "All good at DR:{}",
    "DR{}\nthanks",
    "please look at DR{} and DR{}",
    "Good morning {}",
)


@dataclass(frozen=True)
class Post:
    """A message as the bridge stores it."""

    id: str
    chat: str
    text: str
    sender: str
    at: datetime


def story(seed: int) -> Iterator[Post]:
    """Posts in the order in which the bridge stores them; every twelfth or so is a re-delivery of an earlier one."""
    dice = random.Random(seed)
    told: list[Post] = []
    n = 0
    while True:
        if told and dice.randrange(12) == 0:
            known = dice.choice(told)
            yield replace(known, sender=_spelled_otherwise(known.sender))
            continue
        drops = [1_700_000 + dice.randrange(40 + n // 4) for _ in range(2)]
        text = dice.choice(SAYINGS).format(*drops)
        post = Post(f"M{seed}-{n}", dice.choice(CHATS), text, dice.choice(SENDERS), MORNING + timedelta(seconds=97 * n))
        told.append(post)
        n += 1
        yield post


def _spelled_otherwise(sender: str) -> str:
    return (
        sender.partition("@")[0]
        if sender.endswith("@s.whatsapp.net")
        else sender.partition("@")[0] + ("@lid" if sender.startswith(LID) else "@s.whatsapp.net")
    )


def projects_file(poll_seconds: float = 0.1) -> str:
    """The projects file of these groups, for a bridge that writes into ``store`` beside it."""
    parts = [
        f'[bridge]\nmessages = "store/messages.db"\nwhatsapp = "store/whatsapp.db"\npoll_seconds = {poll_seconds}\n',
        '[monitor]\ntime_zone = "Africa/Johannesburg"\nbusiness = "Velo Fibre"\n',
    ]
    for name, group, kind, space, validated, environments in PROJECTS:
        parts.append(
            f'[[monitor.projects]]\nname = "{name}"\ngroup = "{group}"\nkind = "{kind}"\ndrop_space = "{space}"\n'
            f"validated = {str(validated).lower()}\nenvironments = {list(environments)}\n"
        )
    return "\n".join(parts)
