"""Hides whom a copied row speaks of, and what they said. Pure: the same key gives the same masks.

Whoever writes to us chooses their name, their words, a file's name: what is kept is what a whole pattern of the
product's or a provider's own allows, never whatever stands beside something that looks like it.

A mask is made with a key, so that nobody who has a list of phones can try them one by one. One sender stays one
sender, in every column, every table and every later copy made with that key.
"""

from __future__ import annotations

import base64
import enum
import hmac
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from .environment_drops import drop_places

# No country has 999: the plan keeps it back, so a masked number rings nowhere.
NOBODYS_COUNTRY = "999"
SHORTEST, LONGEST = 5, 16  # digits that are masked one for one; those of a longer number are hashed
ROUNDS = 10
HIDDEN = "…"
# Who acts in the product's own name, and what stands where nobody is known.
NOT_PEOPLE = frozenset({"", "unresolved", "unknown", "command line", "tallybook", "by hand", "manual entry", "system"})
_GROUP = re.compile(r"120363[0-9]{8,14}@g\.us")
# A group of the older kind is named by the phone of whoever made it, and a time.
_MADE_GROUP = re.compile(r"([0-9]{5,})(-1[0-9]{9}@g\.us)")
LONG_NUMBER = 10**7
_ADDRESS = re.compile(
    r"(\+?)([0-9]{5,})((?:\.[0-9]{1,2})?(?::[0-9]{1,2})?)"
    r"((?:@(?:s\.whatsapp\.net|c\.us|g\.us|lid|hosted|hosted\.lid|newsletter|broadcast))?)"
)
_USER_ID = re.compile(r"[A-Z]{2}\.[0-9]{8,}")  # WhatsApp's own of somebody, for one business
_SPELLED = re.compile(r"[+(]?[0-9][0-9 ().-]{6,}")
# What the product itself writes into a review's comment, and of an activation.
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} (?:[A-Z]{3,5}|(?:UTC)?[+-][0-9:]{2,5})"
_OWN_LINE = re.compile(
    rf"Auto-created from WhatsApp on {_MOMENT}|--- RESUBMITTED {_MOMENT} ---"
    r"|In no project's list|No list has been imported|In the list of [^\d\n]{1,60}"
)
_CODE = re.compile(r"[a-z]+(?:[_.][a-z]+|_[0-9]{1,2})*")
_LANGUAGE = re.compile(r"[a-z]{2,3}_[A-Z]{2,4}")
_THREAD_KEY = re.compile(r"(lead|phone|user_id|lid|chat):([0-9]{1,9}):(.*)", re.DOTALL)
_LEAD = re.compile("[0-9]{1,10}")  # our own number of one
# In a value of the product's own form: what is one of a few words whatever a business does, and the places for values.
_FIXED = {
    "on": _CODE, "of": re.compile("us|customer"), "hours": re.compile("open|closed"), "at": re.compile(r"\d\d:\d\d"),
    "language": re.compile(r"[a-z]{2,3}(?:_[A-Z]{2,4})?"), "type": re.compile(r"[A-Z]+(?:_[A-Z]+)*"),
    "format": re.compile("[A-Z]+"),
}  # fmt: skip
_PLACE = re.compile(r"\{\{\s*(?:[0-9]{1,2}|[a-z]+(?:_[a-z]+)*)\s*\}\}")
# The statuses that every business begins with; any other one is made of the name that somebody gave it.
FIRST_STATUSES = frozenset({"new", "contacted", "qualified", "won", "lost"})
# The bridge's numbers of messages: hex digits, some of them letters, or nothing as long as a name or a number.
_BRIDGE_ID = re.compile(r"(?=.*[A-F])[0-9A-F]{8,}|(?:(?![0-9]{4}|[A-Za-z]{4})[0-9A-Za-z_-])*")
# What a file is. Any other ending may be a part of a name.
ENDINGS = frozenset({
    "jpg", "jpeg", "png", "webp", "gif", "heic", "mp4", "3gp", "mov", "mp3", "ogg", "opus", "m4a", "aac", "amr", "wav",
    "pdf", "txt", "csv", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "zip", "vcf", "ics", "json",
})  # fmt: skip


class Kind(enum.Enum):
    """What a column holds, and so how it is masked."""

    PLAIN = "says nothing of a person, and is kept"
    WHO = "somebody's phone, address or name"
    CHAT = "a group's address, which is kept, or somebody's"
    WORDS = "what somebody wrote; its drop numbers are kept"
    COMMENT = "the same, beside sentences that the product writes"
    CODE = "a word that the product or a provider writes, such as not_in_valid_list; anything else is masked as words"
    LEAVES = "the texts within a JSON value"
    HASH = "a hash of what somebody wrote"
    OUTSIDE_ID = "the provider's number of a message, which on some channels holds a phone"
    FILE = "the name of a file; its ending is kept"
    SAID = "what somebody wrote, of which nothing is kept, no drop number either"
    POST = "what was written in a channel: in the bridge's groups as words, in every other one, by a customer, as said"
    ACCOUNT = "a word of the product's, or the number of ours that a provider gave"
    KNOWN = "by what a provider knows somebody or one of our numbers; two are never one afterwards"
    THREAD_KEY = "the name of a customer's thread, which has a phone in it, a provider's word, or only our own number"
    NAMED = "a name that a business gave a thing of its own; two are never one afterwards"
    STATUS = "what a lead can be"
    EMAIL = "an e-mail address"
    MADE = "a JSON value of the product's or a provider's own form: its fixed words stay, and the places for values"
    OWN_KEY = "what a program called a row by, and now its number does"
    NEVER = "is left empty in any copy"


