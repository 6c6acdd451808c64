"""Whose it is and what comes next: pure, for any history of writes, losses and edits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.channels.sharepoint.decide import DELETED, Known, KnownFile, Step, next_step, next_step_of_file, plain
from tallybook.channels.sharepoint.types import RemoteFile, RemoteItem, Values

NUMBERS = st.builds(Values, *[st.integers(0, 5)] * 4)
KNOWN = st.builds(
    Known, wanted=NUMBERS, written=st.none() | NUMBERS, sent=st.lists(NUMBERS, max_size=3),
    etag=st.sampled_from([None, "v1", "v2"]), overrule=st.sampled_from([None, "v2", DELETED]),
)  # fmt: skip
FOUND = st.builds(
    RemoteItem, item_id=st.just("7"), etag=st.sampled_from(["v1", "v2", "v3"]), values=NUMBERS, by_us=st.booleans()
)


@given(KNOWN, FOUND)
def test_nothing_that_is_not_ours_by_any_sign_is_ever_written_over(known: Known, found: RemoteItem) -> None:
    signs = found.by_us or found.etag in {known.etag, known.overrule}
    signs = signs or found.values in [known.wanted, known.written, *known.sent]
    step = next_step(known, found)
    assert (step is Step.YIELD) == (not signs)
    assert step is not Step.CREATE
    if step is Step.ADOPT:
        assert found.values == known.wanted


@given(KNOWN)
def test_what_we_wrote_and_somebody_deleted_comes_back_only_when_they_say_so(known: Known) -> None:
    gone = known.written is not None and known.overrule != DELETED
    assert next_step(known, None) is (Step.YIELD if gone else Step.CREATE)


@given(KNOWN, st.integers(0, 3))
def test_after_a_crash_whichever_of_our_writes_landed_is_known_for_ours(known: Known, which: int) -> None:
    ours = [known.wanted, *known.sent]
    landed = ours[which % len(ours)]
    found = RemoteItem("7", "a version that nobody told us", landed, by_us=False)
    assert next_step(known, found) is (Step.ADOPT if landed == known.wanted else Step.UPDATE)


def test_sharepoint_s_numbers_are_compared_as_numbers() -> None:
    assert plain(Values(14.0, 0.0, 2.5, None)) == Values(14, 0, 2.5, None)


OURS, THEIRS = RemoteFile("1", "f1", by_us=True), RemoteFile("1", "f1", by_us=False)


@pytest.mark.parametrize(
    ("known", "found", "step"),
    [
        (KnownFile(same=False), None, Step.CREATE),
        (KnownFile(same=True, written=True), None, Step.YIELD),
        (KnownFile(same=True, written=True, overrule=DELETED), None, Step.CREATE),
        (KnownFile(same=False), THEIRS, Step.YIELD),
        (KnownFile(same=False), OURS, Step.UPDATE),
        (KnownFile(same=False, written=True), OURS, Step.UPDATE),
        (KnownFile(same=True, written=True), OURS, Step.ADOPT),
        (KnownFile(same=True, written=True, etag="f1"), THEIRS, Step.ADOPT),
        (KnownFile(same=True, written=True, overrule="f1"), THEIRS, Step.UPDATE),
        (KnownFile(same=True, written=True, overrule="f0"), THEIRS, Step.YIELD),
    ],
)
def test_a_workbook_belongs_to_whoever_changed_it_last(known: KnownFile, found: RemoteFile | None, step: Step) -> None:
    assert next_step_of_file(known, found) is step
