"""Which tables a copy takes to another environment, which of their rows, and what each column holds.

A table that is neither here nor in NEVER stops the tests: whoever adds one decides. A column that says nothing of
itself is masked.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import keys
from .environment_copied import Copied
from .environment_inbox_tables import INBOX, NEVER_OF_THE_INBOX
from .environment_masking import Kind

PLAIN, WHO, WORDS, CODE, LEAVES = Kind.PLAIN, Kind.WHO, Kind.WORDS, Kind.CODE, Kind.LEAVES
CHAT, NEVER_FILLED = Kind.CHAT, Kind.NEVER

# A drop is taken whole, with all that was ever posted of it, when anything of it is of the time asked for.
_DROPS = """select d.business_id, d.space, d.drop_number from drops d where d.last_posted_at >= %(since)s
    union select r.business_id, r.space, r.drop_number from qa_photo_reviews r
    where coalesce(r.whatsapp_message_date, r.created_at) >= %(since)s"""
_OF_A_DROP = f"(t.business_id, t.space, t.drop_number) in ({_DROPS})"
_ACTIVATIONS = """select a.business_id, a.project, a.drop_number from marketing_activations a
    where a.whatsapp_message_date >= %(since)s
    union select p.business_id, p.project, p.drop_number from marketing_posts p where p.said_at >= %(since)s"""
_OF_AN_ACTIVATION = f"(t.business_id, t.project, t.drop_number) in ({_ACTIVATIONS})"
_MESSAGES = f"""select m.business_id, m.id from messages m where m.said_at >= %(since)s
    union select s.business_id, s.message_id from qa_submissions s
    where (s.business_id, s.space, s.drop_number) in ({_DROPS})
    union select p.business_id, p.message_id from marketing_posts p
    where (p.business_id, p.project, p.drop_number) in ({_ACTIVATIONS})
    union select i.business_id, i.message_id from invalid_drop_submissions i where i.submitted_at >= %(since)s
    union select h.business_id, h.message_id from held_posts h where h.said_at >= %(since)s"""

BUSINESSES = Copied(
    "businesses", "true", "t.id", keys.BUSINESS, own_number=True,
    kinds={"name": PLAIN, "time_zone": PLAIN, "locale": PLAIN},
)  # fmt: skip
# A copied project is for its records: which groups an environment reads is said by its projects file alone.
PROJECTS = Copied(
    "monitor_projects", "true", "t.business_id, t.name", keys.PROJECT, only_new=True, preset={"active": False},
    kinds={"name": PLAIN, "kind": PLAIN, "drop_space": PLAIN, "group_jid": CHAT, "pattern": PLAIN},
)  # fmt: skip
DROPS = Copied(
    "drops", _OF_A_DROP, "t.business_id, t.space, t.drop_number", keys.DROP,
    kept=frozenset({"last_posted_at", "previous_posted_at"}), kinds={"space": PLAIN, "drop_number": PLAIN},
)  # fmt: skip
MESSAGES = Copied(
    "messages", f"(t.business_id, t.id) in ({_MESSAGES})", "t.business_id, t.channel, t.scope, t.external_id, t.kind",
    keys.MESSAGE, own_number=True,
    kinds={
        "channel": CODE, "account": Kind.ACCOUNT, "scope": CHAT,
        "external_id": Kind.OUTSIDE_ID, "kind": CODE, "chat": CHAT,
        "sender_raw": WHO, "sender_phone": WHO, "sender_lid": WHO, "text": Kind.POST, "media_type": CODE,
        "media_filename": Kind.FILE, "media_sha256": PLAIN, "content_hash": Kind.HASH, "parked_reason": Kind.POST,
        "content": NEVER_FILLED,
    },
)  # fmt: skip
REVISIONS = Copied(
    "message_revisions", f"(t.business_id, t.message_id) in ({_MESSAGES})", "t.business_id, t.message_id, t.revision",
    keys.REVISION, message="message_id",
    kinds={"text": Kind.POST, "content_hash": Kind.HASH, "content": NEVER_FILLED},
)  # fmt: skip
SUBMISSIONS = Copied(
    "qa_submissions", _OF_A_DROP, "t.business_id, t.space, t.drop_number, t.message_id", keys.SUBMISSION,
    message="message_id",
    kinds={"space": PLAIN, "drop_number": PLAIN, "project": PLAIN, "sender_phone": WHO, "effect": PLAIN},
)  # fmt: skip
REVIEWS = Copied(
    "qa_photo_reviews", _OF_A_DROP, "t.business_id, t.space, t.drop_number, t.review_date", keys.REVIEW,
    together=("business_id", "space", "drop_number"),
    kinds={
        "drop_number": PLAIN, "user_name": WHO, "project": PLAIN, "submitted_by": WHO, "sender_phone": WHO,
        "assigned_agent": WHO, "comment": Kind.COMMENT, "locked_by": NEVER_FILLED, "locked_at": NEVER_FILLED,
        "incorrect_steps": CODE, "incorrect_comments": LEAVES, "bridge_source": CODE, "space": PLAIN,
    },
)  # fmt: skip
ACTIVATIONS = Copied(
    "marketing_activations", _OF_AN_ACTIVATION, "t.business_id, t.project, t.drop_number", keys.ACTIVATION,
    own_number=True,
    kinds={
        "drop_number": PLAIN, "submitted_by": WHO, "user_name": WHO, "validation_message": Kind.COMMENT,
        "project": PLAIN,
    },
)  # fmt: skip
MARKETING_POSTS = Copied(
    "marketing_posts", _OF_AN_ACTIVATION, "t.business_id, t.project, t.drop_number, t.message_id", keys.MARKETING_POST,
    message="message_id", kinds={"project": PLAIN, "drop_number": PLAIN, "sender_phone": WHO},
)  # fmt: skip
VALID_DROPS = Copied(
    "valid_drop_numbers", "true", "t.business_id, t.drop_number, t.project", keys.VALID_DROP,
    kinds={"drop_number": PLAIN, "project": PLAIN, "sync_source": CODE},
)  # fmt: skip
INVALID_DROPS = Copied(
    "invalid_drop_submissions", "t.submitted_at >= %(since)s", "t.business_id, t.project, t.drop_number, t.id",
    together=("business_id", "project", "drop_number"),
    alike="t.business_id = g.business_id and t.project = g.project and t.drop_number = g.drop_number and ("
    "t.message_id = g.message_id or t.message_id is null and g.message_id is null and t.submitted_at = g.submitted_at)",
    arbiter=keys.INVALID_DROP, own_number=True, message="message_id",
    kinds={"drop_number": PLAIN, "project": PLAIN, "sender": WHO, "group_jid": CHAT, "reason": CODE},
)  # fmt: skip
HELD_POSTS = Copied(
    "held_posts", "t.said_at >= %(since)s", "t.business_id, t.project, t.drop_number, t.message_id", keys.HELD_POST,
    message="message_id",
    kinds={
        "project": PLAIN, "drop_number": PLAIN, "sender_phone": WHO, "group_jid": CHAT, "reason": PLAIN, "state": PLAIN,
        "decided_by": WHO, "note": WORDS,
    },
)  # fmt: skip
AUDIT = Copied(
    "audit_log",
    f"""(t.subject = 'review' and t.subject_id in (select t.id::text from qa_photo_reviews t where {_OF_A_DROP})
    or t.subject = 'drop' and (t.business_id, t.subject_id) in (
        select d.business_id, d.drop_number from ({_DROPS}) d
        union select a.business_id, a.drop_number from ({_ACTIVATIONS}) a))""",
    "t.business_id, t.at, t.subject, t.subject_id, t.action, t.id",
    together=("business_id", "at", "subject", "subject_id", "action"),
    alike="t.business_id = g.business_id and t.subject = g.subject and t.subject_id = g.subject_id and t.at = g.at "
    "and t.action = g.action",
    own_number=True,
    kinds={
        "who": WHO, "action": CODE, "subject": PLAIN, "subject_id": PLAIN, "before": LEAVES, "after": LEAVES,
    },
)  # fmt: skip

# In the order in which one may need another.
TABLES = (
    BUSINESSES, PROJECTS, DROPS, MESSAGES, REVISIONS, SUBMISSIONS, REVIEWS, ACTIVATIONS, MARKETING_POSTS, VALID_DROPS,
    INVALID_DROPS, HELD_POSTS, AUDIT, *INBOX,
)  # fmt: skip

_WAITING = "waiting work: it would be done twice"
_PEOPLE = "people are each environment's own"
_PROCESS = "what production's processes say of themselves"
_SENDING = "what was sent, and by which line: production alone sends"
_DERIVED = "what production found out of its rows; every environment finds its own"
NEVER: Mapping[str, str] = {
    "alembic_version": "the schema's own revision",
    **dict.fromkeys(("accounts", "account_roles", "sessions", "api_tokens", "login_attempts"), _PEOPLE),
    **dict.fromkeys(("deliveries", "jobs", "outbox", "schedules"), _WAITING),
    **dict.fromkeys(("source_positions", "server_log_positions"), "where production has read to"),
    "channel_accounts": "production's own numbers: their messages come to production alone",
    "channel_arrivals": "what came for production's own numbers",
    **dict.fromkeys(("heartbeats", "constraint_violations", "doctor_runs", "alarms", "alarm_episodes"), _PROCESS),
    **dict.fromkeys(("sending_lines", "sending_moments", "sending_stops", "monitor_replies"), _SENDING),
    **dict.fromkeys(("sharepoint_runs", "sharepoint_turns", "sharepoint_items", "sharepoint_files"), _SENDING),
    **dict.fromkeys(("reconciliations", "register_checks", "register_gaps", "register_days"), _DERIVED),
    **dict.fromkeys(("statistics_marks", "statistics_turns", "statistics_days", "statistics_people"), _DERIVED),
    "drop_locations": "where people live",
    **dict.fromkeys(("valid_imports", "validity_turns"), _DERIVED),
    "environment_reports": _DERIVED,
    "review_feedback": _SENDING,
    **dict.fromkeys(
        (
            "triage_teams",
            "triage_disciplines",
            "triage_people",
            "triage_memberships",
            "triage_rosters",
            "sprints",
            "triage_absences",
            "triage_holidays",
            "overrides",
            "triage_states",
            "triage_announcements",
            "triage_looks",
            "triage_told",
            "triage_shown",
            "triage_kept_orders",
            "triage_homes",
            "triage_feeds",
            "triage_feed_events",
            "triage_calendars",
            "triage_imports",
            "triage_import_rows",
        ),
        "who is on duty, and who is away: production's people, whom production alone tells",
    ),
    **NEVER_OF_THE_INBOX,
    "drop_photos": "photos: production's alone, and personal",
    "message_files": "photos: production's alone, and personal",
}
# What a reset leaves: without its people and its own revision nobody could use what was emptied.
STAYS = frozenset({"alembic_version", "businesses", "accounts", "account_roles", "sessions", "api_tokens"})
