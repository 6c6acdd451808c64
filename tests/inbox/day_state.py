"""What a played day leaves in the database: every column of every table, but for those that are named here, and why.

A name that every play gives alike stands for a number of our own. A table or a column that is added later is compared
from then on, or named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallybook.core.db import Database
from tests.core.worked import rows

OWN = "a number of our own, given in the order of coming"
SEEN = "when we saw or did it, by our clock"
ORDER = "says in what order things came"
POST = "what bears no id of its own, news of the account and of preferences, is news again in another post"
BOT = "the bot's, which does not run here: what it decides, it decides on what came so far"
KEPT = "what there was before two turned out to be one person: whether she was two for a while depends on the order"

_THREAD = "(select x.canonical_key from whatsapp_conversation x where x.id = t.conversation_id)"
_CONTACT = "(select x.thread_key from contacts x where x.id = t.contact_id)"
_SAID = "(select x.provider_message_id from whatsapp_message x where x.id = {})"

# What stands for a column that holds a number of our own, or a moment of our clock.
STANDS_FOR: Mapping[str, Mapping[str, str]] = {
    "automation_causes": {
        "message_id": _SAID.format("t.message_id"),
        "key": _SAID.format("split_part(t.key, ':', 2)::bigint"),
    },
    "automation_runs": {
        "conversation_id": _THREAD, "cause": _SAID.format("split_part(t.cause, ':', 2)::bigint"),
        "rule_id": "(select x.name from automation_rules x where x.id = t.rule_id)",
    },
    "contact_identities": {"contact_id": _CONTACT},
    "conversation_labels": {"conversation_id": _THREAD},
    "conversation_sessions": {"conversation_id": _THREAD},
    "conversation_windows": {"conversation_id": _THREAD},
    "inbox_files": {"message_id": _SAID.format("t.message_id")},
    "leads": {"contact_id": _CONTACT},
    "whatsapp_conversation": {
        # What the moment is for: by it, whoever never read has all of this unread, as the first inbox's queries count.
        "started_at": """(select count(*) from whatsapp_message x where x.conversation_id = t.id and x.direction = 'in'
            and x.status <> 'deleted' and x.created_at >= t.started_at)""",
    },
    "whatsapp_message": {"conversation_id": _THREAD, "media_url": "(t.media_url is not null)"},
}  # fmt: skip
# Which rows of a table are compared, where not all are.
ONLY: Mapping[str, str] = {
    "channel_arrivals": "t.account not like 'waba:%'",  # POST
    "contacts": "t.merged_into is null",  # KEPT
    "messages": "t.external_id not like 'of:%'",  # POST
}
# Columns that are not compared.
DIFFER: Mapping[str, Mapping[str, str]] = {
    "automation_causes": {"id": OWN, "conversation_id": "one that was joined since is followed by whoever decides"},
    "automation_runs": {
        "id": OWN, "message_id": OWN, "at": SEEN, "came_by": KEPT,
        "outcome": "to what comes late no rule answers", "reason": "to what comes late no rule answers",
    },
    "channel_arrivals": {"last_seen_at": SEEN, "updates": POST},
    "contact_identities": {"added_at": SEEN},
    "contacts": {"id": OWN, "created_at": SEEN, "updated_at": SEEN},
    "conversation_sessions": {"id": OWN, "closed_at": SEEN, "summary_at": SEEN},
    "inbox_files": {"id": OWN, "asked_at": SEEN},
    "inbox_templates": {"id": OWN, "told_at": POST},
    "leads": {"id": OWN, "created_at": SEEN, "updated_at": SEEN, "status_entered_at": SEEN},
    "messages": {"id": OWN, "seen_at": SEEN, "revision": ORDER},
    "waiting_changes": {"seen_at": SEEN},
    "waiting_reports": {"seen_at": SEEN},
    "whatsapp_conversation": {
        "id": OWN, "contact_id": OWN, "created_at": SEEN, "updated_at": SEEN, "previous_message_at": ORDER,
        "customer_wa_id": "by what they were known to whoever made the thread; all of it is in contact_identities",
    },
    "whatsapp_message": {
        "id": OWN, "seq": OWN, "message_id": OWN, "created_at": SEEN, "late": ORDER,
        "to_number": "by what the customer went when the message was filed",
    },
}  # fmt: skip
# Tables of which nothing is compared.
LEFT_OUT: Mapping[str, str] = {
    "audit_log": "tells what was done, in that order: whom we took for two is joined there",
    "contact_consents": "compared by a statement of its own: its keys are numbers of ours, and " + POST,
    "contact_merges": KEPT,
    "deliveries": "the posts themselves",
    "jobs": "what is to be done once more by a number of our own; files are compared as rows of inbox_files",
    "left_phones": "whose a phone was: only where it was somebody else's later, which this day has not",
    "merged_messages": KEPT,
    "message_revisions": "what a message said before: " + ORDER,
    "message_words": "found out of the messages, later",
    "message_words_due": "which messages were there before they said something else: " + ORDER,
    "message_words_marks": "found out of the messages, later",
    "reply_decisions": BOT,
    **dict.fromkeys(
        ("accounts", "alembic_version", "automation_rules", "businesses", "channel_accounts"),
        "as it was set up before the day",
    ),
}  # fmt: skip

COLUMNS = """
select table_name::text, array_agg(column_name::text order by ordinal_position) from information_schema.columns
where table_schema = current_schema() and table_name in (select t.table_name from information_schema.tables t
    where t.table_schema = current_schema() and t.table_type = 'BASE TABLE')
group by 1
"""


async def columns(db: Database) -> dict[str, list[str]]:
    """The columns of every table."""
    return dict(await rows(db, COLUMNS))


async def state(db: Database, *only: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table, or of these, as far as they are compared, in one order."""
    found, there = {}, await columns(db)
    async with db.transaction() as conn:
        for table, some in there.items():
            names = [column for column in some if column not in DIFFER.get(table, {})]
            if table in only or (not only and table not in LEFT_OUT):
                cursor = await conn.execute(_statement(table, names).encode())
                found[table] = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
    return found


def _statement(table: str, names: list[str]) -> str:
    stands = STANDS_FOR.get(table, {})
    shown = ", ".join(f"({stands.get(name, f't.{name}')})::text as {name}" for name in names)
    order = ", ".join(str(place) for place in range(1, len(names) + 1))
    return f"select {shown} from {table} t where {ONLY.get(table, 'true')} order by {order}"
