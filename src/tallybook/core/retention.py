"""How long each table keeps its rows, set here and nowhere else.

Old rows go a thousand at a time, each thousand in a transaction of its own, so that nobody waits behind a long delete.
What is parked or still waiting is never removed, however old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from . import server_log_kept
from .db import Conn, Database

BATCH = 1000
EVERY = "true"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Rule:
    """Rows of ``table`` go when ``column`` is older than ``age`` and ``condition`` holds. ``key``: the primary key."""

    table: str
    column: str
    age: timedelta
    condition: str = EVERY
    key: tuple[str, ...] = ("id",)

    @property
    def statement(self) -> str:
        """Deletes up to a batch of what is older than ``before``. Complete and static for each rule."""
        columns = ", ".join(self.key)
        same = " and ".join(f"t.{column} = old.{column}" for column in self.key)
        return f"""
with old as (
    select {columns} from {self.table}
    where {self.column} < %(before)s::timestamptz and {self.condition}
    order by {self.column} limit %(batch)s::int for update skip locked
)
delete from {self.table} t using old where {same}"""


RULES = (
    Rule("deliveries", "done_at", timedelta(days=30), "state = 'done'"),
    # A job's key refuses a second request for as long as the row is kept.
    Rule("jobs", "done_at", timedelta(days=14), "state = 'done'"),
    Rule("outbox", "done_at", timedelta(days=180), "state in ('sent', 'delivered', 'read', 'captured', 'dropped')",
         ("business_id", "id")),
    # The longest window of a limit is a day.
    Rule("sending_moments", "at", timedelta(days=2), key=("business_id", "outgoing_id", "at")),
    Rule("sessions", "expires_at", timedelta(0), key=("token_hash",)),
    # By a success an address is known for as long as the row is kept.
    Rule("login_attempts", "at", timedelta(days=60)),
    Rule("heartbeats", "at", timedelta(days=7), key=("name",)),
    Rule("constraint_violations", "at", timedelta(days=365)),
    Rule("doctor_runs", "at", timedelta(days=365)),
    # What is older than this is not taken from a log that is not known (any more).
    Rule("server_log_positions", "read_at", server_log_kept.KNOWN_FOR, key=("file",)),
    Rule("alarm_episodes", "ended_at", timedelta(days=365), key=("business_id", "name", "number")),
    Rule("reconciliations", "given_at", timedelta(days=90), "added_at is null", ("business_id", "id")),
    # What was done stays: a list's page says who imported it last.
    Rule("valid_imports", "given_at", timedelta(days=30), "state in ('given', 'ended')", ("business_id", "id")),
    Rule("register_checks", "ended_at", timedelta(days=365), key=("business_id", "run")),
    # No provider tells of a message after so long.
    Rule("waiting_changes", "seen_at", timedelta(days=30),
         key=("business_id", "channel", "account", "about", "kind", "who")),
    Rule("waiting_reports", "seen_at", timedelta(days=30),
         key=("business_id", "channel", "account", "provider_message_id", "status")),
    # One that was taken off stands only so that an older word of it, told late, does not put it back.
    Rule("message_reactions", "at", timedelta(days=30), "emoji = ''",
         ("business_id", "channel", "account", "about", "who")),
    # A message that happens again after so long is too old to fire anything.
    Rule("automation_runs", "at", timedelta(days=180), key=("business_id", "rule_id", "cause")),
    # The provider keeps a file for thirty days; one that is asked for again is given to it anew.
    Rule("uploaded_files", "at", timedelta(days=28), key=("business_id", "channel", "account", "sha256", "type")),
    Rule("hook_events", "done_at", timedelta(days=30), "state::text in ('delivered', 'captured')",
         ("business_id", "id")),
    # No provider tells a message again after so long.
    Rule("forgotten_messages", "forgotten_at", timedelta(days=60), key=("business_id", "key_sha256")),
    Rule("inbox_model_leases", "lease_until", timedelta(days=2), key=("business_id", "conversation_id", "seq")),
    Rule("triage_announcements", "told_at", timedelta(days=400), key=("business_id", "team_id", "kind", "boundary")),
    Rule("triage_kept_orders", "reported_at", timedelta(days=90), key=("business_id", "key")),
    Rule("triage_homes", "opened_at", timedelta(days=7), key=("business_id", "account", "slack_id")),
    Rule("triage_told", "told_at", timedelta(days=400), key=("business_id", "team_id", "kind", "what", "recipient")),
    # Its events go with it. The product's own are made by how many there were: each that goes would be valid again.
    Rule("triage_feeds", "revoked_at", timedelta(days=90), "not (account_id is null and made_by::text = 'tallybook')",
         ("business_id", "id")),
    Rule("sharepoint_runs", "ended_at", timedelta(days=365), key=("business_id", "id")),
)  # fmt: skip

_TALK = "what was said, with whom: it goes when a customer is forgotten"
_HANGS = "it goes with the thread, the message or the customer on which it hangs"
_SET = "what somebody set up: it goes when they take it away"
_SAID = "proof of what a customer wanted: it goes when they are forgotten"
_HISTORY = "what was done for customers, which people look up"
_SOON_GONE = "taken away when it is done; what is there waits"
_REGISTER = "the business's registers, and what they are made of"
_FEW = "as many rows as there are things of that kind, however long it runs"
_RECORD = "who changed what is never removed"
_DAYS = "a row for each day and thing counted, for the pages of statistics"
_FILES = "the files on the disk go by it, when their message does"
_ROTA = "by it everybody sees who was on duty then"
_NIGHTS = "what is on SharePoint, so that nothing is put there twice"

# Kept for as long as the business wants them: why no time ends it.
KEPT: Mapping[str, str] = {
    **dict.fromkeys(("contacts", "contact_identities", "leads", "whatsapp_conversation", "whatsapp_message"), _TALK),
    **dict.fromkeys(("messages", "message_revisions"), "what was received, whoever made what of it"),
    **dict.fromkeys(("conversation_windows", "conversation_reads", "message_receipts", "conversation_labels"), _HANGS),
    **dict.fromkeys(("message_words", "note_mentions", "conversation_sessions", "left_phones"), _HANGS),
    "inbox_news_seen": _HANGS,
    **dict.fromkeys(("conversation_assignments", "conversation_notes", "lead_changes", "reply_decisions"), _HISTORY),
    **dict.fromkeys(("scheduled_messages", "appointments", "broadcasts", "broadcast_recipients"), _HISTORY),
    **dict.fromkeys(("contact_merges", "merged_messages"), "a joining may be undone however late"),
    **dict.fromkeys(("automation_causes", "message_words_due"), _SOON_GONE),
    **dict.fromkeys(("message_words_marks", "inbox_hours", "consent_words", "lead_statuses"), _FEW),
    **dict.fromkeys(("inbox_templates", "template_syncs"), _FEW),
    "inbox_model_days": _DAYS,
    **dict.fromkeys(("inbox_answers", "automation_rules", "hooks", "inbox_teams", "inbox_team_members"), _SET),
    **dict.fromkeys(("inbox_labels", "canned_answers"), _SET),
    "contact_consents": _SAID,
    "erasures": "that somebody was forgotten, when and by whom; nothing says who it was",
    "inbox_files": _FILES,
    **dict.fromkeys(("drop_photos", "message_files"), _FILES),
    **dict.fromkeys(("channel_accounts", "api_tokens", "monitor_projects", "accounts", "account_roles"), _SET),
    **dict.fromkeys(("businesses", "channel_arrivals", "schedules", "source_positions", "alarms"), _FEW),
    **dict.fromkeys(("sending_lines", "sending_stops", "alembic_version", "validity_turns"), _FEW),
    **dict.fromkeys(("sharepoint_turns", "environment_reports", "statistics_marks", "statistics_turns"), _FEW),
    "audit_log": _RECORD,
    **dict.fromkeys(("drops", "qa_photo_reviews", "qa_submissions", "marketing_activations"), _REGISTER),
    **dict.fromkeys(("marketing_posts", "valid_drop_numbers", "invalid_drop_submissions", "held_posts"), _REGISTER),
    **dict.fromkeys(("register_gaps", "register_days", "drop_locations"), _REGISTER),
    **dict.fromkeys(("monitor_replies", "review_feedback"), "by it nothing is said twice in a group"),
    **dict.fromkeys(("sharepoint_items", "sharepoint_files"), _NIGHTS),
    **dict.fromkeys(("triage_teams", "triage_disciplines", "triage_people", "triage_states"), _FEW),
    **dict.fromkeys(("triage_looks", "triage_shown"), _FEW),
    **dict.fromkeys(("triage_memberships", "triage_rosters", "sprints", "triage_absences"), _ROTA),
    **dict.fromkeys(("triage_holidays", "overrides"), _ROTA),
    "triage_calendars": _SET,
    "triage_feed_events": "what a calendar was told: it goes when its days are past, or with its link",
    **dict.fromkeys(("triage_imports", "triage_import_rows"), "what came of each row of an older rota, however late"),
    **dict.fromkeys(("statistics_days", "statistics_people"), _DAYS),
}


async def sweep(db: Database, now: datetime, stop: asyncio.Event, rules: Sequence[Rule] = RULES) -> dict[str, int]:
    """Removes what is past its time at ``now``. Returns the rows removed per table; ends early when ``stop`` is set."""
    removed: dict[str, int] = {}
    for rule in rules:
        removed[rule.table] = await _sweep(db, rule, now - rule.age, stop)
    log.info("old rows removed", **removed)
    return removed


async def _sweep(db: Database, rule: Rule, before: datetime, stop: asyncio.Event) -> int:
    statement = rule.statement
    total = 0

    async def work(conn: Conn) -> int:
        return (await conn.execute(statement, {"before": before, "batch": BATCH})).rowcount

    while not stop.is_set():
        count = await db.run(f"retention of {rule.table}", work)
        total += count
        if count < BATCH:
            break
    return total
