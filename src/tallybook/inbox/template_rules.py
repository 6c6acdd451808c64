"""What may stand in a template's places, and how it reads then. Pure.

WhatsApp refuses a value that is missing, has lines, tabs or more than four spaces in a row, or makes a part too long:
what it would refuse is told before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from tallybook.core import content as contents_of
from tallybook.core.errors import Invalid
from tallybook.core.messages import Stored

from .contents import Press, Value
from .contents import Template as Filled
from .template_types import Button, Component, Field, News, Shown, Template

# Characters of a part with its values in it.
LONGEST_HEADER, LONGEST_BODY, LONGEST_ADDRESS, LONGEST_CODE = 60, 1024, 2000, 15
FILES = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document"}
PARTS = frozenset({"HEADER", "BODY", "FOOTER", "BUTTONS"})
BUTTONS = frozenset({"QUICK_REPLY", "URL", "PHONE_NUMBER", "COPY_CODE"})
NEWS = {
    "account:message_template_status_update", "account:message_template_quality_update",
    "account:message_template_components_update", "account:template_category_update",
}  # fmt: skip
WABA = "waba:"
PLACE = re.compile(r"\{\{\s*(\w{1,64})\s*\}\}")
_BROKEN = re.compile(r"[\n\r\t\v\f]|     ")


def why_not(template: Template) -> str | None:
    """Why it cannot be sent now, or not from here at all; None where it can."""
    if template.gone:
        return "WhatsApp has this template no more."
    if not template.usable:
        return "WhatsApp has not approved this template, or has stopped it."
    header = template.part("HEADER")
    known = header is None or header.format.upper() in {"", "TEXT", *FILES}
    plain = all(one.type.upper() in PARTS for one in template.components)
    if not (known and plain and all(one.type.upper() in BUTTONS for one in _buttons(template))):
        return "This template has parts that can be sent only by another program."
    return None


def fields(template: Template) -> list[Field]:
    """The places to be filled, in the order in which they are read."""
    return list(_fields(template))


def _fields(template: Template) -> Iterator[Field]:
    header, body = template.part("HEADER"), template.part("BODY")
    if header is not None and header.format.upper() in FILES:
        yield Field("file", "file", FILES[header.format.upper()], LONGEST_ADDRESS)
    for place in _places(header):
        yield Field("header", "header", place, LONGEST_HEADER)
    for place in _places(body):
        yield Field(f"body.{place}", "body", place, LONGEST_BODY)
    for number, button in enumerate(_buttons(template)):
        if button.type.upper() == "URL" and PLACE.search(button.url):
            yield Field(f"button.{number}", "address", button.text, LONGEST_ADDRESS)
        if button.type.upper() == "COPY_CODE":
            yield Field(f"button.{number}", "code", button.text, LONGEST_CODE)


def _places(part: Component | None) -> list[str]:
    """The names of the places in a part, each once; numbers in their order."""
    found = list(dict.fromkeys(PLACE.findall(part.text))) if part is not None else []
    return sorted(found, key=int) if all(one.isdecimal() for one in found) else found


def _buttons(template: Template) -> Sequence[Button]:
    part = template.part("BUTTONS")
    return part.buttons if part is not None else ()


def shown(template: Template, values: Mapping[str, str]) -> Shown:
    """How it reads with these values; a place that has none yet is shown as it is."""
    header, body, footer = template.part("HEADER"), template.part("BODY"), template.part("FOOTER")

    def at(part: str, place: str) -> str | None:
        return values.get("header" if part == "header" else f"body.{place}")

    def put(part: str, text: str) -> str:
        return PLACE.sub(lambda found: at(part, found[1]) or found[0], text)

    return Shown(
        put("header", header.text) if header is not None else "",
        FILES.get(header.format.upper(), "") if header is not None else "",
        put("body", body.text) if body is not None else "",
        footer.text if footer is not None else "",
        [one.text for one in _buttons(template)],
    )


def fill(template: Template, values: Mapping[str, str]) -> Filled:
    """The template with its values, ready to be sent. Raises Invalid, with the place in ``details``."""
    why = why_not(template)
    if why is not None:
        raise Invalid(why)
    places = fields(template)
    known = {one.key for one in places}
    strange = sorted(set(values) - known)
    if strange:
        raise Invalid("The template has no such place.", places=sorted(known))
    given = {one.key: values.get(one.key, "").strip() for one in places}
    for place in places:
        _check(place, given[place.key])
    reads = shown(template, given)
    _check_lengths(template, reads, given)
    return Filled(
        name=template.name,
        language=template.language,
        text=reads.text,
        header=tuple(Value(given[one.key], _name(template, one)) for one in places if one.part == "header"),
        values=tuple(Value(given[one.key], _name(template, one)) for one in places if one.part == "body"),
        buttons=tuple(_press(one, given[one.key]) for one in places if one.part in {"address", "code"}),
        header_file=(reads.file, given["file"]) if reads.file else None,
    )


def _name(template: Template, field: Field) -> str:
    return field.label if template.named else ""


def _press(field: Field, value: str) -> Press:
    return Press(int(field.key.partition(".")[2]), "url" if field.part == "address" else "copy_code", value)


def _check(field: Field, value: str) -> None:
    if not value:
        raise Invalid("Each place of the template needs a value.", place=field.key)
    if _BROKEN.search(value) or "\0" in value or any("\ud800" <= one <= "\udfff" for one in value):
        raise Invalid("A value of a template has no lines, no tabs and no more than four spaces in a row.",
                      place=field.key)  # fmt: skip
    if PLACE.search(value):
        raise Invalid("A value of a template cannot hold a place itself.", place=field.key)
    if len(value) > field.longest:
        raise Invalid(f"This value has at most {field.longest:,} characters.", place=field.key)
    if field.part == "file" and not value.startswith("https://"):
        raise Invalid("The file above the template needs an address that begins with https://.", place=field.key)


def _check_lengths(template: Template, reads: Shown, given: Mapping[str, str]) -> None:
    if len(reads.header) > LONGEST_HEADER:
        raise Invalid(f"The heading has at most {LONGEST_HEADER} characters with its value.", place="header")
    if len(reads.body) > LONGEST_BODY:
        raise Invalid(f"The template has at most {LONGEST_BODY:,} characters with its values.", place="body")
    for number, button in enumerate(_buttons(template)):
        value = given.get(f"button.{number}", "")
        if button.type.upper() == "URL" and len(PLACE.sub("", button.url)) + len(value) > LONGEST_ADDRESS:
            raise Invalid(f"This value has at most {LONGEST_ADDRESS:,} characters.", place=f"button.{number}")


class _Told(msgspec.Struct, frozen=True):
    """A webhook about a template; each kind has some of these."""

    message_template_name: str = ""
    message_template_language: str = ""
    event: str = ""
    reason: str | None = None
    new_quality_score: str = ""
    new_category: str = ""


def news(stored: Sequence[Stored]) -> list[News]:
    """What a batch tells of templates, in the order in which it was told."""
    found = [one for stored_one in stored if (one := _news(stored_one)) is not None]
    return sorted(found, key=lambda one: one.at)


def _news(stored: Stored) -> News | None:
    incoming = stored.incoming
    if incoming.kind not in NEWS or not incoming.account.startswith(WABA):
        return None
    try:
        content = contents_of.read(incoming.content)
        told = msgspec.json.decode(content.as_sent, type=_Told) if content is not None else None
    except msgspec.DecodeError:
        return None
    if told is None or not told.message_template_name or not told.message_template_language:
        return None
    reason = told.reason or ""
    return News(
        incoming.account.removeprefix(WABA), incoming.said_at, told.message_template_name[:512],
        told.message_template_language[:20], told.event.lower()[:40], told.new_category.lower()[:40],
        told.new_quality_score.lower()[:20], "" if reason == "NONE" else reason[:300],
    )  # fmt: skip
