"""The App Home and the hub: what somebody sees of the rota first, and the ways to everything else."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.triage.rules import who
from tallybook.triage.rules_overrides import Asked
from tallybook.triage.types import Shift

from .elements import Ready, actions, button, divider, header, link, modal, section, sections, shortened
from .limits import Block, view
from .names import Act, View, written
from .requests import grouped, part
from .schedule import AHEAD, LONGEST_URL, coming_weeks, now_lines, shift_block, team_choice
from .showing import LONGEST_NAME, Seen
from .texts_rota import ROTA
from .words import lasting, said

MOST_SHIFTS = 8
MOST_WAITING = 5
MOST_ON_DUTY = 25  # disciplines; the rest is behind the button


class Around(msgspec.Struct, frozen=True):
    """What the App Home shows beside the rota.

    ``waiting`` are the reader's requests that wait; ``picture`` is the address of the picture of the coming weeks, and
    ``page`` that of the pages, "" where there is none. ``links`` are others, each with its words.
    """

    waiting: Sequence[Asked] = ()
    picture: str = ""
    page: str = ""
    links: Sequence[tuple[str, str]] = ()


NOTHING = Around()
MOST_LINKS = 5


def home_view(seen: Seen, around: Around = NOTHING) -> Block:
    """The App Home: the reader's status, who is on duty now and next, their shifts, and, for who leads, the rest."""
    held = seen.held()
    codes = [one.code for one in seen.disciplines]
    blocks: list[Block] = [
        header(f"{seen.plain('home')}: {shortened(seen.team.name, LONGEST_NAME)}"),
        *team_choice(seen),
        actions(
            [
                button(seen.plain("see_mine"), Act.OPEN_MINE, held),
                button(seen.plain("see_schedule"), Act.OPEN_SCHEDULE, held),
                button(seen.plain("see_sprints"), Act.OPEN_SPRINTS, held),
                button(seen.plain("see_rosters"), Act.OPEN_ROSTERS, held),
                button(seen.plain("see_requests"), Act.OPEN_REQUESTS, held),
            ]
        ),
        *_status(seen),
        divider(),
        section(Ready(f"*{seen.say('current')}*")),
        *sections(seen.capped(now_lines(seen, codes), MOST_ON_DUTY) or [seen.say("no_disciplines")]),
        *_upcoming(seen),
        *_waiting(seen, around.waiting),
        *coming_weeks(seen, around.picture),
        *(admin(seen) if seen.leads else []),
        *_links(seen, around),
        seen.foot(),
    ]
    return view({
        "type": "home", "callback_id": View.HOME.value, "private_metadata": written(held), "blocks": blocks,
    })  # fmt: skip


def no_team(locale: str) -> Block:
    """The App Home where there is no team yet."""
    return view({"type": "home", "callback_id": View.HOME.value, "blocks": [section(said(ROTA, locale, "no_team"))]})


def _status(seen: Seen) -> list[Block]:
    """Where the reader is on duty, how long still, and when next."""
    if not seen.reader:
        return []
    running = [
        shift
        for one in seen.disciplines
        if (shift := who(seen.schedule, one.code, seen.now).shift).person == seen.reader
    ]
    lines = [
        seen.say(
            "you_on", discipline=seen.discipline(one.discipline), until=seen.at(one.ends_at),
            left=lasting(seen.locale, one.ends_at - seen.now),
        )
        for one in running
    ]  # fmt: skip
    ahead = [one for one in _theirs(seen) if one.starts_at > seen.now]
    if ahead:
        first, name = ahead[0], seen.discipline(ahead[0].discipline)
        time = lasting(seen.locale, first.starts_at - seen.now)
        lines.append(seen.say("you_next", discipline=name, span=seen.span(first.starts_at, first.ends_at), time=time))
    return sections(seen.capped(lines) or [seen.say("you_free")])


def _theirs(seen: Seen) -> list[Shift]:
    return seen.coming(seen.reader, AHEAD) if seen.reader else []


def _upcoming(seen: Seen) -> list[Block]:
    theirs = _theirs(seen)
    if not theirs:
        return []
    shown = [shift_block(seen, one) for one in theirs[:MOST_SHIFTS]]
    more = [section(seen.say("more", n=len(theirs) - MOST_SHIFTS))] if len(theirs) > MOST_SHIFTS else []
    return [divider(), section(Ready(f"*{seen.say('upcoming')}*")), *shown, *more]


def _waiting(seen: Seen, waiting: Sequence[Asked]) -> list[Block]:
    lines = [part(seen, one) for group in grouped(waiting) for one in group]
    if not lines:
        return []
    return [divider(), section(Ready(f"*{seen.say('waiting')}*")), *sections(seen.capped(lines, MOST_WAITING))]


def _links(seen: Seen, around: Around) -> list[Block]:
    listed = [(seen.plain("new"), around.page), *around.links]
    found = [(text, url) for text, url in listed if url and len(url) <= LONGEST_URL][:MOST_LINKS]
    # An action_id may stand once in a block.
    return [actions([link(text, url)]) for text, url in found]


def admin(seen: Seen) -> list[Block]:
    """The ways to what who leads may change."""
    held = seen.held()
    return [
        divider(),
        section(Ready(f"*{seen.say('admin')}*")),
        actions(
            [
                button(seen.plain("people"), Act.OPEN_PEOPLE, held),
                button(seen.plain("disciplines"), Act.OPEN_DISCIPLINES, held),
                button(seen.plain("sprints"), Act.OPEN_SPRINTS, held),
                button(seen.plain("see_requests"), Act.OPEN_REQUESTS, held),
                button(seen.plain("change_now"), Act.OPEN_COVER, held),
            ]
        ),
    ]


def hub_view(seen: Seen) -> Block:
    """What the shortcut opens."""
    held = seen.held()
    blocks = [
        *seen.aged(),
        *team_choice(seen),
        section(seen.say("hub_says")),
        actions(
            [
                button(seen.plain("ask"), Act.OPEN_COVER, held, style="primary"),
                button(seen.plain("see_mine"), Act.OPEN_MINE, held),
                button(seen.plain("see_schedule"), Act.OPEN_SCHEDULE, held),
                button(seen.plain("see_sprints"), Act.OPEN_SPRINTS, held),
                button(seen.plain("see_rosters"), Act.OPEN_ROSTERS, held),
                button(seen.plain("see_requests"), Act.OPEN_REQUESTS, held),
            ]
        ),
        *(admin(seen) if seen.leads else []),
    ]
    return view(modal(View.HUB, seen.plain("hub"), blocks, held, close=seen.plain("close")))
