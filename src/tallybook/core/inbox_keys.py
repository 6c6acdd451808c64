"""The natural keys of the inbox, declared once. NATURAL_KEYS in keys.py has them among all others."""

from __future__ import annotations

from .key import Key

CONTACT_IDENTITY = Key(
    "contact_identities", "contact_identities_pkey", ("business_id", "kind", "value"), "one way to know somebody"
)
LEFT_PHONE = Key(
    "left_phones", "left_phones_pkey", ("business_id", "phone", "left_at"), "stays of somebody at one phone"
)
CONTACT_THREAD = Key(
    "contacts", "contacts_thread_key", ("business_id", "id", "thread_key"), "contacts with one name of their thread"
)
LEAD = Key("leads", "leads_contact_key", ("business_id", "contact_id"), "leads of one contact")
CONVERSATION = Key(
    "whatsapp_conversation",
    "uq_wa_conv_business_canonical",
    ("business_id", "canonical_key"),
    "threads with one customer",
)
CONVERSATION_OF = Key(
    "whatsapp_conversation",
    "whatsapp_conversation_contact_key",
    ("business_id", "contact_id"),
    "threads with one contact",
)
INBOX_PLACE = Key(
    "whatsapp_message",
    "whatsapp_message_seq_key",
    ("business_id", "conversation_id", "seq"),
    "messages at one place of a thread",
)
INBOX_MESSAGE = Key(
    "whatsapp_message",
    "whatsapp_message_provider_key",
    ("business_id", "channel", "account", "provider_message_id"),
    "one message of one number, whichever way it was told",
)
INBOX_OUTGOING = Key(
    "whatsapp_message", "whatsapp_message_outgoing_key", ("business_id", "outgoing_key"), "one thing that we send"
)
CONVERSATION_WINDOW = Key(
    "conversation_windows",
    "conversation_windows_pkey",
    ("business_id", "conversation_id", "channel", "account"),
    "moments at which one customer last wrote to one number",
)
CONVERSATION_READ = Key(
    "conversation_reads",
    "conversation_reads_pkey",
    ("business_id", "conversation_id", "account_id"),
    "how far one person has read one thread",
)
REACTION = Key(
    "message_reactions",
    "message_reactions_pkey",
    ("business_id", "channel", "account", "about", "who"),
    "reactions of one person to one message",
)
WAITING_CHANGE = Key(
    "waiting_changes",
    "waiting_changes_pkey",
    ("business_id", "channel", "account", "about", "kind", "who"),
    "changes of one kind to one message by one person",
)
TEMPLATE = Key(
    "inbox_templates",
    "inbox_templates_name_key",
    ("business_id", "waba", "name", "language"),
    "templates of one name in one language",
)
TEMPLATE_SYNC = Key(
    "template_syncs", "template_syncs_pkey", ("business_id", "waba"), "readings of one business account's templates"
)
RECEIPT = Key(
    "message_receipts", "message_receipts_pkey", ("business_id", "message_id"), "receipts shown for one message"
)
CONTACT_MERGE = Key("contact_merges", "contact_merges_pkey", ("business_id", "id"), "joinings of one number")
MERGED_MESSAGE = Key(
    "merged_messages",
    "merged_messages_pkey",
    ("business_id", "message_id", "merge_id"),
    "moves of one message by one joining",
)
INBOX_ANSWER = Key("inbox_answers", "inbox_answers_pkey", ("business_id", "id"), "answers of one number")
INBOX_QUESTION = Key(
    "inbox_answers",
    "inbox_answers_question_key",
    ("business_id", "language", "question"),
    "answers to one question in one language",
)
REPLY_DECISION = Key(
    "reply_decisions",
    "reply_decisions_pkey",
    ("business_id", "conversation_id", "seq"),
    "decisions on one burst of messages",
)
CONVERSATION_SESSION = Key(
    "conversation_sessions",
    "conversation_sessions_number_key",
    ("business_id", "conversation_id", "number"),
    "runs of conversation of one number in one thread",
)
CONVERSATION_SESSION_PLACE = Key(
    "conversation_sessions",
    "conversation_sessions_place_key",
    ("business_id", "conversation_id", "first_seq"),
    "runs of conversation that begin at one place",
)
INBOX_FILE = Key("inbox_files", "inbox_files_pkey", ("business_id", "id"), "files of one number")
INBOX_FILE_OF_MESSAGE = Key(
    "inbox_files", "inbox_files_message_key", ("business_id", "message_id"), "files of one message in a thread"
)
UPLOADED_FILE = Key(
    "uploaded_files",
    "uploaded_files_pkey",
    ("business_id", "channel", "account", "sha256", "type"),
    "one file of ours at one number's provider",
)
INBOX_HOURS = Key("inbox_hours", "inbox_hours_pkey", ("business_id",), "opening hours of one business")
AUTOMATION_RULE = Key("automation_rules", "automation_rules_pkey", ("business_id", "id"), "rules of one number")
AUTOMATION_CAUSE = Key(
    "automation_causes", "automation_causes_pkey", ("business_id", "key", "rule_id"), "one cause for rules to fire"
)
AUTOMATION_RUN = Key(
    "automation_runs", "automation_runs_pkey", ("business_id", "rule_id", "cause"), "runs of one rule for one cause"
)
SCHEDULED_MESSAGE = Key(
    "scheduled_messages", "scheduled_messages_asked_key", ("business_id", "key"), "requests for one later message"
)
APPOINTMENT = Key("appointments", "appointments_asked_key", ("business_id", "key"), "requests for one appointment")
INBOX_MODEL_DAY = Key(
    "inbox_model_days", "inbox_model_days_pkey", ("business_id", "day"), "one business's use of the model on one day"
)
INBOX_MODEL_LEASE = Key(
    "inbox_model_leases",
    "inbox_model_leases_pkey",
    ("business_id", "conversation_id", "seq"),
    "askings of the model about one burst of messages",
)
CONSENT = Key(
    "contact_consents", "contact_consents_cause_key", ("business_id", "contact_id", "cause"), "one word on marketing"
)
CONSENT_WORDS = Key("consent_words", "consent_words_pkey", ("business_id",), "words of one business")
BROADCAST = Key("broadcasts", "broadcasts_asked_key", ("business_id", "key"), "requests for one broadcast")
BROADCAST_RECIPIENT = Key(
    "broadcast_recipients",
    "broadcast_recipients_pkey",
    ("business_id", "broadcast_id", "contact_id"),
    "one recipient of one broadcast",
)
HOOK = Key("hooks", "hooks_name_key", ("business_id", "name"), "webhooks of one name")
HOOK_EVENT = Key(
    "hook_events",
    "hook_events_event_key",
    ("business_id", "hook_id", "event_key"),
    "one event that one webhook is told",
)
WAITING_REPORT = Key(
    "waiting_reports",
    "waiting_reports_pkey",
    ("business_id", "channel", "account", "provider_message_id", "status"),
    "reports of one state of one message",
)

