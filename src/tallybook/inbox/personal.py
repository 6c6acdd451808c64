"""Where something of a customer lies: what an export tells of it, and what forgetting them takes away. Pure.

A table of the inbox that is not among these stops the tests: whoever adds one decides. What hangs on a row that goes is
taken by the database itself.
"""

from __future__ import annotations

from dataclasses import dataclass

# What is known of a customer when a statement runs: all contacts that are one person, their threads and leads, how they
# are called by providers (``chats``), and everything that they are known by as ``kind:value`` (``known``).
_THREADS = "t.conversation_id = any(%(threads)s::bigint[])"
_CONTACTS = "t.contact_id = any(%(contacts)s::bigint[])"
_MESSAGES = """t.message_id in (select m.id from whatsapp_message m
    where m.business_id = %(business_id)s::int and m.conversation_id = any(%(threads)s::bigint[]))"""
# A phone that went from one to another was theirs at a time; true of all else by which a chat is called.
_THEN = """coalesce((select l.contact_id = any(%(contacts)s::bigint[]) from left_phones l
        where l.business_id = %(business_id)s::int and l.phone = '+' || split_part(ltrim({chat}, '+'), '@', 1)
        and l.until > {at} order by l.until limit 1),
    (select i.contact_id = any(%(contacts)s::bigint[]) from left_phones l
        join contact_identities i on i.business_id = l.business_id and i.kind = 'phone' and i.value = l.phone
        where l.business_id = %(business_id)s::int and l.phone = '+' || split_part(ltrim({chat}, '+'), '@', 1)
        limit 1), true)"""
_TOLD_THEN = _THEN.format(chat="k.chat", at="k.said_at")
_ABOUT = f"""(t.channel, t.account, {{about}}) in (select m.channel, m.account, m.provider_message_id
    from whatsapp_message m where m.business_id = %(business_id)s::int
    and m.conversation_id = any(%(threads)s::bigint[]) and m.provider_message_id is not null
    union select k.channel, k.account, k.external_id from messages k
    where k.business_id = %(business_id)s::int and k.chat = any(%(chats)s::text[]) and {_TOLD_THEN})"""
# Everything told of a chat with them is theirs, unless it lies in somebody else's thread: the two were parted.
# As two look-ups, each by its index: other people's filing waits for the locks under which it is taken away.
_CORE = f"""t.channel in ('whatsapp', 'gateway') and t.id in (
        select m.message_id from whatsapp_message m where m.business_id = %(business_id)s::int
        and m.conversation_id = any(%(threads)s::bigint[])
    union select k.id from messages k
        where k.business_id = %(business_id)s::int and k.chat = any(%(chats)s::text[]) and {_TOLD_THEN}
        and not exists (
        select from whatsapp_message m where m.business_id = %(business_id)s::int and m.channel = k.channel
        and m.account = k.account and m.provider_message_id = k.external_id
        and m.conversation_id <> all(%(threads)s::bigint[])))"""


@dataclass(frozen=True)
class Holding:
    """The rows ``t`` of a table that are of a customer. ``name`` is that of the file in an export, empty for none.

    ``goes``: they are taken away by a statement of their own; else the rows that they hang on take them along.
    """

    table: str
    where: str
    order: str
    name: str = ""
    goes: bool = False

    @property
    def told(self) -> str:
        """Its rows for an export. Complete and static for each table."""
        return f"""
select to_jsonb(t) from {self.table} t where t.business_id = %(business_id)s::int and {self.where}
order by {self.order}"""

    @property
    def counted(self) -> str:
        """How many they are."""
        return f"select count(*) from {self.table} t where t.business_id = %(business_id)s::int and {self.where}"

    @property
    def taken(self) -> str:
        """Takes them away."""
        return f"delete from {self.table} t where t.business_id = %(business_id)s::int and {self.where}"


_SUBJECTS = """(t.subject = 'contact' and t.subject_id = any(%(contacts)s::bigint[]::text[])
    or t.subject = 'conversation' and t.subject_id = any(%(threads)s::bigint[]::text[])
    or t.subject = 'lead' and t.subject_id = any(%(leads)s::bigint[]::text[])
    or t.subject = 'message' and t.subject_id in (
        select m.id::text from whatsapp_message m where m.business_id = %(business_id)s::int
        and m.conversation_id = any(%(threads)s::bigint[]))
    or t.subject = 'note' and t.subject_id in (
        select n.id::text from conversation_notes n where n.business_id = %(business_id)s::int
        and n.conversation_id = any(%(threads)s::bigint[]))
    or t.subject = 'appointment' and t.subject_id in (
        select a.id::text from appointments a where a.business_id = %(business_id)s::int
        and a.contact_id = any(%(contacts)s::bigint[])))"""
# What is about them in the record of changes stays, without what it says.
AUDIT = Holding("audit_log", _SUBJECTS, "t.id", "changes")

