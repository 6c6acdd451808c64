"""What health says, in the reader's language: its sentences and its checks' names, marked here for translation."""

from __future__ import annotations

import re
from gettext import NullTranslations

from .marking import N_

# What core/health.py and its neighbours say; a number stands as {n}.
HEALTH = (
    N_("Everything is held."), N_("Connected."), N_("Working."), N_("Connected; reading."), N_("Empty."),
    N_("The database cannot be reached. Nothing is lost: work waits until it is back."),
    N_("No worker has ever run here. Start one with: tallybook work"),
    N_("Not heard of for a while. Is its process running?"),
    N_("The bridge has stored no message of any chat for half a day. Is it connected to WhatsApp?"),
    N_("No message in two weeks."), N_("Too few messages yet to know its rhythm."),
    N_("Quieter than it has been in two weeks."), N_("In its usual rhythm."),
    N_("{n} item waits."), N_("{n} items wait."), N_("No items wait."),
    N_("{n} item is parked."), N_("{n} items are parked."), N_("No items are parked."),
    N_("{n} sending ended without an answer."), N_("{n} sendings ended without an answer."),
    N_("No sendings ended without an answer."),
    N_("{n} unexpected refusal by the database this week."), N_("{n} unexpected refusals by the database this week."),
    N_("No unexpected refusals by the database this week."),
    N_("{n} unexpected refusal by the database today."), N_("{n} unexpected refusals by the database today."),
    N_("Not yet held against the messages: that is done every night."),
    N_("Not held against the messages for two nights."), N_("Every post is in every register where it belongs."),
    N_("{n} drop is missing from a register."), N_("{n} drops are missing from a register."),
    N_("Far fewer drops than on this weekday in two months."), N_("Far more drops than on this weekday in two months."),
    N_("In their usual measure."), N_("Marketing and QA are out of their usual measure."),
    N_("Nothing can be said in any group: the bridge does not take messages. They wait and are tried again."),
    N_("Sending to WhatsApp groups is stopped by somebody."), N_("What is sent comes back."),
    N_("{n} message was sent and never seen in its group."),
    N_("{n} messages were sent and never seen in their groups."),
    N_("Every night is there."), N_("No nightly sync is set up."),
    N_("It was written every night, and is not set up now."),
    N_("{n} night is missing there."), N_("{n} nights are missing there."),
    N_("{n} entry was changed by a person there."), N_("{n} entries were changed by a person there."),
    N_("Every post was judged by its project's list."),
    N_("{n} refused post may be accepted."), N_("{n} refused posts may be accepted."),
    N_("{n} post waits for its project's list to be imported."),
    N_("{n} posts wait for their projects' lists to be imported."),
    N_("Connected to nothing yet: no webhook has come for it. Is it subscribed at the provider?"),
    N_("Connected; what comes is kept."),
    N_("All that came could be read."),
    N_("{n} thing that came cannot be read."), N_("{n} things that came cannot be read."),
    N_("No trouble is told of any account."),
    N_("WhatsApp has disabled this account."), N_("WhatsApp will disable this account."),
    N_("WhatsApp restricts what this account may send."), N_("WhatsApp says that this account broke its rules."),
    N_("This account was deleted at WhatsApp."), N_("This account was taken away from our app at WhatsApp."),
    N_("WhatsApp has refused this account."), N_("WhatsApp warns of this account."),
    N_("WhatsApp finds the quality of a number low."),
    N_("WhatsApp lets a number write to fewer people than before."), N_("WhatsApp has refused the name of a number."),
    N_("Somebody changed the PIN of a number at WhatsApp, or asked to."),
    N_("WhatsApp tells of an error that is about no message."),
    N_("The gateway is logged out of this number."), N_("The gateway is not connected to WhatsApp."),
    N_("On everything that customers wrote it is decided what to answer."),
    N_("What other programs are told arrives."),
    N_("Whoever was forgotten is forgotten in every readable copy too."),
    N_("{n} customer who was forgotten is still in a readable copy. Run: tallybook env forget"),
    N_("{n} customers who were forgotten are still in a readable copy. Run: tallybook env forget"),
    N_("{n} webhook was switched off: it only failed."), N_("{n} webhooks were switched off: they only failed."),
    N_("{n} webhook has failed for an hour."), N_("{n} webhooks have failed for an hour."),
    N_("What was to be said later was sent at its time."),
    N_("{n} message for later was not sent. Open its thread."),
    N_("{n} messages for later were not sent. Open their threads."),
    N_("What was told of duty is what the rota says."),
    N_("{n} rota is overdue: nobody has looked at it."), N_("{n} rotas are overdue: nobody has looked at them."),
    N_("{n} rota was not checked for an hour."), N_("{n} rotas were not checked for an hour."),
    N_("{n} rota was not as its facts say, and was put right."),
    N_("{n} rotas were not as their facts say, and were put right."),
    N_("The user groups have whoever is on duty."),
    N_("{n} user group could not be changed."), N_("{n} user groups could not be changed."),
    N_("{n} user group is not changed yet: Slack was asked over ten minutes ago."),
    N_("{n} user groups are not changed yet: Slack was asked over ten minutes ago."),
    N_("{n} user group keeps who was in it: nobody is on duty."),
    N_("{n} user groups keep who was in them: nobody is on duty."),
    N_("The channels' topics name whoever is on duty."),
    N_("{n} channel's topic could not be changed."), N_("{n} channels' topics could not be changed."),
    N_("{n} channel's topic is not changed yet: Slack was asked over ten minutes ago."),
    N_("{n} channels' topics are not changed yet: Slack was asked over ten minutes ago."),
    N_("{n} channel's topic is somebody else's, and is left as it is."),
    N_("{n} channels' topics are somebody else's, and are left as they are."),
    N_("The rota is kept for an outage."),
    N_("The database is away. Questions about the rota are answered from the copy, which says how old it is."),
    N_("The rota was not kept for an outage lately: can the data directory be written?"),
    N_("{n} customer waits for a decision."), N_("{n} customers wait for a decision."),
    N_("Answers are thought out when they are asked for."),
    N_("{n} times in a row the language model was of no help. The bot's page says why."),
    N_("{n} times in a row no answer could be made. The log of the worker says why."),
    N_("Not examined yet: that is done at each start and every night."), N_("Not examined for two nights."),
    N_("The schema says what the business says."), N_("{n} fault in the schema."), N_("{n} faults in the schema."),
    N_("The database server's log is read: what other programs are refused is seen."),
    N_("The database server's log cannot be read, so what other programs are refused is not seen."),
    N_("This cannot be looked at."),
    N_("In order."), N_("It is behind. An admin sees how far."),
    N_("Something is wrong here. An admin sees what it is."),
    N_("The bridge's file has no table 'messages': it is another file, or the bridge has not set it up yet."),
    N_("The bridge's session file has no LID map: senders known by a LID alone stay unresolved for now."),
)  # fmt: skip
# The same with a path, a name or numbers in it.
WITH_VALUES = (
    N_("{records} records wait on disk for the database; {damaged} are damaged and kept apart."),
    N_("This bridge drops captions: none of {media} photos and files has any text. "
       "A drop number written under a photo cannot be seen."),
    N_("{n} rows have no message id and were left out."),
    N_("{n} rows have a message id that is too long and were left out."),
    N_("Posts cannot be stored ({error}); they wait in the bridge's file."),
    N_("{n} rows have a time that cannot be read; a neighbouring row's time was taken."),
    N_("Group {group} was active but its newest messages are not in the file."),
    N_("The bridge's table 'messages' has no column {columns}: was the bridge built anew with other column names? "
       "Nothing can be read until it writes them again."),
    N_("{path} is a directory or a device, not the bridge's file."),
    N_("{path} is replaced again and again while it is being read."),
    N_("{path} is locked by another program. It is tried again at every poll."),
    N_("{path} is damaged or cut short (a copy that did not finish, or a full disk). "
       "Restore it, or let the bridge write a new one."),
    N_("{path} cannot be read as a SQLite file; it looks encrypted. Give the path of the bridge's plain file."),
    N_("{path} is not a SQLite file. Give the path of the bridge's own file."),
    N_("{path} is empty: the bridge has not written to it yet."),
    N_("There is no file {path}. Is the path right, and has the bridge been started?"),
    N_("This user has no permission to read {path}. Give it read access to the file and its directory."),
    N_("The bridge stopped in the middle of writing {path} just now. It is tried again at every poll."),
    N_("The bridge stopped in the middle of writing {path}, and this user may not mend the file. "
       "Start the bridge again: it mends the file itself."),
    N_("{path} cannot be read: {error}."),
)  # fmt: skip
# What core/violations.py says; nothing but names of the schema stands in these, so that letters may tell them.
OF_CONSTRAINTS = (
    N_("{name} on {table} did its work, but the code had no answer to it: somebody saw an error."),
    N_("An insert into {table} relies on a key that it does not have: {target}. It fails each time until it has."),
    N_("A statement relies on a key that its table does not have. It fails each time until the key is there."),
    N_("{name} on {table} does not allow a value that the code wrote."),
    N_("{name} on {table}: a row names another one that is not there, or that is still needed is taken away."),
    N_("{name} on {table} is no rule of ours and refuses what the business allows."),
    N_("{name} on {table} looks at fewer columns than the declared rule, so it refuses what the business allows."),
)  # fmt: skip
CHECKS = {
    "database": N_("Database"),
    "worker": N_("Worker"),
    "bridge": N_("WhatsApp bridge"),
    "group": N_("Group"),
    "waiting": N_("Waiting work"),
    "parked": N_("Parked"),
    "unknown": N_("Sent or not?"),
    "constraints": N_("Database rules"),
    "doctor": N_("Doctor"),
    "server-log": N_("Log of the database"),
    "spool": N_("Kept on disk"),
    "spool-damaged": N_("Damaged on disk"),
    "sharepoint": N_("SharePoint"),
    "sharepoint-conflicts": N_("SharePoint, changed by people"),
    "validity": N_("Valid drops"),
    "registers": N_("Registers"),
    "day": N_("Last day counted"),
    "shares": N_("Marketing against QA"),
    "replies": N_("Replies in groups"),
    "replies-failing": N_("Replies that the bridge refuses"),
    "replies-unseen": N_("Replies never seen"),
    "whatsapp": N_("WhatsApp number"),
    "gateway": N_("Gateway number"),
    "account": N_("News of an account"),
    "unreadable": N_("What cannot be read"),
    "decisions": N_("Customers wait for a decision"),
    "responder": N_("Who thinks out answers"),
    "hooks": N_("Webhooks to other programs"),
    "scheduled": N_("Messages for later"),
    "copies": N_("Copies for other environments"),
    "rota": N_("Triage rota"),
    "rota-group": N_("Slack's user groups"),
    "rota-topic": N_("Slack's topics"),
    "rota-copy": N_("Copy of the rota"),
    "installation-waiting": N_("Waiting for all businesses"),
    "installation-parked": N_("Parked for all businesses"),
}
_PLACE = re.compile(r"\\{(\w+)\\}")
# What a statement named after ON CONFLICT is no single name.
_NAMES = re.compile(r"\\{(?!target)(\w+)\\}")
_OF_CONSTRAINTS = [
    (re.compile(_PLACE.sub(r"(?P<\1>on conflict [\\w$, ()]+)", _NAMES.sub(r"(?P<\1>[\\w?]+)", re.escape(one)))), one)
    for one in OF_CONSTRAINTS
]
_PATTERNS = [
    *_OF_CONSTRAINTS,
    *((re.compile(_PLACE.sub(r"(?P<\1>.+?)", re.escape(one)), re.DOTALL), one) for one in WITH_VALUES),
]
_COUNTED = re.compile(r"(No|\d+) (.+)", re.DOTALL)


