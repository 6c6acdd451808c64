"""Settles items of the list: look, decide, write down what is about to be sent, send, write down the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallybook.channels.sharepoint.decide import Known, Step, next_step
from tallybook.channels.sharepoint.types import (
    Change,
    ItemKey,
    Lookup,
    Outcome,
    Refused,
    RemoteItem,
    Uncertain,
    Values,
    Wrote,
)
from tallybook.core.db import Conn
from tallybook.monitor.store import sharepoint as store
from tallybook.monitor.store.sharepoint import Item

from .sharepoint_turn import NO_CERTAINTY, ROUNDS, Turn


@dataclass
class _Told:
    """What is to be written down of some items."""

    done: dict[ItemKey, tuple[Values, Wrote]] = field(default_factory=dict)
    theirs: dict[ItemKey, RemoteItem | None] = field(default_factory=dict)
    refused: dict[ItemKey, str] = field(default_factory=dict)
    intents: dict[ItemKey, Values] = field(default_factory=dict)


async def settle(turn: Turn, items: list[Item]) -> None:
    """Settles up to twenty items. What is not certain after a few rounds waits for another run."""
    waiting = {item.key: item for item in items}
    for _ in range(ROUNDS):
        found = await turn.library.look_up([Lookup(item.key, item.item_id) for item in waiting.values()])
        changes = await _decide(turn, waiting, found)
        if not changes:
            return
        outcomes = await turn.library.write(changes)
        await _record(turn, _answered(changes, outcomes))
        waiting = {key: item for key, item in waiting.items() if isinstance(outcomes.get(key), Uncertain)}
        if not waiting:
            return
    await _record(turn, _Told(refused=dict.fromkeys(waiting, NO_CERTAINTY)))


async def _decide(
    turn: Turn, waiting: Mapping[ItemKey, Item], found: Mapping[ItemKey, RemoteItem | None]
) -> list[Change]:
    """Writes down what needs no request, and the intents of what does; gives the changes to be sent."""
    told = _Told()
    changes: list[Change] = []
    for key, item in waiting.items():
        there = found[key]
        step = next_step(_known(item), there)
        if step is Step.YIELD:
            told.theirs[key] = there
        elif there is None:
            changes.append(Change(key, item.wanted))
        elif step is Step.UPDATE:
            changes.append(Change(key, item.wanted, there.item_id, there.etag))
        elif item.state == "written":
            turn.tally.unchanged += 1
        else:
            told.done[key] = (item.wanted, Wrote(there.item_id, there.etag))
    told.intents = {change.key: change.values for change in changes}
    await _record(turn, told)
    return changes


def _known(item: Item) -> Known:
    return Known(item.wanted, item.written, item.sent, item.etag, item.overrule)


def _answered(changes: list[Change], outcomes: Mapping[ItemKey, Outcome]) -> _Told:
    told = _Told()
    for change in changes:
        outcome = outcomes[change.key]
        if isinstance(outcome, Wrote):
            told.done[change.key] = (change.values, outcome)
        elif isinstance(outcome, Refused):
            told.refused[change.key] = outcome.reason
    return told


async def _record(turn: Turn, told: _Told) -> None:
    async def work(conn: Conn) -> None:
        await store.wrote(conn, turn.business.id, turn.run, told.done)
        await store.yielded(conn, turn.business.id, turn.run, told.theirs)
        await store.postpone(conn, turn.business.id, told.refused)
        await store.intend(conn, turn.business.id, told.intents)

    if told.done or told.theirs or told.refused or told.intents:
        await turn.write("record items", work)
    turn.tally.written += len(told.done)
    turn.tally.conflicts += len(told.theirs)
    turn.reasons += told.refused.values()
