"""Whether and what the bot answers. Pure: no database, no clock.

It answers only what the business itself has answered before, and only where it is sure; everything else is a person's.
What a customer writes is compared, never obeyed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta

from .answer_types import Answer, Bot, Burst, Choice, Decision, Mode, Sought

# A burst ends when nothing more has come for so long, or so long after it began.
QUIET = timedelta(seconds=8)
LONGEST = timedelta(seconds=60)
HOUR = timedelta(hours=1)  # in which the bot's answers to one thread are counted
OLD = timedelta(hours=24)
DELAYED = timedelta(minutes=2)  # on its way: less may be the difference of two clocks
PERSON_STAYS = timedelta(hours=1)  # after a person's last words the thread is theirs
SURE = 0.7
APART = 0.1  # by how much the best must be better than one that says something else
ALIKE = 0.5  # of two words' trigrams, from which they are one word spelt in two ways
# A button or row that is pressed says its own words.
IN_WORDS = frozenset({"text", "button", "interactive"})
SHORTEST_STEM = 4
LONGEST_ENDING = 3
MOST_PREFIXES = 2  # letters before a Hebrew word; what is left of it is longer
MOST_WORDS = 32
MOST_SPELLINGS = 64  # that are compared with each known question: a Hebrew word takes eight and more

OFF = "the bot is off"
NOT_ACTIVE = "the bot does not answer in this conversation"
GROUP = "the bot answers nobody whom it cannot tell from others"
ANSWERED_ALREADY = "somebody answered first"
PERSON_IS_THERE = "a person is answering here"
NOT_TEXT = "it is not only text"
OF_APPOINTMENT = "it is for the appointment that they were reminded of"
OLD_NEWS = "it was said more than 24 hours ago"
CAME_LATE = "it came late: what was said after it was there before"
ASKED_FOR_PERSON = "the customer asked for a person"
OFTEN = "the bot has answered here often enough within an hour"
NOT_SURE = "no known answer fits surely enough"
FITS = "the known answer {id} fits"

# In front of a Hebrew noun: and, the, in, to, from, that, as.
_PREFIXES = "והבלמשכ"
_HEBREW = re.compile("[\u05d0-\u05ea]")
_WORD = re.compile(r"\w+")
_PERSON = re.compile(
    r"\b(?:agents?|representative|operator|human|(?:real|live|actual) person)\b"
    r"|\b(?:speak|talk|chat|connect|transfer|put)\w*\b[^.?!\n]{0,30}\b(?:person|someone|somebody)\b"
    # Never over the end of a line: from each of thousands of lines it would look through all the others.
    r"|^[^\w\n]{0,20}(?:a )?person(?: please)?[^\w\n]{0,20}$"
    r"|\b[והבלמש]{0,2}(?:נציגה?|בן אדם|מענה אנושי)\b",
    re.MULTILINE,
)
# Words that say nothing of what is asked. How much, when, where and not are none of them.
_EMPTY = frozenset({
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could",
    "did", "do", "does", "for", "from", "get", "good", "had", "has", "have", "hello", "hey", "hi", "how", "i", "if",
    "in", "is", "it", "its", "know", "like", "may", "me", "my", "morning", "afternoon", "evening", "need", "of",
    "on", "or", "our", "please", "question", "so", "tell", "thank", "thanks", "that", "the", "there", "they",
    "this", "to", "us", "want", "was", "we", "were", "what", "which", "will", "with", "would", "you", "your",
    "אבל", "אותי", "איך", "אם", "אני", "אנחנו", "אפשר", "אפשרי", "אשמח", "את", "אתם", "אתה", "בבקשה", "בוקר", "ערב",
    "גם", "האם", "הוא", "היא", "היי", "היה", "הם", "זה", "זו", "טוב", "יש", "לדעת", "לי", "לכם", "מה", "על", "עם",
    "צריך", "צריכה", "רוצה", "שאלה", "של", "שלי", "שלכם", "שלך", "שלום", "תודה",
})  # fmt: skip


def is_over(burst: Burst, now: datetime) -> bool:
    """Whether the customer has stopped writing, or has written for long enough."""
    seen = [one.seen_at for one in burst.messages]
    return max(seen) <= now - QUIET or min(seen) <= now - LONGEST


def why_not(burst: Burst, mode: Mode, now: datetime) -> str | None:
    """Why the bot stays silent, whatever it could say; None where it may speak."""
    messages = burst.messages
    reasons = (
        (mode is Mode.OFF, OFF),
        (not burst.bot_active, NOT_ACTIVE),
        (burst.key.startswith("chat:"), GROUP),
        (burst.spoken_after, ANSWERED_ALREADY),
        (burst.human_at is not None and now - burst.human_at < PERSON_STAYS, PERSON_IS_THERE),
        (any(one.type not in IN_WORDS for one in messages), NOT_TEXT),
        (all(one.of_appointment for one in messages), OF_APPOINTMENT),
        (now - max(one.said_at for one in messages) > OLD, OLD_NEWS),
        (all(one.late and one.seen_at - one.said_at > DELAYED for one in messages), CAME_LATE),
    )
    return next((reason for holds, reason in reasons if holds), None)


def decide(burst: Burst, bot: Bot, known: Sequence[Answer], now: datetime) -> Decision:
    """How a burst ends. ``known`` are the answers that come into question."""

    def ends(choice: Choice, reason: str, body: str = "", *, silences_bot: bool = False) -> Decision:
        return Decision(burst.conversation_id, burst.seq, choice, reason, body, silences_bot)

    reason = why_not(burst, bot.mode, now)
    if reason is not None:
        return ends(Choice.SUPPRESSED, reason)
    if asks_for_person(burst.text):
        return ends(Choice.HANDED_OVER, ASKED_FOR_PERSON, silences_bot=True)
    if burst.bot_said >= bot.per_hour:
        return ends(Choice.HANDED_OVER, OFTEN)
    found = surest(burst.text, known)
    if found is None:
        return ends(Choice.HANDED_OVER, NOT_SURE)
    choice = Choice.ANSWERED if bot.mode is Mode.AUTO else Choice.DRAFTED
    return ends(choice, FITS.format(id=found.id), found.answer)


def key_of(burst: Burst) -> str:
    """The key under which an answer to a burst leaves: another one for each time that one was taken back."""
    again = f":{burst.withdrawn}" if burst.withdrawn else ""
    return f"bot:{burst.conversation_id}:{burst.seq}{again}"


def language_of(text: str) -> str:
    """``he`` where there is any Hebrew letter, else ``en``."""
    return "he" if _HEBREW.search(text) else "en"


def asks_for_person(text: str) -> bool:
    return _PERSON.search(_plain(text)) is not None


def words_of(text: str) -> list[str]:
    """The words that say what is asked, each once, at most 32."""
    found = dict.fromkeys(_WORD.findall(_plain(text)))
    return [word for word in found if word not in _EMPTY][:MOST_WORDS]


def sought(text: str) -> Sought | None:
    """By what the answers to a text are looked for; None where it says nothing."""
    query = query_of(text)
    return Sought(language_of(text), query, spellings_of(text)) if query else None


def query_of(text: str) -> str:
    """What a full text search looks for, as ``to_tsquery`` has it: any of the words, however each begins or ends."""
    wanted: dict[str, None] = {}
    for word in words_of(text):
        for form in sorted(_forms(word)):
            wanted[form[: max(SHORTEST_STEM, len(form) - LONGEST_ENDING)]] = None
            if _HEBREW.match(form):
                wanted |= {prefix + form: None for prefix in _PREFIXES}
    return " | ".join(f"{word}:*" for word in wanted)


def spellings_of(text: str) -> list[tuple[str, str]]:
    """Words long enough to be told by their trigrams, each as it may stand in a question; 64 at most.

    The word as it was written stands before each, so that what is found by several of its forms counts once.
    """
    found: list[tuple[str, str]] = []
    for word in words_of(text):
        bare = sorted(form for form in _forms(word) if len(form) >= SHORTEST_STEM)
        before = [prefix + form for form in bare if _HEBREW.match(form) for prefix in _PREFIXES]
        found += [(word, form) for form in dict.fromkeys([*bare, *before])]
    return found[:MOST_SPELLINGS]


def surest(text: str, known: Sequence[Answer]) -> Answer | None:
    """The answer that fits, or None where none fits surely enough, or two that say different things fit alike."""
    asked = words_of(text)
    ranked = sorted(((likeness(asked, words_of(one.question)), one) for one in known), key=lambda pair: -pair[0])
    if not ranked or ranked[0][0] < SURE:
        return None
    best, found = ranked[0]
    close = [one for score, one in ranked[1:] if best - score < APART and one.answer != found.answer]
    return None if close else found


def likeness(asked: Sequence[str], known: Sequence[str]) -> float:
    """From 0 (no word in common) to 1 (all words)."""
    if not asked or not known:
        return 0.0
    there = min(sum(any(same(a, b) for b in known) for a in asked), sum(any(same(a, b) for a in asked) for b in known))
    return 2 * there / (len(asked) + len(known))


def same(one: str, other: str) -> bool:
    """Whether two words are one, with another ending, another Hebrew prefix, or a slip of the finger."""
    if _forms(one) & _forms(other):
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < SHORTEST_STEM:
        return False
    if longer.startswith(shorter) and len(longer) - len(shorter) <= LONGEST_ENDING:
        return True
    return any(_alike(ours, theirs) for ours in _forms(one) for theirs in _forms(other))


def _forms(word: str) -> set[str]:
    """A Hebrew word with and without up to two letters that only say how it stands in the sentence."""
    forms = {word}
    for count in range(1, MOST_PREFIXES + 1):
        rest = word[count:]
        if _HEBREW.match(word) and len(rest) > MOST_PREFIXES and all(letter in _PREFIXES for letter in word[:count]):
            forms.add(rest)
    return forms


def _alike(one: str, other: str) -> bool:
    if min(len(one), len(other)) < SHORTEST_STEM:
        return False
    ours, theirs = _trigrams(one), _trigrams(other)
    return len(ours & theirs) / len(ours | theirs) >= ALIKE


def _trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def _plain(text: str) -> str:
    """Small letters without vowel points and accents."""
    parted = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in parted if not unicodedata.combining(one))
