"""What is said in Slack is what the rota says, and its buttons carry what they are about."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from tallybook.core.errors import Conflict, Invalid
from tallybook.triage.blocks import (
    announcing,
    cover,
    disciplines,
    home,
    notices,
    people,
    previews,
    requests,
    schedule,
    showing,
    sprints,
    submitted,
    submitted_admin,
    troubles,
    wanted,
)
from tallybook.triage.blocks.changes import Shown
from tallybook.triage.blocks.names import Act, Choice, View, held_of, turn_of, turn_value
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.rules import prepare, who
from tallybook.triage.rules_announce import boundary, heads_up, standing
from tallybook.triage.rules_cover import clashes, doubles
from tallybook.triage.rules_overrides import Asked, Part, State
from tallybook.triage.types import Discipline, Facts, Kind, Rotation, Team, Unused
from tests.triage.blocks.forms import actions, said, values
from tests.triage.facts import (
    ANA,
    BE,
    BEN,
    CHEN,
    DINA,
    TEAM,
    UI,
    ZONE,
    at,
    away,
    facts,
    members,
    override,
    roster,
)
from tests.triage.facts import (
    sprints as some_sprints,
)

NOW = at("2026-01-19T18:00")  # two hours into Ben's sprint
SECOND, THIRD = some_sprints()[1:3]
TWO = {
    "disciplines": (UI, BE),
    "memberships": (*members(ANA, BEN, CHEN, DINA), *members(DINA, BEN, code="beEng")),
    "rosters": (roster(), roster((DINA, BEN), code="beEng")),
}


def seen(reader: str = ANA, *, locale: str = "en", leads: bool = False, **values: Any) -> Seen:
    return Seen(prepare(facts(**values)), NOW, locale, reader, leads)


def asked(state: State = State.PENDING, by: str = BEN, **values: Any) -> Asked:
    usual = {"sprint_number": 1, "whole": True, "reason": "A wedding <3"}
    decided = {"decided_by": "Lena", "decided_at": NOW} if state is not State.PENDING else {}
    return Asked(5, 1, "uiEng", BEN, DINA, by, state, SECOND.starts_at, SECOND.ends_at, **(usual | decided | values))


class TestWhoIsOn:
    def test_says_who_is_on_duty_until_when_and_why_it_is_not_whose_turn_it_is(self) -> None:
        told = schedule.who_is_on(
            seen(**TWO, overrides=(override(DINA, "2026-01-19T16:00", "2026-01-20T16:00", instead_of=BEN),))
        )
        assert "*UI engineering*: <@UDINA>, until Tue 20 Jan, 08:00 (instead of <@UBEN>)" in told.text
        assert "*Back end*: <@UBEN>, until Mon 2 Feb, 08:00" in said(told)
        assert "America/Los_Angeles" in said(told)

    def test_says_that_and_why_nobody_is(self) -> None:
        assert "*UI engineering*: nobody (nobody is on the roster yet)" in schedule.who_is_on(seen(rosters=())).text
        assert "nobody until Mon 5 Jan" not in schedule.who_is_on(seen()).text

    def test_says_who_is_away_and_who_has_left(self) -> None:
        absent = schedule.who_is_on(seen(absences=(away(BEN, "2026-01-19", "2026-01-30"),)))
        assert "<@UCHEN>, until Thu 29 Jan, 16:00 (while <@UBEN> is away)" in absent.text
        gone = [
            msgspec.structs.replace(one, until=NOW) if one.person == BEN else one for one in members(ANA, BEN, CHEN)
        ]
        assert (
            "<@UCHEN>, until Mon 2 Feb, 08:00 (as the next one on the roster)"
            in schedule.who_is_on(seen(memberships=tuple(gone))).text
        )

    @pytest.mark.parametrize(
        ("text", "codes"),
        [
            ("who is on?", None), ("<@UBOT> who has beEng", ["beEng"]), ("BACK END please", ["beEng"]), ("", None),
            ("uieng and the back-end", ["uiEng"]), ("beEngine", None),
            ("UI Engineering, Back  end!", ["uiEng", "beEng"]),
        ],
    )  # fmt: skip
    def test_knows_of_which_disciplines_is_asked(self, text: str, codes: list[str] | None) -> None:
        assert schedule.asked_about(text, seen(**TWO)) == codes

    def test_what_is_read_from_a_snapshot_says_as_of_when(self) -> None:
        old = Seen(prepare(facts()), NOW, "en", ANA, as_of=at("2026-01-19T17:30"))
        for shown in (
            schedule.who_is_on(old), schedule.schedule_view(old), schedule.mine_view(old), home.home_view(old),
            sprints.listing(old), people.listing(old), disciplines.listing(old), cover.turn_view(old),
        ):  # fmt: skip
            assert "As of Mon 19 Jan, 09:30" in said(shown)

    def test_a_day_is_told_from_hand_over_to_hand_over(self) -> None:
        shown = said(schedule.schedule_view(seen(), date(2026, 2, 1)))
        assert "Sun 1 Feb, 08:00 – Mon 2 Feb, 08:00: <@UBEN>" in shown
        assert "<@UCHEN>" not in shown

    def test_who_is_in_several_teams_may_choose_one(self) -> None:
        two = msgspec.structs.replace(seen(), teams=(TEAM, Team(2, "Apps", ZONE)))
        chosen = actions(schedule.schedule_view(two))[Act.TEAM]
        assert chosen["initial_option"]["value"] == "1"
        assert Act.TEAM not in actions(schedule.schedule_view(seen()))


class TestHome:
    def test_says_where_its_reader_is_on_duty_and_how_long_still(self) -> None:
        shown = said(home.home_view(seen(BEN)))
        assert "*You are on duty* for UI engineering until Mon 2 Feb, 08:00 (13 d left)." in shown
        assert "Your next shift: UI engineering, Mon 2 Mar, 08:00 – Mon 16 Mar, 08:00, in 41 d." in shown
        assert "Next: <@UCHEN>, Mon 2 Feb, 08:00" in shown
        assert "You are not on duty" in said(home.home_view(seen("USTRANGER")))
        assert "בעוד 41 ימ׳" in said(home.home_view(seen(BEN, locale="he")))

    def test_a_shift_s_button_asks_for_cover_for_just_that_shift(self) -> None:
        shown = home.home_view(seen(CHEN))
        held = held_of(next(one["accessory"]["value"] for one in shown["blocks"] if "accessory" in one))
        assert (held.discipline, held.person, held.span) == ("uiEng", CHEN, (THIRD.starts_at, THIRD.ends_at))

    def test_only_who_leads_is_led_to_what_they_may_change(self) -> None:
        for shown in (home.home_view, home.hub_view):
            assert Act.OPEN_PEOPLE in actions(shown(seen(leads=True)))
            assert Act.OPEN_PEOPLE not in actions(shown(seen()))

    def test_shows_what_its_reader_asked_for_the_picture_and_the_page(self) -> None:
        around = home.Around([asked()], "https://rota.example/1.png", "https://rota.example/triage")
        shown = home.home_view(seen(BEN), around)
        assert "<@UDINA> for <@UBEN>" in said(shown) or "<@UDINA> instead of <@UBEN>" in said(shown)
        assert [one["image_url"] for one in shown["blocks"] if one["type"] == "image"] == [around.picture]
        assert actions(shown)[Act.LINK]["url"] == around.page


class TestCover:
    def test_goes_from_a_turn_to_who_instead_and_when(self) -> None:
        first = cover.turn_view(seen(BEN))
        turn = submitted.turn(values(first), "en")
        assert not isinstance(turn, submitted.Errors)
        assert (turn.person, turn.starts_at, turn.ends_at) == (BEN, SECOND.starts_at, SECOND.ends_at)
        second = cover.cover_view(seen(BEN), turn)
        assert "1. <@UDINA>: no day in half a year" in said(second)
        assert "Cannot: Ben (on duty then)" in said(second)
        held = held_of(second["private_metadata"])
        wish = submitted.cover(values(second, substitute=DINA, reason="  A wedding "), held, NOW, "en")
        assert wish == wanted.Cover(Part("uiEng", DINA, SECOND.starts_at, SECOND.ends_at), None, "A wedding", False)

    def test_a_part_of_the_turn_can_be_asked_for_and_nothing_beyond_it(self) -> None:
        shown = cover.cover_view(seen(BEN), turn_of(turn_value(who(seen().schedule, "uiEng", NOW).shift)))
        held, noon = held_of(shown["private_metadata"]), int(at("2026-01-21T12:00").timestamp())
        part = submitted.cover(values(shown, substitute=DINA, since=noon, until=noon + 3600), held, NOW, "en")
        assert isinstance(part, wanted.Cover)
        assert part.part.ends_at - part.part.starts_at == timedelta(hours=1)
        for since, until, field in (
            (noon, noon, "until"), (noon, noon + 90 * 86_400, "until"), (noon - 90 * 86_400, noon, "since"),
        ):  # fmt: skip
            wrong = submitted.cover(values(shown, substitute=DINA, since=since, until=until), held, NOW, "en")
            assert isinstance(wrong, submitted.Errors)
            assert set(wrong.by_block) == {field}
        assert isinstance(submitted.cover(values(shown), held, NOW, "he"), submitted.Errors)

    def test_an_exchange_is_for_a_turn_of_the_one_who_stands_in(self) -> None:
        shown = cover.cover_view(seen(BEN), turn_of(turn_value(who(seen().schedule, "uiEng", NOW).shift)))
        held = held_of(shown["private_metadata"])
        theirs = turn_value(who(seen().schedule, "uiEng", THIRD.starts_at).shift)
        wish = submitted.cover(values(shown, substitute=CHEN, exchange=theirs), held, NOW, "en")
        assert isinstance(wish, wanted.Cover)
        assert wish.exchange == Part("uiEng", BEN, THIRD.starts_at, THIRD.ends_at)
        wrong = submitted.cover(values(shown, substitute=DINA, exchange=theirs), held, NOW, "en")
        assert isinstance(wrong, submitted.Errors)
        assert wrong.answer == {
            "response_action": "errors", "errors": {"exchange": "Choose a turn of the one who stands in."},
        }  # fmt: skip

    def test_who_leads_asks_on_behalf_of_anybody_and_may_have_it_hold_at_once(self) -> None:
        lead = seen(ANA, leads=True)
        assert submitted.chosen_person(values(cover.turn_view(lead, BEN))) == BEN
        shown = cover.cover_view(lead, turn_of(turn_value(who(lead.schedule, "uiEng", NOW).shift)))
        wish = submitted.cover(
            values(shown, substitute=DINA, at_once=["yes"]), held_of(shown["private_metadata"]), NOW, "en"
        )
        assert isinstance(wish, wanted.Cover)
        assert wish.at_once
        assert "at_once" not in values(
            cover.cover_view(seen(BEN), turn_of(turn_value(who(lead.schedule, "uiEng", NOW).shift)))
        )
        assert cover.turn_view(seen(BEN), ANA) == cover.turn_view(seen(BEN)), "nobody else may by saying so"

    def test_of_very_many_whoever_is_typed_is_found(self) -> None:
        crowd = [f"U{number:04}" for number in range(130)]
        many = seen(BEN, memberships=members(BEN, *crowd))
        turn = turn_of(turn_value(who(many.schedule, "uiEng", NOW).shift))
        shown = next(
            one["element"] for one in cover.cover_view(many, turn)["blocks"] if one.get("block_id") == "substitute"
        )
        assert shown["type"] == "external_select"
        assert [one["value"] for one in cover.found_by(many, turn, " u0129")] == ["U0129"]
        assert len(cover.found_by(many, turn, "")) == 100


class TestRequests:
    def test_waits_with_buttons_and_then_names_who_decided(self) -> None:
        waiting = requests.request(seen(""), [asked()])
        assert {Act.APPROVE, Act.DECLINE, Act.WITHDRAW} <= set(actions(waiting))
        assert held_of(actions(waiting)[Act.APPROVE]["value"]).number == 5
        assert "Why: A wedding &lt;3" in said(waiting)
        done = requests.request(seen(""), [asked(State.DECLINED)], "Too late.")
        assert actions(done) == {}
        assert "Declined by Lena, Mon 19 Jan, 10:00." in said(done)
        assert "Lena says: Too late." in said(done)

    def test_everybody_sees_them_and_only_who_may_has_buttons(self) -> None:
        def buttons(reader: str, *, leads: bool = False, state: State = State.PENDING) -> set[str]:
            waiting, in_force = ([asked()], []) if state is State.PENDING else ([], [asked(state)])
            return set(actions(requests.listing(seen(reader, leads=leads), waiting, in_force)))

        assert buttons(ANA) == set()
        assert buttons(BEN) == {Act.WITHDRAW}
        assert buttons(ANA, leads=True) == {Act.APPROVE, Act.DECLINE, Act.WITHDRAW}
        assert buttons(ANA, leads=True, state=State.APPROVED) == {Act.WITHDRAW}

    def test_an_exchange_is_one_request_of_two_parts(self) -> None:
        two = [
            asked(swap=5),
            msgspec.structs.replace(asked(swap=5), id=6, person=BEN),
        ]
        assert len(requests.grouped([*two, asked()])) == 2
        assert "asks for an exchange of turns" in requests.request(seen(""), two).text
        assert said(requests.request(seen(""), two)).count("UI engineering") == 2

    def test_twenty_go_on_two_pages(self) -> None:
        many = [msgspec.structs.replace(asked(), id=number) for number in range(1, 21)]
        first = requests.listing(seen(ANA), many, [])
        assert "Page 1 of 2" in said(first)
        assert held_of(actions(first)[Act.PAGE_ON]["value"]).page == 1
        assert Act.PAGE_BACK in actions(requests.listing(seen(ANA), many, [], 99))

    def test_each_is_told_what_it_means_for_them(self) -> None:
        def told(person: str, state: State) -> str:
            return requests.outcome(seen(person), [asked(state)], person).text

        assert told(BEN, State.APPROVED).startswith("Your request was approved. :white_check_mark: Approved by Lena")
        assert told(DINA, State.APPROVED).startswith("You stand in for <@UBEN>")
        assert told(DINA, State.WITHDRAWN).startswith("You do not stand in for <@UBEN>")
        assert announcing.expired(seen(BEN), asked(State.EXPIRED)).text.startswith("Nobody decided on your request")

    def test_who_comes_second_is_told_who_was_first(self) -> None:
        taken = Conflict("Lena has approved this already.", state="approved", decided_by="Lena")
        assert requests.refused(seen(), taken, str) == "Lena was first: this was approved already."
        assert requests.refused(seen(locale="he"), taken, str) == "ההחלטה כבר התקבלה על ידי Lena: אושרה."
        assert (
            requests.refused(seen(), Invalid("This time is over already."), str.upper) == "THIS TIME IS OVER ALREADY."
        )

    def test_a_decision_may_be_explained(self) -> None:
        form = requests.note_view(seen(), [asked()], Choice.DECLINE)
        assert held_of(form["private_metadata"]).choice is Choice.DECLINE
        assert (submitted.note(values(form, note=" No. "), "en"), submitted.note(values(form), "en")) == ("No.", "")


WAS = {"uiEng": ANA, "beEng": BEN}


class TestAnnouncing:
    def test_the_hand_over_names_who_comes_who_went_and_who_stays(self) -> None:
        shown = seen("", **TWO)
        now = standing(shown.schedule, SECOND.starts_at)
        change = boundary(WAS, now)
        assert change is not None
        told = announcing.hand_over(shown, WAS, change, now)
        assert told.text.splitlines() == [
            "Web: Sp2 has begun",
            "*UI engineering*: <@UBEN> is on duty now, until Mon 2 Feb, 08:00. Before: <@UANA>.",
            "*Back end*: <@UBEN> stays on duty, until Mon 2 Feb, 08:00.",
        ]
        assert "late" not in said(told)
        mine = announcing.hand_over_to(shown, WAS, change, now, BEN)
        assert "you are on duty now, until Mon 2 Feb, 08:00. Before you: <@UANA>." in mine.text
        assert held_of(actions(mine)[Act.OPEN_COVER]["value"]).span == (SECOND.starts_at, SECOND.ends_at)
        theirs = announcing.hand_over_to(shown, WAS, change, now, ANA)
        assert theirs.text.startswith("Your duty is over\n")
        assert actions(theirs) == {}

    def test_one_that_is_told_late_says_so_and_since_when_it_holds(self) -> None:
        now = standing(seen().schedule, NOW)
        change = boundary({"uiEng": ANA}, now)
        assert change is not None
        told = announcing.hand_over(seen(""), {"uiEng": ANA}, change, now)
        assert "This is told late: it has been so since Mon 19 Jan, 08:00." in said(told)

    def test_a_change_within_a_sprint_says_why(self) -> None:
        shown = seen("", overrides=(override(DINA, "2026-01-19T17:59", "2026-01-20T16:00", instead_of=BEN),))
        now = standing(shown.schedule, NOW)
        change = boundary({"uiEng": BEN}, now)
        assert change is not None
        told = announcing.hand_over(shown, {"uiEng": BEN}, change, now)
        assert told.text.startswith("Web: a change of duty")
        assert "(instead of <@UBEN>)" in told.text

    def test_the_evening_before_tells_who_goes_and_who_comes(self) -> None:
        evening = Seen(prepare(facts()), at("2026-01-19T01:30"), "en")
        due = heads_up(evening.schedule, evening.now)
        assert due is not None
        assert "<@UANA> hands over to <@UBEN>." in announcing.heads_up(evening, due).text
        assert "your duty begins on Mon 19 Jan, 08:00" in announcing.heads_up_to(evening, due, BEN).text
        assert (
            "your duty ends on Mon 19 Jan, 08:00. After you: <@UBEN>." in announcing.heads_up_to(evening, due, ANA).text
        )

    def test_who_is_on_duty_twice_or_while_away_is_asked_to_find_somebody(self) -> None:
        shown = seen(BEN, **TWO)
        (twice, *_) = doubles(shown.schedule, NOW, NOW + timedelta(days=1))
        mine = troubles.double(shown, twice)
        assert mine.text.splitlines()[1].startswith("You are on duty for")
        assert Act.OPEN_COVER in actions(mine)
        assert "<@UBEN> is on duty for" in troubles.double(seen(ANA, **TWO), twice).text
        alone = seen(
            BEN, memberships=members(BEN), rosters=(roster((BEN,)),), absences=(away(BEN, "2026-02-03", "2026-02-05"),)
        )
        (clash,) = clashes(alone.schedule, "uiEng", NOW, NOW + timedelta(days=30))
        assert "while you are away" in troubles.clash(alone, clash).text

    def test_a_topic_names_them_and_is_never_too_long(self) -> None:
        assert announcing.topic("Triage: {people}", seen(), [BEN, None, BEN, ANA]) == "Triage: @Ben, @Ana"
        assert announcing.topic("Triage: {people}", seen(), [None]) == "Triage: nobody"
        assert len(announcing.topic("x" * 400, seen(), [])) == 250

    def test_what_was_kept_while_the_database_was_away_is_answered_for(self) -> None:
        assert "will be decided as soon as the database is back" in said(notices.kept_view("en", "Ask for cover"))
        assert notices.replayed(seen(), NOW).text.endswith("is done now.")
        report = notices.report(seen(), 3, [notices.Refused(BEN, NOW, "Lena was first.")])
        assert "<@UBEN>, Mon 19 Jan, 10:00: Lena was first." in report.text


class TestAdministration:
    def test_a_sprint_is_previewed_and_only_just_that_is_saved(self) -> None:
        lead = seen(ANA, leads=True)
        first = sprints.form(lead)
        assert first["submit"]["text"] == "Preview"
        wish = submitted_admin.sprint(values(first, name="Sp7"), held_of(first["private_metadata"]), "en")
        assert wish == wanted.NewSprint("Sp7", date(2026, 3, 30), date(2026, 4, 13))
        assert isinstance(wish, wanted.NewSprint)
        shown = previews.planned(lead.schedule.facts, wish, NOW)
        second = sprints.form(lead, wanted=wish, shown=shown)
        held = held_of(second["private_metadata"])
        assert second["submit"]["text"] == "Save"
        assert "Mon 30 Mar, 08:00 – Mon 13 Apr, 08:00: <@UANA> instead of nobody" in said(second)
        again = submitted_admin.sprint(values(second), held, "en")
        other = submitted_admin.sprint(values(second, last_day="2026-04-20"), held, "en")
        assert isinstance(again, wanted.NewSprint)
        assert isinstance(other, wanted.NewSprint)
        assert wanted.was_shown(held, again, 0)
        assert not wanted.was_shown(held, again, 1), "the rota has changed since"
        assert not wanted.was_shown(held, other, 0), "this was never shown"
        assert not wanted.was_shown(held_of(first["private_metadata"]), wish, 0)

    def test_a_sprint_that_is_there_is_changed_with_a_reason_and_removed_before_it_begins(self) -> None:
        lead = seen(ANA, leads=True)
        form = sprints.form(lead, SECOND.id)
        held = held_of(form["private_metadata"])
        assert isinstance(submitted_admin.sprint(values(form), held, "en"), submitted.Errors)
        changed = submitted_admin.sprint(values(form, reason="Longer"), held, "en")
        assert isinstance(changed, wanted.NewSprint)
        assert changed.number == SECOND.id
        backwards = submitted_admin.sprint(values(form, reason="x", last_day="2026-01-01"), held, "he")
        assert backwards == submitted.Errors({"last_day": "הסיום אחרי ההתחלה."})
        removal = sprints.removal(lead, THIRD, Shown(1, [], dropped=2))
        assert held_of(removal["private_metadata"]).number == THIRD.id
        assert "Overrides that would go with it: 2." in said(removal)
        listed = sprints.listing(lead)
        assert "*Sp2*: Mon 19 Jan, 08:00 – Mon 2 Feb, 08:00 (runs)" in said(listed)
        assert Act.SPRINT_CHANGE not in actions(sprints.listing(seen()))

    def test_thirteen_sprints_go_on_two_pages_of_which_the_one_that_runs_is_shown(self) -> None:
        many = seen(sprints=some_sprints(13, date(2025, 7, 21)))
        shown = sprints.listing(many)
        assert "Page 2 of 2" in said(shown)
        back = held_of(actions(shown)[Act.PAGE_BACK]["value"]).page
        assert "Page 1 of 2" in said(sprints.listing(many, back))

    def test_a_roster_keeps_the_order_in_which_people_were_chosen_and_what_it_did_not_ask_for(self) -> None:
        lead = seen(ANA, leads=True)
        form = disciplines.roster_form(lead, "uiEng")
        held, before = held_of(form["private_metadata"]), disciplines.newest(lead, "uiEng")
        wish = submitted_admin.roster(
            values(form, people=[DINA, ANA], in_order=["yes"], reason="New"), held, TEAM, before, "en"
        )
        assert isinstance(wish, wanted.NewRoster)
        assert (wish.people, wish.rotation, wish.in_order, wish.discipline) == ((DINA, ANA), None, True, "uiEng")
        daily = submitted_admin.roster(
            values(form, kind="daily", days=["0", "4"], hand_over="09:30", reason="New"), held, TEAM, before, "en"
        )
        assert isinstance(daily, wanted.NewRoster)
        assert daily.people == (ANA, BEN, CHEN)
        assert daily.rotation is not None
        assert (daily.rotation.kind, daily.rotation.days) == (Kind.DAILY, frozenset({0, 4}))
        shown = disciplines.roster_form(lead, "uiEng", daily, Shown(4))
        assert wanted.was_shown(held_of(shown["private_metadata"]), daily, 4)
        assert submitted_admin.roster(values(shown), held, TEAM, before, "en") == daily
        empty = submitted_admin.roster(values(form, people=[], reason=""), held, TEAM, before, "en")
        assert empty == submitted.Errors({"people": "Please choose at least one.", "reason": "Please fill this in."})

    def test_a_rule_that_slack_does_not_ask_for_stays(self) -> None:
        rule = Rotation(
            Kind.WEEKLY, "Asia/Jerusalem", days=frozenset({6}), weeks=2, rest=True, counted_from=date(2026, 1, 4)
        )
        lead = seen(ANA, leads=True, rosters=(msgspec.structs.replace(roster(), rotation=rule),))
        form = disciplines.roster_form(lead, "uiEng")
        before, held = disciplines.newest(lead, "uiEng"), held_of(form["private_metadata"])
        same = submitted_admin.roster(values(form, reason="x"), held, TEAM, before, "en")
        weeks = submitted_admin.roster(values(form, reason="x", weeks="3"), held, TEAM, before, "en")
        assert isinstance(same, wanted.NewRoster)
        assert isinstance(weeks, wanted.NewRoster)
        assert same.rotation is None
        assert weeks.rotation == Rotation(Kind.WEEKLY, ZONE, days=frozenset({6}), weeks=3, rest=True)

    def test_disciplines_are_added_changed_and_taken_out_of_use(self) -> None:
        lead = seen(ANA, leads=True, disciplines=(UI, msgspec.structs.replace(BE, unused=(Unused(NOW),))))
        new = disciplines.form(lead)
        held = held_of(new["private_metadata"])
        added = submitted_admin.discipline(values(new, code="po", name="Product"), held, frozenset(), "en")
        assert isinstance(added, wanted.NewDiscipline)
        assert (added.discipline.code, added.discipline.place) == ("po", 5)
        for code, why in (("a b", "Letters"), ("uiEng", "one of this code already")):
            wrong = submitted_admin.discipline(values(new, code=code, name="x"), held, frozenset({"uiEng"}), "en")
            assert isinstance(wrong, submitted.Errors)
            assert why in wrong.by_block["code"]
        known = disciplines.form(lead, "uiEng")
        about = held_of(known["private_metadata"])
        named = submitted_admin.discipline(values(known, name="UI"), about, frozenset(), "en")
        assert named == wanted.NewDiscipline(Discipline("uiEng", "UI", 3))
        form = disciplines.use_form(lead, "uiEng")
        assert "Take out of use" in said(form)
        unsaid = submitted_admin.use(values(form), held_of(form["private_metadata"]), "en", in_use=False)
        assert unsaid == submitted.Errors({"reason": "Please fill this in."})
        sent = values(form, first_day="2026-02-02", reason="It is done")
        off = submitted_admin.use(sent, held_of(form["private_metadata"]), "en", in_use=False)
        assert off == wanted.NewUse("uiEng", False, date(2026, 2, 2), "It is done")
        assert "Bring back into use" in said(disciplines.use_form(lead, "beEng"))
        assert "Back end" not in said(disciplines.listing(lead))
        assert "*Back end* `beEng`: not in use" in said(disciplines.listing(lead, hidden=True))

    def test_who_leaves_is_previewed_and_who_joins_is_listed(self) -> None:
        lead = seen(ANA, leads=True, **TWO)
        assert "<@UBEN>: UI engineering, Back end" in said(people.listing(lead))
        form = people.leave_form(lead, BEN)
        about = held_of(form["private_metadata"])
        unsaid = submitted_admin.leaving(values(form, first_day="2026-02-02"), about, "en")
        assert unsaid == submitted.Errors({"reason": "Please fill this in."})
        said_why = values(form, first_day="2026-02-02", reason="Moves to Data")
        wish = submitted_admin.leaving(said_why, about, "en")
        assert wish == wanted.Leaving(BEN, None, date(2026, 2, 2), "Moves to Data")
        assert isinstance(wish, wanted.Leaving)
        shown = people.leave_form(lead, BEN, wish, previews.left(lead.schedule.facts, wish, NOW))
        assert "UI engineering, Mon 2 Mar, 08:00 – Mon 16 Mar, 08:00: <@UCHEN> instead of <@UBEN>" in said(shown)
        assert "19 Jan" not in said(shown), "what is before it stays as it is"
        assert "Moves to Data" in str(shown), "the preview keeps why"
        joins = people.join_form(lead)
        joining = submitted_admin.joining(
            values(joins, person="UNEW", disciplines=["beEng"], first_day="2026-02-02"), "en"
        )
        assert joining == wanted.Joining("UNEW", ("beEng",), date(2026, 2, 2))
        nobody = submitted_admin.joining(values(joins), "en")
        assert nobody == submitted.Errors(
            {"person": "Please fill this in.", "disciplines": "Please choose at least one."}
        )

    def test_who_joins_again_is_previewed_and_offered_the_next_sprint_and_who_will_leave_may_stay(self) -> None:
        everybody = (*members(ANA, BEN, CHEN, DINA), *members(DINA, BEN, code="beEng"))
        gone = [one for one in everybody if one.person != BEN]
        lead = seen(ANA, leads=True, **(TWO | {"memberships": tuple(gone)}))
        form = people.join_form(lead, BEN)
        assert "The next sprint, Sp3, begins on" in str(form)
        wish = submitted_admin.joining(values(form, disciplines=["uiEng"]), "en")
        assert wish == wanted.Joining(BEN, ("uiEng",), date(2026, 2, 2))
        assert isinstance(wish, wanted.Joining)
        shown = people.join_form(lead, BEN, wish, previews.joined(lead.schedule.facts, wish, NOW))
        assert "UI engineering, Mon 2 Mar, 08:00 – Mon 16 Mar, 08:00: <@UBEN> instead of <@UCHEN>" in said(shown)
        ends = tuple(
            msgspec.structs.replace(one, until=SECOND.ends_at)
            if (one.person, one.discipline) == (BEN, "uiEng")
            else one
            for one in everybody
        )
        lead = seen(ANA, leads=True, **(TWO | {"memberships": ends}))
        assert "<@UBEN>: UI engineering (until Mon 2 Feb), Back end" in said(people.listing(lead))
        assert "triage_person_join" in str(people.leave_form(lead, BEN))
        assert values(people.join_form(lead, BEN))["disciplines"] is not None

    def test_from_a_day_on_is_from_its_hand_over_or_from_now(self) -> None:
        assert wanted.from_when(date(2026, 2, 2), TEAM, NOW) == SECOND.ends_at
        assert wanted.from_when(date(2026, 1, 19), TEAM, NOW) == NOW

    def test_every_view_has_its_own_name(self) -> None:
        lead = seen(ANA, leads=True)
        shown = (
            schedule.schedule_view(lead), schedule.mine_view(lead), schedule.rosters_view(lead), sprints.listing(lead),
            disciplines.listing(lead), people.listing(lead), home.hub_view(lead), requests.listing(lead, [], []),
        )  # fmt: skip
        assert [one["callback_id"] for one in shown] == [
            View.SCHEDULE, View.MINE, View.ROSTERS, View.SPRINTS, View.DISCIPLINES, View.PEOPLE, View.HUB,
            View.REQUESTS,
        ]  # fmt: skip


def test_facts_are_what_a_snapshot_holds_too() -> None:
    """What is shown while the database is away is built by the same functions, from facts that were written down."""
    kept = msgspec.json.decode(msgspec.json.encode(facts()), type=Facts)
    assert schedule.who_is_on(Seen(prepare(kept), NOW)) == schedule.who_is_on(Seen(prepare(facts()), NOW))


def test_a_turn_that_goes_on_beyond_what_is_looked_at_is_told_to_its_end() -> None:
    until = THIRD.starts_at + timedelta(days=3)
    found = showing.coming(prepare(facts()), ["uiEng"], CHEN, NOW, until)
    assert [(one.starts_at, one.ends_at) for one in found] == [(THIRD.starts_at, THIRD.ends_at)]