# In the order in which they are taken away.
HOLDINGS = (
    Holding("message_reactions", f"""({_ABOUT.format(about='t.about')}
        or t.who = any(%(chats)s::text[]) and {_THEN.format(chat="t.who", at="t.at")})""", "t.at, t.who", "reactions",
            goes=True),
    Holding("waiting_reports", _ABOUT.format(about="t.provider_message_id"), "t.at", goes=True),
    Holding("waiting_changes", f"({_ABOUT.format(about='t.about')} or t.known && %(known)s::text[])", "t.at",
            "changes-that-wait", goes=True),
    Holding("outbox", f"""t.channel in ('whatsapp', 'gateway') and (t.recipient = any(%(chats)s::text[])
        and {_THEN.format(chat="t.recipient", at="t.created_at")}
        or t.dedup_key in (select m.outgoing_key from whatsapp_message m where m.business_id = %(business_id)s::int
        and m.conversation_id = any(%(threads)s::bigint[])))""", "t.id", "outgoing", goes=True),
    Holding("sending_moments", "t.topic = any(%(chats)s::text[])", "t.at", goes=True),
    Holding("hook_events", _THREADS, "t.id", "told-to-others", goes=True),
    Holding("automation_causes", _THREADS, "t.id", goes=True),
    Holding("appointments", _CONTACTS, "t.id", "appointments", goes=True),
    Holding("broadcast_recipients", _CONTACTS, "t.broadcast_id", "broadcasts", goes=True),
    Holding("contact_consents", _CONTACTS, "t.id", "consents", goes=True),
    Holding("messages", _CORE, "t.id", "received", goes=True),
    Holding("message_revisions", f"t.message_id in (select t.id from messages t where {_CORE})",
            "t.message_id, t.revision", "received-before-edits"),
    Holding("inbox_news_seen", f"t.message_id in (select t.id from messages t where {_CORE})", "t.message_id"),
    Holding("inbox_files", _MESSAGES, "t.id", "files"),
    Holding("message_receipts", _MESSAGES, "t.message_id"),
    Holding("message_words", _MESSAGES, "t.message_id"),
    Holding("message_words_due", _MESSAGES, "t.message_id"),
    Holding("merged_messages", """t.merge_id in (select g.id from contact_merges g
        where g.business_id = %(business_id)s::int and (g.kept_id = any(%(contacts)s::bigint[])
        or g.gone_id = any(%(contacts)s::bigint[])))""", "t.merge_id, t.message_id", goes=True),
    Holding("contact_merges", "(t.kept_id = any(%(contacts)s::bigint[]) or t.gone_id = any(%(contacts)s::bigint[]))",
            "t.id", "joinings", goes=True),
    Holding("whatsapp_message", _THREADS, "t.said_at, t.seq", "messages", goes=True),
    Holding("conversation_windows", _THREADS, "t.channel, t.account", "windows"),
    Holding("conversation_reads", _THREADS, "t.account_id"),
    Holding("conversation_assignments", _THREADS, "t.id", "assignments"),
    Holding("conversation_labels", _THREADS, "t.label_id", "labels"),
    Holding("conversation_notes", _THREADS, "t.id", "notes"),
    Holding("note_mentions", """t.note_id in (select n.id from conversation_notes n
        where n.business_id = %(business_id)s::int and n.conversation_id = any(%(threads)s::bigint[]))""", "t.note_id"),
    Holding("conversation_sessions", _THREADS, "t.id", "sessions"),
    Holding("reply_decisions", _THREADS, "t.seq", "decisions"),
    Holding("inbox_model_leases", _THREADS, "t.seq"),
    Holding("automation_runs", _THREADS, "t.id", "automation"),
    Holding("scheduled_messages", _THREADS, "t.id", "later-messages"),
    Holding("whatsapp_conversation", "t.id = any(%(threads)s::bigint[])", "t.id", "thread", goes=True),
    Holding("lead_changes", "t.lead_id = any(%(leads)s::bigint[])", "t.id", "lead-changes"),
    Holding("leads", "t.id = any(%(leads)s::bigint[])", "t.id", "lead", goes=True),
    Holding("contact_identities", _CONTACTS, "t.kind, t.value", "identities", goes=True),
    Holding("left_phones", _CONTACTS, "t.phone, t.until", "left-phones", goes=True),
    Holding("contacts", "t.id = any(%(contacts)s::bigint[])", "t.id", "contact", goes=True),
)  # fmt: skip

# Tables of the inbox that hold nothing of any customer, or nothing that says whose it is.
OF_NOBODY = frozenset({
    "inbox_answers", "inbox_teams", "inbox_team_members", "inbox_labels", "canned_answers", "lead_statuses",
    "uploaded_files", "inbox_templates", "template_syncs", "inbox_model_days", "inbox_hours", "automation_rules",
    "consent_words", "broadcasts", "hooks", "message_words_marks", "erasures", "forgotten_messages",
})  # fmt: skip