INBOX_TEAM = Key("inbox_teams", "inbox_teams_name_key", ("business_id", "folded"), "teams of one name")
INBOX_TEAM_MEMBER = Key(
    "inbox_team_members",
    "inbox_team_members_pkey",
    ("business_id", "team_id", "account_id"),
    "memberships of one person in one team",
)
CONVERSATION_ASSIGNMENT = Key(
    "conversation_assignments", "conversation_assignments_pkey", ("business_id", "id"), "assignments of one number"
)
INBOX_LABEL = Key("inbox_labels", "inbox_labels_name_key", ("business_id", "folded"), "labels of one name")
CONVERSATION_LABEL = Key(
    "conversation_labels",
    "conversation_labels_pkey",
    ("business_id", "conversation_id", "label_id"),
    "one label on one thread",
)
CONVERSATION_NOTE = Key(
    "conversation_notes",
    "conversation_notes_written_key",
    ("business_id", "account_id", "key"),
    "writings of one note by one person",
)
NOTE_MENTION = Key(
    "note_mentions",
    "note_mentions_pkey",
    ("business_id", "note_id", "account_id"),
    "mentions of one person in one note",
)
CANNED_ANSWER = Key(
    "canned_answers",
    "canned_answers_shortcut_key",
    ("business_id", "language", "folded"),
    "canned answers of one shortcut in one language",
)
LEAD_STATUS = Key("lead_statuses", "lead_statuses_pkey", ("business_id", "status"), "statuses of one name")
LEAD_CHANGE = Key(
    "lead_changes", "lead_changes_asked_key", ("business_id", "lead_id", "key"), "requests for one change of one lead"
)
MESSAGE_WORDS = Key("message_words", "message_words_pkey", ("business_id", "message_id"), "words of one message")
MESSAGE_WORDS_DUE = Key(
    "message_words_due",
    "message_words_due_pkey",
    ("business_id", "message_id"),
    "requests to read one message again for searches",
)
SEARCH_MARK = Key(
    "message_words_marks",
    "message_words_marks_pkey",
    ("business_id",),
    "marks of how far one business's messages are read for searches",
)
INBOX_NEWS_SEEN = Key(
    "inbox_news_seen", "inbox_news_seen_pkey", ("business_id", "message_id"), "looks at one thing that was told"
)
ERASURE = Key("erasures", "erasures_pkey", ("business_id", "id"), "erasures of one number")
FORGOTTEN_MESSAGE = Key(
    "forgotten_messages",
    "forgotten_messages_pkey",
    ("business_id", "key_sha256"),
    "one message that must not come back",
)
