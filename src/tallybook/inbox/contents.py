"""What a message of ours can be, whoever sends it: a person, the bot, a rule, a broadcast. Pure.

Each says how the outbox holds it (``body()``), what our own thread calls it (``type``) and shows of it (``words``).
What could not be sent is refused when it is made ready (``checked()``), so that nothing of it waits in the outbox.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from tallybook.core.errors import Invalid

from . import rules

LONGEST_TEXT = 4096  # characters
LONGEST_CAPTION = LONGEST_QUESTION = 1024
MOST_BUTTONS, LONGEST_BUTTON = 3, 20
MOST_ROWS, LONGEST_ROW, LONGEST_DETAIL = 10, 24, 72
LONGEST_FILENAME = 240
KINDS = ("image", "video", "audio", "document", "sticker")
CAPTIONED = frozenset({"image", "video", "document"})
Body: TypeAlias = dict[str, msgspec.Raw | str | int | bool | list[str] | None]


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _sendable(text: str, longest: int) -> str:
    """The text as it is sent: its lines as lines, nothing around them. Raises Invalid."""
    text = text.replace("\r\n", "\n").strip()  # as a browser's form sends its lines
    if len(text) > longest:
        raise Invalid(f"A message has 1 to {longest:,} characters.")
    if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise Invalid("The message holds a character that cannot be sent.")
    return text


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """``quote`` is the provider's id of the message that this one answers; empty for none."""

    quote: str = ""

    @property
    def free(self) -> bool:
        """Whether it may be sent only while the customer may be written to freely."""
        return True

    def _body(self, parts: Body) -> Body:
        return parts | {"quote": self.quote} if self.quote else parts


class Text(_Said, frozen=True, tag="text"):
    text: str

    type = "text"

    @property
    def words(self) -> str:
        return self.text

    @property
    def preview(self) -> str:
        return rules.preview(self.words, self.type)

    def body(self) -> Body:
        return self._body({"text": self.text})

    def checked(self) -> Text:
        """The text as it is sent. Raises Invalid for one of no use."""
        text = _sendable(self.text, LONGEST_TEXT)
        if not text:
            raise Invalid(f"A message has 1 to {LONGEST_TEXT:,} characters.")
        return msgspec.structs.replace(self, text=text)


class Value(msgspec.Struct, frozen=True):
    """What stands for a placeholder of a template; ``name`` where the template names its placeholders."""

    text: str
    name: str = ""


class Press(msgspec.Struct, frozen=True):
    """What a template's button is given: the end of its address, its payload, or its code."""

    index: int
    kind: str
    text: str


class Template(_Said, frozen=True, tag="template"):
    """An approved template with its values. ``text`` is what the customer reads, for our own record.

    Its values were checked against the template (service/templates.py), which is not known here. A ``header_file`` is
    (kind, its id at the provider or its address).
    """

    name: str
    language: str
    text: str
    header: tuple[Value, ...] = ()
    values: tuple[Value, ...] = ()
    buttons: tuple[Press, ...] = ()
    header_file: tuple[str, str] | None = None

    type = "template"

    @property
    def free(self) -> bool:
        return False

    @property
    def words(self) -> str:
        return self.text[:LONGEST_TEXT]

    @property
    def preview(self) -> str:
        return rules.preview(self.words, self.type)

    def body(self) -> Body:
        """With the template as the Cloud API takes it."""
        parts: list[dict[str, object]] = []
        if self.header_file is not None:
            kind, place = self.header_file
            by = "link" if "://" in place else "id"
            parts.append({"type": "header", "parameters": [{"type": kind, kind: {by: place}}]})
        elif self.header:
            parts.append({"type": "header", "parameters": [_parameter(one) for one in self.header]})
        if self.values:
            parts.append({"type": "body", "parameters": [_parameter(one) for one in self.values]})
        parts += [_button(one) for one in self.buttons]
        template: dict[str, object] = {"name": self.name, "language": {"code": self.language}}
        return self._body(
            {"template": _raw(template | {"components": parts} if parts else template), "text": self.words}
        )

    def checked(self) -> Template:
        """Raises Invalid where it says nothing."""
        if not self.name or not self.language or not self.text.strip():
            raise Invalid("There is no such template.")
        return self


def _parameter(value: Value) -> dict[str, str]:
    named = {"parameter_name": value.name} if value.name else {}
    return {"type": "text", "text": value.text} | named


BUTTONS = {"url": "text", "quick_reply": "payload", "copy_code": "coupon_code"}


def _button(press: Press) -> dict[str, object]:
    kind = BUTTONS.get(press.kind, "text")
    parameters = [{"type": kind, kind: press.text}]
    return {"type": "button", "sub_type": press.kind, "index": str(press.index), "parameters": parameters}