def told(text: str, words: NullTranslations) -> str:
    """Health's sentences, one on each line, in the reader's language; what is not known stays as it is."""
    return " ".join(_told(line, words) for line in text.split("\n"))


def _told(text: str, words: NullTranslations) -> str:
    for pattern, sentence in _PATTERNS:
        if (found := pattern.fullmatch(text)) is not None:
            said = words.gettext(sentence)
            # Isolated, or a path loses its first slash to the end of a line that is read from the right.
            mark = "{}" if said == sentence else "\u2068{}\u2069"
            return said.format_map({name: mark.format(value) for name, value in found.groupdict().items()})
    counted = _COUNTED.fullmatch(text)
    if counted is None or counted[1] == "No":
        return words.gettext(text)
    return words.gettext(f"{{n}} {counted[2]}").replace("{n}", counted[1])


def is_known(text: str) -> bool:
    """Whether each sentence is in a list: no path and no name is in it but the schema's, and no number but a count."""
    return all(_is_known(line) for line in text.split("\n"))


def _is_known(line: str) -> bool:
    counted = _COUNTED.fullmatch(line)
    listed = line in HEALTH or (counted is not None and f"{{n}} {counted[2]}" in HEALTH)
    return listed or any(pattern.fullmatch(line) for pattern, _ in _OF_CONSTRAINTS)


def name_of(check: str, words: NullTranslations) -> str:
    """A check's name for people, such as "Group Lawley" for ``group Lawley``."""
    kind, _, rest = check.partition(" ")
    return f"{words.gettext(CHECKS.get(kind, kind))} {rest}".strip()
