"""What the monitor says in a group, in the language of its business. Pure.

No text begins with a mention: who sends it puts ``@<number> `` there itself, and would put it twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNKNOWN_DROP: Mapping[str, str] = {
    "en": (
        "Invalid Drop Number\n"
        "Drop {drop} is not in the valid list for {project}.\n"
        "Please submit a valid drop number from the project plan."
    ),
    "he": (
        "מספר דרופ לא תקין\n"
        "הדרופ {drop} אינו ברשימת הדרופים התקפים של {project}.\n"
        "נא לשלוח מספר דרופ תקין מתוכנית הפרויקט."
    ),
}
OTHER_PROJECT: Mapping[str, str] = {
    "en": (
        "Wrong Group\n"
        "Drop {drop} belongs to {right}, not {project}.\n"
        "Please submit it again in the group of {right}."
    ),
    "he": (
        "קבוצה לא נכונה\n"
        "הדרופ {drop} שייך ל-{right} ולא ל-{project}.\n"
        "נא לשלוח אותו שוב בקבוצה של {right}."
    ),
}  # fmt: skip
OR: Mapping[str, str] = {"en": " or ", "he": " או "}
DEFAULT = "en"


def unknown_drop(drop: str, project: str, locale: str) -> str:
    """The drop is in no list that its group could mean."""
    return _in(UNKNOWN_DROP, locale).format(drop=drop, project=project)


def other_project(drop: str, project: str, right: Sequence[str], locale: str) -> str:
    """The drop is valid for the projects of ``right`` (one at least), and not for the group's own."""
    return _in(OTHER_PROJECT, locale).format(drop=drop, project=project, right=_in(OR, locale).join(right))


def _in(texts: Mapping[str, str], locale: str) -> str:
    return texts.get(locale, texts[DEFAULT])