class File(_Said, frozen=True, tag="file"):
    """A file that is kept here (``sha256``, in hex), stands at an address (``link``) or at the provider (``id``)."""

    kind: str
    sha256: str = ""
    mime: str = ""
    filename: str = ""
    caption: str = ""
    link: str = ""
    id: str = ""

    @property
    def type(self) -> str:
        return self.kind

    @property
    def words(self) -> str:
        return self.caption

    @property
    def preview(self) -> str:
        return rules.preview(self.words, self.type)

    def body(self) -> Body:
        told = {
            "kind": self.kind, "sha256": self.sha256, "mime": self.mime, "filename": self.filename,
            "caption": self.caption, "link": self.link, "id": self.id,
        }  # fmt: skip
        return self._body({"media": _raw({name: value for name, value in told.items() if value})})

    def checked(self) -> File:
        """The file with its caption as it is sent. Raises Invalid."""
        if self.kind not in KINDS:
            raise Invalid("Files of this kind cannot be sent.")
        if not (self.sha256 or self.link or self.id):
            raise Invalid("There is no file to send.")
        caption = _sendable(self.caption, LONGEST_CAPTION)
        if caption and self.kind not in CAPTIONED:
            raise Invalid("A file of this kind can have no words beside it.")
        if len(self.filename) > LONGEST_FILENAME or not self.filename.isprintable():
            raise Invalid("The file needs a shorter name, without signs that cannot be seen.")
        return msgspec.structs.replace(self, caption=caption)


class Choice(msgspec.Struct, frozen=True):
    """What a customer may choose. ``id`` comes back with their choice; ``detail`` only in a list."""

    id: str
    title: str
    detail: str = ""


class Interactive(_Said, frozen=True, tag="interactive"):
    """A question with its answers: up to three ``buttons``, or a ``list`` of up to ten under a ``label``."""

    kind: str
    text: str
    choices: tuple[Choice, ...]
    label: str = ""

    type = "interactive"

    @property
    def words(self) -> str:
        """The question and its answers, each on a line of its own."""
        return "\n".join([self.text, *(f"▫ {one.title}" for one in self.choices)])

    @property
    def preview(self) -> str:
        return rules.preview(self.text, self.type)

    def body(self) -> Body:
        """With the question as the Cloud API takes it."""
        if self.kind == "buttons":
            buttons = [{"type": "reply", "reply": {"id": one.id, "title": one.title}} for one in self.choices]
            asked: dict[str, object] = {"type": "button", "action": {"buttons": buttons}}
        else:
            rows = [
                {"id": one.id, "title": one.title} | ({"description": one.detail} if one.detail else {})
                for one in self.choices
            ]
            asked = {"type": "list", "action": {"button": self.label, "sections": [{"rows": rows}]}}
        return self._body({"interactive": _raw(asked | {"body": {"text": self.text}}), "text": self.words})

    def checked(self) -> Interactive:
        """The question as it is asked. Raises Invalid beyond WhatsApp's limits."""
        text = _sendable(self.text, LONGEST_QUESTION)
        if not text:
            raise Invalid(f"A message has 1 to {LONGEST_QUESTION:,} characters.")
        buttons = self.kind == "buttons"
        if self.kind not in {"buttons", "list"} or not 1 <= len(self.choices) <= (
            MOST_BUTTONS if buttons else MOST_ROWS
        ):
            raise Invalid(f"A question has up to {MOST_BUTTONS} buttons, or a list of up to {MOST_ROWS} answers.")
        longest = LONGEST_BUTTON if buttons else LONGEST_ROW
        if any(not 1 <= len(one.title.strip()) <= longest or not one.title.isprintable() for one in self.choices):
            raise Invalid(f"An answer to choose has 1 to {longest} characters, on one line.")
        if len({one.id for one in self.choices} | {""}) != len(self.choices) + 1:
            raise Invalid("Each answer to choose needs an id of its own.")
        if len({one.title for one in self.choices}) != len(self.choices):
            raise Invalid("Two answers to choose are called the same.")
        if any(len(one.detail) > (0 if buttons else LONGEST_DETAIL) for one in self.choices):
            raise Invalid(f"What is said about an answer has at most {LONGEST_DETAIL} characters, and stands in lists.")
        if not buttons and not 1 <= len(self.label.strip()) <= LONGEST_BUTTON:
            raise Invalid(f"The button that opens the list has 1 to {LONGEST_BUTTON} characters.")
        return msgspec.structs.replace(self, text=text)


Content: TypeAlias = Text | Template | File | Interactive
