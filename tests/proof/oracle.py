"""What the books must say, worked out from the posts alone: short, slow, and sharing nothing with the product.

``expected`` is the oracle, ``read_books`` what the database says; both give ``Books``, which are simply compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg

from tests.proof.story import LID, LIDS_PHONE, PROJECTS, Post

DROP = re.compile(r"\bDR[: ]?(\d{6,8})\b", re.IGNORECASE)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
SAST = timezone(timedelta(hours=2))

Row = tuple[object, ...]


@dataclass
class Books:
    """The registers, each a sorted list, so that a row too many shows as well as one too few."""

    messages: list[Row] = field(default_factory=list)  # chat, id
    reviews: list[Row] = field(default_factory=list)  # space, drop, project, date, said at, again, phone, comment
    submissions: list[Row] = field(default_factory=list)  # space, drop, id, project, effect, said at
    activations: list[Row] = field(default_factory=list)  # project, drop, said at, phone
    marketing_posts: list[Row] = field(default_factory=list)  # project, drop, id
    invalid: list[Row] = field(default_factory=list)  # project, drop, id
    parked: int = 0
    violations: int = 0
    seen: dict[Row, datetime] = field(default_factory=dict, compare=False)  # which batch brought each message

    def sort(self) -> Books:
        for rows in (
            self.messages, self.reviews, self.submissions, self.activations, self.marketing_posts, self.invalid,
        ):  # fmt: skip
            rows.sort()
        return self


def is_valid(drop: str) -> bool:
    """Whether the list of the validated project has the drop: every even one."""
    return int(drop.removeprefix("DR")) % 2 == 0


def expected(posts: Iterable[Post], environment: str = "prod", seen: dict[Row, datetime] | None = None) -> Books:
    """What the posts come to in an environment, if each counts once.

    ``seen`` tells in which batch each was brought. A bridge that re-delivers moves a message to the end of its file; of
    a long backlog it may so come in a later batch than posts said after it, and is then history.
    """
    groups = {group: rest for name, group, *rest in _with_names() if environment in rest[-1]}
    books = Books()
    reviews: dict[tuple[str, str], list[Any]] = {}
    activated: set[tuple[str, str]] = set()
    first = {(post.chat, post.id): post for post in reversed(list(posts)) if post.chat in groups}
    for post in sorted(first.values(), key=lambda post: ((seen or {}).get((post.chat, post.id), LONG_AGO), post.at)):
        name, kind, space, validated, _ = groups[post.chat]
        for drop in dict.fromkeys(f"DR{digits}" for digits in DROP.findall(post.text)):
            if kind == "marketing":
                books.marketing_posts.append((name, drop, post.id))
                if (name, drop) not in activated:
                    activated.add((name, drop))
                    books.activations.append((name, drop, post.at.astimezone(UTC), _phone(post)))
            elif validated and not is_valid(drop):
                books.invalid.append((name, drop, post.id))
            else:
                _review(books, reviews, (space, drop), name, post)
    books.messages = list(first)
    books.reviews = [(*drop, *review[:-1]) for drop, review in reviews.items()]
    return books.sort()


def _review(
    books: Books, reviews: dict[tuple[str, str], list[Any]], drop: tuple[str, str], name: str, post: Post
) -> None:
    local = post.at.astimezone(SAST)
    late = drop in reviews and post.at < reviews[drop][-1]
    effect = "history" if late else "resubmitted" if drop in reviews else "created"
    books.submissions.append((*drop, post.id, name, effect, post.at.astimezone(UTC)))
    if effect == "created":
        note = f"Auto-created from WhatsApp on {local:%Y-%m-%d %H:%M:%S} SAST"
        reviews[drop] = [name, str(local.date()), post.at.astimezone(UTC), False, _phone(post), note, post.at]
    elif effect == "resubmitted":
        review = reviews[drop]
        review[3:] = [True, _phone(post), f"{review[5]}\n--- RESUBMITTED {local:%Y-%m-%d %H:%M:%S} SAST ---", post.at]


def _with_names() -> list[tuple[str, str, str, str, str, bool, tuple[str, ...]]]:
    return [(name, group, name, kind, space, validated, envs) for name, group, kind, space, validated, envs in PROJECTS]


def _phone(post: Post) -> str:
    digits = post.sender.partition("@")[0]
    return LIDS_PHONE if digits == LID else digits


READ = {
    "messages": "select chat, external_id from messages",
    "reviews": """select space, drop_number, project, review_date::text, whatsapp_message_date, resubmitted,
        submitted_by, comment from qa_photo_reviews""",
    "submissions": """select s.space, s.drop_number, m.external_id, s.project, s.effect, s.said_at
        from qa_submissions s join messages m on m.id = s.message_id""",
    "activations": "select project, drop_number, whatsapp_message_date, submitted_by from marketing_activations",
    "marketing_posts": """select p.project, p.drop_number, m.external_id
        from marketing_posts p join messages m on m.id = p.message_id""",
    "invalid": """select i.project, i.drop_number, m.external_id
        from invalid_drop_submissions i join messages m on m.id = i.message_id""",
}
SEEN = "select chat, external_id, seen_at from messages"
TROUBLE = """
select (select count(*) from messages where parked_reason is not null)
    + (select count(*) from jobs where state = 'parked'),
    (select count(*) from constraint_violations where not answered)
"""


def read_books(owner_url: str, schema: str = "public") -> Books:
    """What the database says, as of one moment."""
    with psycopg.connect(owner_url, connect_timeout=10) as connection:
        connection.execute(f"set search_path to {schema}; set time zone 'UTC'".encode())
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        rows = {name: connection.execute(query.encode()).fetchall() for name, query in READ.items()}
        seen = {row[:2]: row[2] for row in connection.execute(SEEN.encode()).fetchall()}
        parked, violations = connection.execute(TROUBLE).fetchone() or (None, None)
    return Books(**{name: [_in_utc(row) for row in some] for name, some in rows.items()}, parked=parked,
                 violations=violations, seen=seen).sort()  # fmt: skip


def _in_utc(row: Row) -> Row:
    return tuple(value.astimezone(UTC) if isinstance(value, datetime) else value for value in row)


def of_these(posts: Iterable[Post], books: Books) -> list[Post]:
    """The posts that the database has: what it says must be what comes of just these."""
    stored = set(books.messages)
    return [post for post in posts if (post.chat, post.id) in stored]