class Masks:
    """The masks of one key. ``drops`` are the patterns whose matches stay readable within texts."""

    def __init__(self, key: bytes, drops: Sequence[re.Pattern[str]] = (), groups: Collection[str] = ()) -> None:
        """Needs a key that nobody knows who may read the copy. ``groups`` keep their addresses."""
        self._key = key
        self._drops = tuple(drops)
        self._groups = frozenset(groups)
        self._by_kind: dict[Kind, Callable[[Any], Any]] = {
            Kind.WHO: self.who, Kind.CHAT: self.chat, Kind.WORDS: self.words, Kind.COMMENT: self.comment,
            Kind.LEAVES: self.leaves, Kind.HASH: self.hash, Kind.FILE: self.file, Kind.CODE: self.code,
            Kind.SAID: self.said, Kind.ACCOUNT: self.account, Kind.KNOWN: self.known, Kind.THREAD_KEY: self.thread_key,
            Kind.NAMED: self.named, Kind.STATUS: self.status, Kind.EMAIL: self.email, Kind.MADE: self.made,
        }  # fmt: skip

    def keeping(self, groups: Collection[str]) -> Masks:
        """The same masks, which leave the addresses of groups that the other environment reads itself."""
        return Masks(self._key, self._drops, groups)

    def row(self, row: Mapping[str, Any], kinds: Mapping[str, Kind], channel: str = "") -> dict[str, Any]:
        """The row with each column masked by its kind; a column of no known kind is masked as words.

        ``channel`` is that of the message which a row without one of its own is about.
        """
        hidden = [(name, kind) for name, kind in kinds.items() if kind is not Kind.PLAIN and row.get(name) is not None]
        hidden += [(name, Kind.WORDS) for name in row.keys() - kinds.keys()]
        told_by = {"channel": channel, **row}
        return {**row, **{name: self._value(told_by, row[name], kind) for name, kind in hidden}}

    def _value(self, row: Mapping[str, Any], value: Any, kind: Kind) -> Any:
        if value is None or kind is Kind.NEVER:
            return None
        if kind is Kind.OUTSIDE_ID:
            return self.outside_id(row["channel"], str(value))
        if kind is Kind.POST:
            return self.post(row["channel"], str(value))
        if kind is Kind.OWN_KEY:
            return own_key(row)
        whole = isinstance(value, str | list) or kind in {Kind.LEAVES, Kind.MADE}
        return self._by_kind[kind](value if whole else str(value))

    def digits(self, number: str) -> str:
        """A number of nobody's, three digits longer than the given one. Two numbers never become one."""
        length = max(len(number), SHORTEST)
        if length > LONGEST:
            return NOBODYS_COUNTRY + str(int.from_bytes(self._digest("number", number)) % 10**LONGEST).zfill(LONGEST)
        return NOBODYS_COUNTRY + self._shuffled(number.zfill(length))

    def _shuffled(self, number: str) -> str:
        """As many digits, one for one: each half in turn has a keyed hash of the other one added to it (Feistel)."""
        left, right = number[: len(number) // 2], number[len(number) // 2 :]
        for turn in range(ROUNDS):
            added = int.from_bytes(self._digest("digits", f"{len(number)} {turn} {right}"))
            left, right = right, str((int(left) + added) % 10 ** len(left)).zfill(len(left))
        return left + right

    def who(self, said: str) -> str:
        """A phone, JID or LID in its own spelling with other digits; of a name, “Person” and a sign."""
        text = said.strip()
        if text.lower() in NOT_PEOPLE:
            return said
        if address := _ADDRESS.fullmatch(text):
            plus, number, device, server = address.groups()
            return f"{plus}{self.digits(number)}{device}{server}"
        if _USER_ID.fullmatch(text):
            return self.known(text)
        if _SPELLED.fullmatch(text):
            return self.digits(re.sub(r"\D", "", text))
        return f"Person {self._sign('name', text.casefold(), 8)}"

    def chat(self, address: str) -> str:
        """A group's address as it is, but for the phone of whoever made an older one; any other as ``who`` has it."""
        if address in self._groups or _GROUP.fullmatch(address):
            return address
        if made := _MADE_GROUP.fullmatch(address):
            return self.digits(made[1]) + made[2]
        return self.who(address)

    def words(self, text: str) -> str:
        """The drop numbers of a text as they were written; whatever stood around them is one sign each."""
        parts: list[str] = []
        end = 0
        for start, stop in [*drop_places(text, self._drops), (len(text), len(text))]:
            if start < end:
                continue
            if text[end:start].strip():
                parts.append(HIDDEN)
            parts.append(text[start:stop])
            end = stop
        return " ".join(part for part in parts if part)

    def code(self, said: str | list[Any]) -> Any:
        """One word or a list of them."""
        if isinstance(said, list):
            return [self.code(str(one)) for one in said]
        return said if _CODE.fullmatch(said) or _LANGUAGE.fullmatch(said) else self.words(said)

    def said(self, text: str) -> str:
        return HIDDEN if text.strip() else text

    def post(self, channel: str, text: str) -> str:
        return self.words(text) if channel == "bridge" else self.said(text)

    def known(self, said: str) -> str:
        """A number, JID or LID with other digits, as ``who`` has it; of any other name a sign as long as needed."""
        if not said or _ADDRESS.fullmatch(said):
            return self.who(said)
        return f"id.{self._sign('known', said, 26)}"

    def account(self, said: str) -> str:
        return said if _CODE.fullmatch(said) else self.known(said)

    def thread_key(self, key: str) -> str:
        """``phone:1:+27…`` with the phone as it is masked everywhere; ``lead:1:7`` holds our own numbers alone."""
        match = _THREAD_KEY.fullmatch(key)
        if match is None:
            return self.known(key)
        kind, business, value = match.groups()
        stays = kind == "lead" and _LEAD.fullmatch(value)
        return f"{kind}:{business}:{value if stays else self.known(value)}"

    def named(self, name: str) -> str:
        """One name for what differs only in case, since it is known by that."""
        folded = unicodedata.normalize("NFC", name.casefold())
        return f"name-{self._sign('named', folded, 12)}" if name else name

    def status(self, status: str) -> str:
        return status if status in FIRST_STATUSES else f"status_{self._sign('status', status, 12)}"

    def email(self, address: str) -> str:
        return f"{self._sign('email', address.casefold(), 12)}@example.invalid" if address else address

    def made(self, value: Any, name: str = "") -> Any:
        """A rule or a template of the same shape. ``name`` is the place in which a value stands."""
        if isinstance(value, dict):
            kept = {key: leaf for key, leaf in value.items() if key != "assign_to"}
            return {self.code(key): self.made(leaf, key) for key, leaf in kept.items()}
        if isinstance(value, list):
            return [self.made(leaf, name) for leaf in value]
        if not isinstance(value, str):
            return self.leaves(value)
        if name in _FIXED and _FIXED[name].fullmatch(value):
            return value
        masked = {"status": self.status, "statuses": self.status, "accounts": self.known, "name": self.named}
        return masked.get(name, self._places)(value)

    def _places(self, text: str) -> str:
        """The places for values in a text, and one sign each for whatever stood around them."""
        rest = _PLACE.split(text)
        places = [*_PLACE.findall(text), ""]
        return " ".join(one for pair in zip(map(self.said, rest), places, strict=True) for one in pair if one.strip())

    def comment(self, text: str) -> str:
        return "\n".join(line if _OWN_LINE.fullmatch(line) else self.words(line) for line in text.split("\n"))

    def leaves(self, value: Any) -> Any:
        """A JSON value of the same shape. Yes, no and small numbers stay; texts are masked as words, names as codes.

        Of what stands behind a number's point two digits stay: more of them may say where somebody lives.
        """
        if isinstance(value, dict):
            return {self.code(name): self.leaves(leaf) for name, leaf in value.items()}
        if isinstance(value, list):
            return [self.leaves(leaf) for leaf in value]
        if isinstance(value, str):
            return self.words(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= LONG_NUMBER:
            return int(self.digits(str(abs(int(value)))))
        return round(value, 2) if isinstance(value, float) else value

    def hash(self, written: str) -> str:
        """A hash of the same length, as PostgreSQL writes it: a backslash, an x and hex digits."""
        return "\\x" + self._digest("hash", written).hex()[: len(written) - 2]

    def file(self, name: str) -> str:
        _, dot, ending = name.rpartition(".")
        return self._sign("file", name, 12) + (f".{ending.lower()}" if dot and ending.lower() in ENDINGS else "")

    def outside_id(self, channel: str, number: str) -> str:
        """The bridge's numbers say nothing, and the environment's own reader must know the message by them again."""
        is_plain = channel == "bridge" and _BRIDGE_ID.fullmatch(number)
        return number if is_plain else f"masked.{self._sign('message', number, 26)}"

    def _digest(self, what: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{what}\0{text}".encode("utf-8", "surrogatepass"), "sha256")

    def _sign(self, what: str, text: str, length: int) -> str:
        return base64.b32encode(self._digest(what, text)).decode()[:length].lower()


def own_key(row: Mapping[str, Any]) -> str:
    """In place of a key that a program gave: unique as the row's number is, and never asked for again."""
    return f"copied.{row['id']}"
