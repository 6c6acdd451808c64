"""SQL of what automation keeps of two who become one, or are parted: it goes along, and comes back.

Each row remembers from where it came by joinings, the last one last: what goes back is what came by the joining that is
undone, and what was made since stays with the one who was kept. The caller holds both contacts and their threads.
"""

from __future__ import annotations

from tallybook.core.db import Conn

JOIN_RUNS = """
update automation_runs set conversation_id = %(kept)s::bigint, came_by = came_by || %(gone)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
JOIN_LATER = """
update scheduled_messages set conversation_id = %(kept)s::bigint, came_by = came_by || %(gone)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
PART_RUNS = """
update automation_runs set conversation_id = %(gone)s::bigint, came_by = came_by[1:cardinality(came_by) - 1]
where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
    and came_by[cardinality(came_by)] = %(gone)s::bigint
"""
PART_LATER = """
update scheduled_messages set conversation_id = %(gone)s::bigint, came_by = came_by[1:cardinality(came_by) - 1]
where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
    and came_by[cardinality(came_by)] = %(gone)s::bigint
"""
# The kept one had no thread before, and has none again: what was left there since would go with it.
HAND_OVER_LATER = """
update scheduled_messages set conversation_id = %(gone)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
    and not exists (select from whatsapp_message m where m.business_id = scheduled_messages.business_id
        and m.conversation_id = %(kept)s::bigint)
"""
JOIN_MEETINGS = """
update appointments set contact_id = %(kept)s::bigint, came_by = came_by || %(gone)s::bigint
where business_id = %(business_id)s::int and contact_id = %(gone)s::bigint
"""
PART_MEETINGS = """
update appointments set contact_id = %(gone)s::bigint, came_by = came_by[1:cardinality(came_by) - 1]
where business_id = %(business_id)s::int and contact_id = %(kept)s::bigint
    and came_by[cardinality(came_by)] = %(gone)s::bigint
"""


async def join_threads(conn: Conn, business_id: int, kept: int, gone: int) -> None:
    """What is of the second thread is of the first."""
    values = {"business_id": business_id, "kept": kept, "gone": gone}
    await conn.execute(JOIN_RUNS, values)
    await conn.execute(JOIN_LATER, values)


async def part_threads(conn: Conn, business_id: int, kept: int, gone: int, *, made: bool) -> None:
    """What came from the second goes back; ``made``: the first was only made for the joining."""
    values = {"business_id": business_id, "kept": kept, "gone": gone}
    await conn.execute(PART_RUNS, values)
    await conn.execute(PART_LATER, values)
    if made:
        await conn.execute(HAND_OVER_LATER, values)


async def join_contacts(conn: Conn, business_id: int, kept: int, gone: int) -> None:
    """The meetings of the second contact are the first's."""
    await conn.execute(JOIN_MEETINGS, {"business_id": business_id, "kept": kept, "gone": gone})


async def part_contacts(conn: Conn, business_id: int, kept: int, gone: int) -> None:
    """The meetings that came from the second go back."""
    await conn.execute(PART_MEETINGS, {"business_id": business_id, "kept": kept, "gone": gone})
