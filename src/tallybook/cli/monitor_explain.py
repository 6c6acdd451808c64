"""``monitor explain``: why a drop is where it is, or is missing. ``monitor check-registers``: the proof on demand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.service import counts, refiling, registers
from tallybook.monitor.service import explain as service
from tallybook.monitor.service.explain import Absence, Story, Told
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.store.registers import Run
from tallybook.web import register_words, reply_words

from .opening import Env, Json, opened, run, say

MAX_TEXT = 120
COMMAND_LINE = Person("command line")
InBusiness = Annotated[str | None, typer.Option(help="Needed where there are several.")]


def explain(
    drop: Annotated[str, typer.Argument(help="Its number, spelled in any way.")],
    again: Annotated[
        bool, typer.Option("--file-again", help="Put back what is missing from a register; harmless to repeat.")
    ] = False,
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Tell the whole story of one drop: every post, what was decided and why, every row and every change."""

    async def work() -> tuple[Business, Story]:
        async with opened(env) as application:

            async def look(conn: Conn) -> tuple[Business, Story]:
                home = await businesses.find(conn, business)
                story = await service.explain(conn, home, drop)
                if again and story.missing:
                    await refiling.file_again(conn, home, story.drop_number, COMMAND_LINE)
                    story = await service.explain(conn, home, drop)
                return home, story

            return await application.db.run("explain drop", look)

    home, story = run(work())
    say(msgspec.to_builtins(story), lambda: "\n".join(told(story, home)), as_json=as_json)


def told(story: Story, business: Business) -> list[str]:
    """A story as lines for a terminal."""
    text, values = register_words.sentence(story)
    lines = [text.format_map(values)]
    for post in story.posts:
        lines += ["", *_post(post, business)]
    for review in story.reviews:
        state = "complete" if review.completed else "posted again" if review.resubmitted else "open"
        lines += ["", f"QA review {review.id}: {review.project}, {review.review_date}, {state}, {review.user_name}"]
    for row in story.activations:
        says = f", {row.says}" if row.says else ""
        lines += ["", f"Marketing activation {row.id}: {row.project}, {_at(row.said_at, business)}{says}"]
    if story.validated:
        lists = ", ".join(f"{name} ({size} drops)" for name, size in story.validated.items())
        lines += ["", f"On the list of: {', '.join(story.listed) or 'no project'}. Lists are asked for by: {lists}."]
    for one in story.answers:
        state = reply_words.STATES[one.state] if one.state else register_words.FORGOTTEN
        sender = f" by {one.who}" if one.who else ""
        lines.append(f"{_at(one.put_at, business)}  {register_words.ANSWERS[one.kind]}{sender}: {state}")
    for change in story.changes:
        what = register_words.ACTIONS.get(change.action, change.action)
        reason = (change.after or {}).get("reason")
        lines.append(f"{_at(change.at, business)}  {what} by {change.who}{f': {reason}' if reason else ''}")
    if story.missing:
        lines += ["", f"Put it back with: tallybook monitor explain {story.drop_number} --file-again"]
    return lines + (_absence(story.absence, business) if story.absence else [])


def _post(post: Told, business: Business) -> list[str]:
    who = register_words.BY_HAND if post.by_hand else f"by {post.sender}"
    seen = f", seen {_at(post.seen_at, business)}"
    edits = [f"    before {_at(one.until, business)}: {one.text[:MAX_TEXT]!r}" for one in post.edits]
    judged = f" ({post.detail})" if post.detail else ""
    return [
        f"{_at(post.said_at, business)}  {post.project or post.chat}  {who}{seen}",
        f"    {post.text[:MAX_TEXT]!r}{' (deleted since)' if post.deleted else ''}",
        *edits,
        f"    {register_words.DECISIONS[post.decision]}: {register_words.WHY[post.decision]}{judged}",
    ]


def _absence(absence: Absence, business: Business) -> list[str]:
    lines = ["", "Groups that are watched, and what was last heard of them:"]
    lines += [
        f"  {group.project}: {_at(group.said_at, business) if group.said_at else 'nothing yet'}"
        for group in absence.groups
    ]
    if not absence.groups:
        lines.append("  none: name them in tallybook.toml")
    if absence.bridge_problem:
        lines.append(f"The bridge: {absence.bridge_problem}")
    elif absence.bridge_at is None:
        lines.append("The bridge has never been read here.")
    else:
        newest = f"; its newest message is of {absence.bridge_newest}" if absence.bridge_newest else ""
        lines.append(f"The bridge was read {_at(absence.bridge_at, business)}{newest}.")
    for name, near in (("Neighbouring numbers", absence.neighbours), ("Numbers one slip away", absence.similar)):
        said = ", ".join(f"{one.drop_number} ({one.project}, {_at(one.said_at, business)})" for one in near)
        lines.append(f"{name} that were posted: {said or 'none'}")
    return lines


def _at(at: datetime, business: Business) -> str:
    return f"{at.astimezone(business.zone):%Y-%m-%d %H:%M:%S}"


def check_registers(
    whole: Annotated[bool, typer.Option("--all", help="All messages, not the last 30 days.")] = False,
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Hold every register against the stored messages now, as is done every night. Exits 1 if a drop is missing."""

    async def work() -> tuple[Run, list[str]]:
        async with opened(env) as application:
            db = application.db
            home = await db.run("find business", lambda conn: businesses.find(conn, business))
            now = datetime.now(UTC)
            await db.run("count days", lambda conn: counts.keep(conn, home, now))
            done = await registers.check(db, home, f"command {now.isoformat()}", whole=whole)
            gaps = await db.run("list gaps", lambda conn: registers.open_gaps(conn, home))
            return done, [f"{gap.drop_number} is missing from {gap.register} ({gap.project})" for gap, _ in gaps]

    done, missing = run(work())
    text = f"{done.messages} messages, {done.posts} posts, {done.both_registers} drops in both registers"
    lines = [f"{text}; {done.missing} missing.", *dict.fromkeys(missing)]
    say(msgspec.to_builtins(done) | {"gaps": missing}, "\n".join(lines), as_json=as_json)
    if done.missing:
        raise typer.Exit(1)
