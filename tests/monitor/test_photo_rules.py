"""Which photo belongs to which drop: what holds of every conversation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tallybook.core.file_types import FILE, type_of
from tallybook.monitor.photos import WITHIN, How, Spoken, Told, photos_of

MORNING = datetime(2025, 12, 2, 8, tzinfo=UTC)
DROPS = ("DR1000001", "DR1000002", "DR1000003")
SENDERS = ("ana", "ben")


@st.composite
def conversations(draw: st.DrawFn) -> list[Spoken]:
    """Two people post drops and photos within an hour."""
    count = draw(st.integers(0, 12))
    return [
        Spoken(
            number, draw(st.sampled_from(SENDERS)), MORNING + timedelta(minutes=draw(st.integers(0, 60))),
            tuple(draw(st.lists(st.sampled_from(DROPS), max_size=2, unique=True))), draw(st.booleans()),
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


NOTHING = Told()


@given(conversations(), st.randoms())
def test_the_order_in_which_messages_are_found_does_not_matter(spoken: list[Spoken], dice: object) -> None:
    mixed = list(spoken)
    dice.shuffle(mixed)
    for drop in DROPS:
        assert list(photos_of(drop, spoken, NOTHING).items()) == list(photos_of(drop, mixed, NOTHING).items())


@given(conversations())
def test_a_photo_without_words_is_probable_for_the_drops_of_one_post_of_its_sender_and_near_it(
    spoken: list[Spoken],
) -> None:
    by_id = {one.message_id: one for one in spoken}
    listed = {drop: photos_of(drop, spoken, NOTHING) for drop in DROPS}
    for photo in spoken:
        drops = {drop for drop in DROPS if listed[drop].get(photo.message_id) is How.PROBABLE}
        if not drops:
            continue
        assert photo.has_file
        assert not photo.drops
        assert any(
            set(post.drops) == drops and post.sender == photo.sender and abs(post.said_at - photo.said_at) <= WITHIN
            for post in by_id.values()
        )


@given(conversations())
def test_a_photo_whose_own_words_name_drops_belongs_to_just_those(spoken: list[Spoken]) -> None:
    for photo in spoken:
        for drop in DROPS:
            how = photos_of(drop, spoken, NOTHING).get(photo.message_id)
            if photo.drops and photo.has_file:
                assert how is (How.CAPTION if drop in photo.drops else None)
            if not photo.has_file:
                assert how is None


@given(conversations(), st.dictionaries(st.integers(1, 12), st.booleans()))
def test_what_a_person_said_counts_for_photos_without_words_and_only_for_those(
    spoken: list[Spoken], belongs: dict[int, bool]
) -> None:
    found = photos_of(DROPS[0], spoken, Told(belongs))
    for photo in spoken:
        if photo.has_file and not photo.drops and photo.message_id in belongs:
            assert found[photo.message_id] is (How.CONFIRMED if belongs[photo.message_id] else How.REFUSED)


@given(conversations())
def test_what_was_confirmed_for_another_drop_is_probable_for_none(spoken: list[Spoken]) -> None:
    everywhere = Told(elsewhere=frozenset(range(20)))
    assert How.PROBABLE not in photos_of(DROPS[0], spoken, everywhere).values()


@given(conversations(), st.integers(0, 30), st.integers(0, 30))
def test_a_longer_time_finds_no_fewer_photos_in_all(spoken: list[Spoken], one: int, other: int) -> None:
    short, long = sorted((timedelta(minutes=one), timedelta(minutes=other)))
    for photo in spoken:
        in_short = any(photo.message_id in photos_of(drop, spoken, NOTHING, short) for drop in DROPS)
        in_long = any(photo.message_id in photos_of(drop, spoken, NOTHING, long) for drop in DROPS)
        assert in_long or not in_short


def test_a_technician_who_posts_a_drop_then_photos_then_the_next_is_understood() -> None:
    spoken = [
        Spoken(1, "ana", MORNING, ("DR1000001",)),
        Spoken(2, "ana", MORNING + timedelta(minutes=1), has_file=True),
        Spoken(3, "ana", MORNING + timedelta(minutes=8), ("DR1000002",)),
        Spoken(4, "ana", MORNING + timedelta(minutes=7), has_file=True),
        Spoken(5, "ana", MORNING + timedelta(minutes=4), has_file=True),  # as near to both: the post before it
        Spoken(6, "ben", MORNING + timedelta(minutes=1), has_file=True),
        Spoken(7, "ana", MORNING + timedelta(minutes=19), has_file=True),
    ]
    assert photos_of("DR1000001", spoken, NOTHING) == {2: How.PROBABLE, 5: How.PROBABLE}
    assert photos_of("DR1000002", spoken, NOTHING) == {4: How.PROBABLE}


@given(st.binary(max_size=64))
def test_only_what_begins_as_a_picture_is_a_picture(content: bytes) -> None:
    if not content.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF")):
        assert not type_of(content).startswith("image/")


def test_types_are_known_by_content_and_never_by_name() -> None:
    assert type_of(b"\xff\xd8\xff\xe0rest") == "image/jpeg"
    assert type_of(b"\x89PNG\r\n\x1a\nrest") == "image/png"
    assert type_of(b"RIFF\0\0\0\0WEBPrest") == "image/webp"
    assert type_of(b"RIFF\0\0\0\0WAVErest") == FILE
    assert type_of(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>") == FILE
    assert type_of(b"<html><script>alert(1)</script>") == FILE
    assert type_of(b"") == FILE
