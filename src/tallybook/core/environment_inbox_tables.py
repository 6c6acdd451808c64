"""The inbox's tables that a copy takes, which of their rows, and what each column holds; and why it takes no others.

Rows keep production's numbers, since these stand in the names of threads, in rules, and in addresses.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import inbox_keys
from .environment_copied import Copied
from .environment_masking import Kind

PLAIN, WHO, CODE, SAID, KNOWN, NAMED = Kind.PLAIN, Kind.WHO, Kind.CODE, Kind.SAID, Kind.KNOWN, Kind.NAMED
NEVER_FILLED = Kind.NEVER

# A customer is taken whole, with all that was ever said, when anything of them is of the time asked for. Who turned out
# to be somebody else is nobody any more: what stays of them is there to part the two again, and is not copied.
_CUSTOMERS = """select c.business_id, c.id from contacts c
    left join whatsapp_conversation w on w.business_id = c.business_id and w.contact_id = c.id
    where c.merged_into is null and greatest(c.updated_at, w.updated_at, w.last_message_at) >= %(since)s"""
_THREADS = f"""select w.business_id, w.id from whatsapp_conversation w
    where (w.business_id, w.contact_id) in ({_CUSTOMERS})"""
_OF_A_CUSTOMER = f"(t.business_id, t.contact_id) in ({_CUSTOMERS})"
_OF_A_THREAD = f"(t.business_id, t.conversation_id) in ({_THREADS})"
_NAME = {"name": NAMED, "folded": NAMED}

CONTACTS = Copied(
    "contacts", f"(t.business_id, t.id) in ({_CUSTOMERS})", "t.business_id, t.id", inbox_keys.CONTACT_THREAD,
    kinds={"name": WHO, "profile_name": WHO, "username": WHO, "phone": WHO, "thread_key": Kind.THREAD_KEY},
)  # fmt: skip
IDENTITIES = Copied(
    "contact_identities", _OF_A_CUSTOMER, "t.business_id, t.kind, t.value", inbox_keys.CONTACT_IDENTITY,
    kinds={"kind": CODE, "value": KNOWN},
)  # fmt: skip
LEADS = Copied(
    "leads", _OF_A_CUSTOMER, "t.business_id, t.contact_id", inbox_keys.LEAD,
    kinds={"name": WHO, "status": Kind.STATUS, "source": CODE, "email": Kind.EMAIL, "notes": SAID},
)  # fmt: skip
LEAD_STATUSES = Copied(
    "lead_statuses", "true", "t.business_id, t.status", inbox_keys.LEAD_STATUS,
    kinds={"status": Kind.STATUS, "name": NAMED, "colour": CODE},
)  # fmt: skip
LEAD_CHANGES = Copied(
    "lead_changes",
    f"""(t.business_id, t.lead_id) in (
        select l.business_id, l.id from leads l where (l.business_id, l.contact_id) in ({_CUSTOMERS}))""",
    "t.business_id, t.lead_id, t.id", inbox_keys.LEAD_CHANGE,
    kinds={
        "who": WHO, "account_id": NEVER_FILLED, "was": Kind.STATUS, "became": Kind.STATUS, "key": Kind.OWN_KEY,
    },
)  # fmt: skip
TEAMS = Copied("inbox_teams", "true", "t.business_id, t.folded", inbox_keys.INBOX_TEAM, kinds=_NAME)
LABELS = Copied(
    "inbox_labels", "true", "t.business_id, t.folded", inbox_keys.INBOX_LABEL, kinds={**_NAME, "colour": CODE}
)  # fmt: skip
# What waited for the bot in production is answered there, and by nobody here.
CONVERSATIONS = Copied(
    "whatsapp_conversation", _OF_A_CUSTOMER, "t.business_id, t.id", inbox_keys.CONVERSATION,
    matches={"decided_inbound": "inbound"},
    kinds={
        "customer_number": KNOWN, "customer_name": WHO, "status": CODE, "provider": CODE, "customer_wa_id": KNOWN,
        "canonical_key": Kind.THREAD_KEY, "summary": SAID, "detected_topic_source": CODE, "channel": CODE,
        "account": KNOWN, "last_body": SAID, "last_type": CODE, "last_source": CODE, "assigned_to": NEVER_FILLED,
        "blocked_by": WHO, "blocked_reason": SAID,
    },
)  # fmt: skip
WINDOWS = Copied(
    "conversation_windows", _OF_A_THREAD, "t.business_id, t.conversation_id, t.channel, t.account",
    inbox_keys.CONVERSATION_WINDOW, kinds={"channel": CODE, "account": KNOWN},
)  # fmt: skip
SAYINGS = Copied(
    "whatsapp_message", _OF_A_THREAD, "t.business_id, t.conversation_id, t.seq", inbox_keys.INBOX_PLACE,
    message="message_id", preset={"decided": True},
    kinds={
        "to_number": KNOWN, "direction": CODE, "body": SAID, "message_type": CODE, "media_url": NEVER_FILLED,
        "status": CODE, "provider": CODE, "provider_message_id": Kind.OUTSIDE_ID, "source": CODE,
        "quoted_message_stanza_id": Kind.OUTSIDE_ID, "channel": CODE, "account": KNOWN, "outgoing_key": NEVER_FILLED,
        "failed_reason": SAID, "sent_by": NEVER_FILLED,
    },
)  # fmt: skip
SESSIONS = Copied(
    "conversation_sessions", _OF_A_THREAD, "t.business_id, t.conversation_id, t.number",
    inbox_keys.CONVERSATION_SESSION,
    preset={"summary_wanted": False},
    kinds={
        "ended_by": CODE, "who": WHO, "summary": SAID, "summary_source": CODE, "summary_by": WHO, "topic": SAID,
        "topic_source": CODE, "suggested_status": Kind.STATUS, "suggested_by": CODE, "found_name": WHO,
        "found_email": Kind.EMAIL,
    },
)  # fmt: skip
LABELLED = Copied(
    "conversation_labels", _OF_A_THREAD, "t.business_id, t.conversation_id, t.label_id", inbox_keys.CONVERSATION_LABEL,
    only_new=True,
)  # fmt: skip
# Who wrote one is a person of production's; nobody has the number 0.
NOTES = Copied(
    "conversation_notes", _OF_A_THREAD, "t.business_id, t.conversation_id, t.id", inbox_keys.CONVERSATION_NOTE,
    preset={"account_id": 0}, kinds={"author": WHO, "body": SAID, "key": Kind.OWN_KEY},
)  # fmt: skip
CANNED = Copied(
    "canned_answers", "true", "t.business_id, t.language, t.folded", inbox_keys.CANNED_ANSWER,
    kinds={"language": CODE, "shortcut": NAMED, "folded": NAMED, "body": SAID},
)  # fmt: skip
TEMPLATES = Copied(
    "inbox_templates", "true", "t.business_id, t.waba, t.name, t.language", inbox_keys.TEMPLATE,
    kinds={
        "waba": KNOWN, "name": NAMED, "language": CODE, "external_id": KNOWN, "status": CODE, "category": CODE,
        "components": Kind.MADE, "quality": CODE, "reason": SAID,
    },
)  # fmt: skip
# A rule that is on would do in the other environment what production does.
RULES = Copied(
    "automation_rules", "true", "t.business_id, t.id", inbox_keys.AUTOMATION_RULE,
    preset={"active": False, "active_since": None},
    kinds={"name": NAMED, "starts": CODE, "trigger": Kind.MADE, "conditions": Kind.MADE, "actions": Kind.MADE},
)  # fmt: skip

# In the order in which one may need another; the messages as they were received come before.
INBOX = (
    CONTACTS, IDENTITIES, LEAD_STATUSES, LEADS, LEAD_CHANGES, TEAMS, LABELS, CONVERSATIONS, WINDOWS, SAYINGS, SESSIONS,
    LABELLED, NOTES, CANNED, TEMPLATES, RULES,
)  # fmt: skip

_SENT = "what would be sent: production alone sends"
_PEOPLE = "who of ours it was or is for: people are each environment's own"
_FILES = "files: production's alone, and personal"
_DERIVED = "what is found out of messages; every environment finds its own"
_TWO = "holds whole what two customers were, so that they can be parted again: production's alone"
NEVER_OF_THE_INBOX: Mapping[str, str] = {
    **dict.fromkeys(("scheduled_messages", "broadcasts", "broadcast_recipients", "message_receipts"), _SENT),
    **dict.fromkeys(("automation_causes", "automation_runs"), "what rules did or are to do: it would be done twice"),
    **dict.fromkeys(("hooks", "hook_events"), "who is told by production, with what secret: it would be told twice"),
    **dict.fromkeys(("inbox_team_members", "conversation_reads", "note_mentions"), _PEOPLE),
    **dict.fromkeys(("conversation_assignments", "inbox_news_seen"), _PEOPLE),
    **dict.fromkeys(("inbox_files", "uploaded_files"), _FILES),
    **dict.fromkeys(("contact_merges", "merged_messages"), _TWO),
    "left_phones": "whose a phone was once, for what comes late to production's own numbers",
    **dict.fromkeys(("message_words", "message_words_due", "message_words_marks"), _DERIVED),
    **dict.fromkeys(
        ("inbox_model_days", "inbox_model_leases", "template_syncs"), "what production's own processes used or did"
    ),
    **dict.fromkeys(("waiting_reports", "waiting_changes"), "what waits for a message of production's"),
    "message_reactions": "what customers said by a sign, which nothing hangs on",
    "reply_decisions": "drafts that wait to be sent, and what the bot made of production's customers",
    "inbox_answers": "what the bot answers by: masked, it would answer nothing",
    "inbox_hours": "a setting of each environment's own",
    "appointments": "when customers meet us: production's alone, and personal",
    **dict.fromkeys(("contact_consents", "consent_words"), "what customers said to production, and personal"),
    **dict.fromkeys(("erasures", "forgotten_messages"), "who was forgotten; a copy has them no more either"),
}
