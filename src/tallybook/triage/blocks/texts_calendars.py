"""What is said of calendars of others, in each language. Values stand in braces."""

from __future__ import annotations

from .words import Texts

CALENDARS: Texts = {
    "en": {
        "unread": "{team}: a calendar cannot be read",
        "unread_says": "The calendar of {who} at {host} cannot be read since {at}: {because} What it said on {then} "
                       "still counts.",
        "unread_never": "The calendar of {who} at {host} cannot be read since {at}: {because} Nothing of it counts "
                        "yet.",
        "late": "it is not answered in time.", "internal": "it is at an internal address.",
        "nobody": "nobody answers.", "broken": "the line breaks.", "open": "it leads to an open line.",
        "wanders": "it leads from one address to the next.", "large": "it is larger than 1 MB.",
        "slow": "it takes too long to be worked out.", "strange": "what stands there is no calendar.",
        "sealed": "its address cannot be opened any more. Give it again.", "answers": "it is answered with {status}.",
    },
    "he": {
        "unread": "{team}: יומן שאי אפשר לקרוא",
        "unread_says": "אי אפשר לקרוא את היומן של {who} ב־{host} מאז {at}: {because} מה שנאמר בו ב{then} עדיין בתוקף.",
        "unread_never": "אי אפשר לקרוא את היומן של {who} ב־{host} מאז {at}: {because} עדיין דבר ממנו אינו בתוקף.",
        "late": "אין תשובה בזמן.", "internal": "הוא בכתובת פנימית.",
        "nobody": "אין מי שעונה.", "broken": "הקו נקטע.", "open": "הוא מוביל לקו לא מוצפן.",
        "wanders": "הוא מפנה מכתובת לכתובת.", "large": "הוא גדול מ־1 MB.",
        "slow": "העיבוד שלו נמשך זמן רב מדי.", "strange": "מה שנמצא שם אינו יומן.",
        "sealed": "כבר אי אפשר לפתוח את הכתובת. נא למסור אותה שוב.", "answers": "התשובה היא {status}.",
    },
}  # fmt: skip
