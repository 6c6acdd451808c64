"""What who leads decides in Slack: sprints, disciplines, rosters, people. None where it is done."""

from __future__ import annotations

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.triage.blocks import disciplines as discipline_blocks
from tallybook.triage.blocks import people as people_blocks
from tallybook.triage.blocks import previews, submitted_admin
from tallybook.triage.blocks import sprints as sprint_blocks
from tallybook.triage.blocks.changes import Shown
from tallybook.triage.blocks.limits import Block
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.blocks.submitted import Errors
from tallybook.triage.blocks.wanted import Leaving, NewRoster, NewSprint, from_when, was_shown
from tallybook.triage.rules_use import Use, planned_end
from tallybook.triage.service import disciplines, members, people, rosters, sprints
from tallybook.triage.service.doing import require_lead
from tallybook.triage.service.rosters import Plan
from tallybook.triage.store import people as people_store
from tallybook.triage.types import Person

from .clicks import Click, Outcome


def _again(click: Click, shown: Shown) -> Shown:
    """A preview; one that was made before was by other facts, or for something else."""
    return msgspec.structs.replace(shown, anew=bool(click.held_by_view.shown))


def _shown(view: Block) -> Outcome:
    return Outcome(view=view)


async def sprint(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    require_lead(click.actor)
    held = click.held_by_view
    wanted = submitted_admin.sprint(click.values, held, seen.locale)
    if isinstance(wanted, Errors):
        return Outcome(errors=wanted.by_block)
    facts, days = seen.schedule.facts, (wanted.first_day, wanted.last_day)
    asked = (conn, click.actor, seen.team.id)
    if was_shown(held, wanted, facts.version):
        if wanted.number:
            await sprints.change(*asked, wanted.number, wanted.name, days, click.now, reason=wanted.reason)
        else:
            await sprints.plan(*asked, wanted.name, days, click.now)
        return None
    shown = await _planned(conn, click, seen, wanted)
    return _shown(sprint_blocks.form(seen, wanted.number, wanted, _again(click, shown)))


async def _planned(conn: Conn, click: Click, seen: Seen, wanted: NewSprint) -> Shown:
    if not wanted.number:
        return previews.planned(seen.schedule.facts, wanted, click.now)
    days = (wanted.first_day, wanted.last_day)
    found = await sprints.preview(conn, click.actor, seen.team.id, wanted.number, wanted.name, days, click.now)
    return Shown(seen.schedule.facts.version, found.changes, found.idle, moved=found.moved)


async def sprint_removed(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    held = click.held_by_view
    reason = submitted_admin.reason(click.values, seen.locale)
    if isinstance(reason, Errors):
        return Outcome(errors=reason.by_block)
    if held.version != seen.schedule.facts.version:
        found = await sprints.preview_removal(conn, click.actor, seen.team.id, held.number, click.now)
        shown = Shown(seen.schedule.facts.version, found.changes, dropped=len(found.dropped), anew=True)
        return _shown(sprint_blocks.removal(seen, found.sprint, shown))
    await sprints.remove(conn, click.actor, seen.team.id, held.number, click.now, reason=reason)
    return None


async def discipline(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    require_lead(click.actor)
    taken = frozenset(one.code for one in seen.all_disciplines)
    wanted = submitted_admin.discipline(click.values, click.held_by_view, taken, seen.locale)
    if isinstance(wanted, Errors):
        return Outcome(errors=wanted.by_block)
    await people.put_discipline(conn, click.actor, seen.team.id, wanted.discipline)
    return None


async def use(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    """Takes a discipline out of use where it is in use for good; else brings it back."""
    require_lead(click.actor)
    held, facts = click.held_by_view, seen.schedule.facts
    in_use = planned_end(facts, held.discipline, click.now) is not None
    wanted = submitted_admin.use(click.values, held, seen.locale, in_use=in_use)
    if isinstance(wanted, Errors):
        return Outcome(errors=wanted.by_block)
    asked = Use(wanted.discipline, wanted.in_use, from_when(wanted.first_day, seen.team, click.now))
    if not was_shown(held, wanted, facts.version):
        preview = disciplines.previewed(facts, asked, click.now)
        shown = _again(click, Shown(preview.version, preview.changes, preview.idle))
        return _shown(discipline_blocks.use_form(seen, wanted.discipline, wanted, shown))
    await disciplines.change(
        conn, click.actor, seen.team.id, asked, click.now, reason=wanted.reason, version=facts.version
    )
    return None


async def roster(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    require_lead(click.actor)
    held = click.held_by_view
    before = discipline_blocks.newest(seen, held.discipline)
    wanted = submitted_admin.roster(click.values, held, seen.team, before, seen.locale)
    if isinstance(wanted, Errors):
        return Outcome(errors=wanted.by_block)
    plan = _plan(click, seen, wanted)
    version = seen.schedule.facts.version
    if was_shown(held, wanted, version):
        asked = (conn, click.actor, seen.team.id, plan, click.now)
        await rosters.apply(*asked, reason=wanted.reason, version=version)
        return None
    found = await rosters.preview(conn, click.actor, seen.team.id, plan, click.now)
    shown = _again(click, Shown(found.version, found.changes, found.idle))
    return _shown(discipline_blocks.roster_form(seen, wanted.discipline, wanted, shown))


def _plan(click: Click, seen: Seen, wanted: NewRoster) -> Plan:
    since = from_when(wanted.first_day, seen.team, click.now)
    return Plan(wanted.discipline, wanted.people, since, wanted.rotation, in_order=wanted.in_order)


async def join(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    require_lead(click.actor)
    wanted = submitted_admin.joining(click.values, seen.locale)
    if isinstance(wanted, Errors):
        return Outcome(errors=wanted.by_block)
    facts = seen.schedule.facts
    if not was_shown(click.held_by_view, wanted, facts.version):
        shown = _again(click, previews.joined(facts, wanted, click.now))
        return _shown(people_blocks.join_form(seen, wanted.person, wanted, shown))
    # Slack says who was chosen, and not how they are called; who is known already keeps their name.
    known = await people_store.named(conn, click.business.id, wanted.person)
    person = Person(wanted.person, click.names.get(wanted.person) or known or wanted.person)
    at = from_when(wanted.first_day, seen.team, click.now)
    asked = (conn, click.actor, seen.team.id, wanted.disciplines, person, click.now)
    if not await members.join_all(*asked, at=at, version=facts.version):
        raise Conflict("They belong to it already.")
    return None


async def leave(conn: Conn, click: Click, seen: Seen) -> Outcome | None:
    require_lead(click.actor)
    held = click.held_by_view
    wanted = submitted_admin.leaving(click.values, held, seen.locale)
    if isinstance(wanted, Errors):
        return Outcome(errors=wanted.by_block)
    facts = seen.schedule.facts
    if not was_shown(held, wanted, facts.version):
        shown = _again(click, previews.left(facts, wanted, click.now))
        return _shown(people_blocks.leave_form(seen, wanted.person, wanted, shown))
    await _left(conn, click, seen, wanted)
    return None


async def _left(conn: Conn, click: Click, seen: Seen, wanted: Leaving) -> None:
    at = from_when(wanted.first_day, seen.team, click.now)
    asked = (conn, click.actor, seen.team.id, wanted.discipline, wanted.person, at)
    if not await members.leave(*asked, now=click.now, version=seen.schedule.facts.version):
        raise Conflict("They do not belong to it any more.")
