"""Who is told what, once; and what withdraws it again."""

from datetime import date
from typing import Any

import pytest

from shared.domain.aggregate import stable_id
from shared.events import assignment, notify, supervision
from shared.rulebook import load_rulebook


def of(world: Any, case: Any, kind: Any) -> list[Any]:
    return [fact for fact in world.facts(case) if isinstance(fact, kind)]


def release_second(world: Any, text: str) -> None:
    """Supervision releases this as the second rulebook."""
    what = {"version": 5, "effective": date(2021, 3, 1), "text": text}
    world.told(supervision.RulebookReleased, stable_id("test-rulebook", 2), **what)


def test_a_case_tells_the_post_in_blue(world: Any) -> None:
    case = world.case()
    [notice] = of(world, case, notify.NoticeIssued)
    assert (notice.level, notice.colour, notice.to_unit, notice.to_post) == (
        "assigned",
        "blue",
        "fgw",
        "fgw/officer",
    )
    assert "上海庙园区道路贯通" in notice.text
    assert "旗发展和改革委员会" in notice.text
    world.nothing_new_when_delivered_again()


def test_of_a_case_without_a_post_the_head_is_told(world: Any) -> None:
    world.case(post=None)
    assert world.standing() == [("assigned", "fgw/head")]


def test_a_whistle_tells_the_head_of_its_desk_when_it_is_blown_though_no_case_is_opened_yet(
    world: Any,
) -> None:
    case = world.blown()
    assert world.standing() == [("assigned", "fgw/head")]
    [notice] = world.notices(level="assigned")
    assert "请即派单" in notice["text"]
    assert notice["case_id"] == str(case)
    answer = world.client("fgw/head").post(f"/api/v1/notices/{notice['id']}/acknowledge")
    assert answer.status_code == 200, answer.json
    before = world.facts(case)
    assert world.case(kind="whistle", post=None, supporters=()) == case
    assert world.facts(case) == before
    world.told(
        supervision.CustodyMoved, case, from_unit="fgw", to_unit="czj", to_post="czj/officer", leads=True
    )
    assert world.standing(level="assigned") == [("assigned", "czj/officer")]
    world.nothing_new_when_delivered_again()


def test_a_case_of_a_whistle_that_was_blown_before_an_upgrade_tells_its_desk(world: Any) -> None:
    case = world.case(kind="whistle", post=None, supporters=())
    assert world.kinds(case) == ["MatterFollowed", "NoticeIssued"]
    assert world.standing(level="assigned") == [("assigned", "fgw/head")]
    world.blown()
    assert world.kinds(case) == ["MatterFollowed", "NoticeIssued"]
    world.nothing_new_when_delivered_again()


def test_a_confidential_whistle_is_told_by_its_number(world: Any) -> None:
    world.blown(confidential=True)
    [notice] = world.notices(level="assigned")
    assert "上海庙" not in notice["subject"] + notice["text"]
    assert "2021-case-1" in notice["text"]


def test_a_whistle_follows_the_rulebook_under_which_its_case_is_opened(world: Any) -> None:
    text = load_rulebook().text.replace("# version: 4", "# version: 5")
    [contact] = [line for line in text.splitlines() if line.startswith("contact,")]
    text = text.replace(contact, contact.replace("missed:unit_head", "missed:vice_leader"))
    release_second(world, text)
    case = world.blown()
    world.case(kind="whistle", post=None, supporters=(), rulebook_version=5)
    [pinned] = of(world, case, notify.MatterPinned)
    assert pinned.rulebook_version == 5
    world.missed(case, clock="contact")
    assert world.standing(level="missed") == [("missed", "gov/vice-leader")]
    world.nothing_new_when_delivered_again()


def test_an_approaching_deadline_tells_the_officer_in_yellow_once_a_clock_and_cycle(world: Any) -> None:
    case = world.case()
    world.approaching(case, due_on=date(2021, 2, 7))
    world.approaching(case, point=2, due_on=date(2021, 2, 7))
    [notice] = world.notices(level="approaching")
    assert (notice["to_post"], notice["colour"], notice["clock"]) == ("fgw/officer", "yellow", "task_due")
    assert "2021年2月7日（星期日，调休上班）前" in notice["text"]
    world.approaching(case, cycle=2)
    assert len(world.notices(level="approaching")) == 2
    world.nothing_new_when_delivered_again()


def test_the_ladder_of_the_clock_decides_whom_a_miss_tells(world: Any) -> None:
    case = world.case(kind="whistle")
    world.approaching(case, "hard_limit")
    assert world.standing(level="approaching") == [
        ("approaching", "fgw/officer"),
        ("approaching", "fgw/head"),
    ]
    world.missed(case, "hard_limit")
    assert world.standing(level="missed") == [("missed", "fgw/head"), ("missed", "gov/vice-leader")]
    assert world.standing(level="approaching") == []
    world.missed(case, "contact")
    assert world.standing(level="missed", clock="contact") == [("missed", "fgw/head")]
    world.nothing_new_when_delivered_again()


def test_a_supporting_units_own_clock_tells_its_own_head(world: Any) -> None:
    case = world.case()
    world.approaching(case, "acknowledge", unit="czj")
    assert world.standing(level="approaching") == [("approaching", "czj/head")]  # its officer is not known
    world.missed(case, "acknowledge", unit="czj")
    assert world.standing(level="missed") == [("missed", "czj/head")]


def test_a_case_pinned_to_another_rulebook_is_told_by_that_ladder(world: Any) -> None:
    text = load_rulebook().text.replace("# version: 4", "# version: 5")
    text = text.replace(
        '"approaching:officer missed:unit_head round1:unit_head,vice_leader round2:main_leader"',
        '"approaching:officer missed:unit_head,vice_leader round1:unit_head round2:main_leader"',
    )
    release_second(world, text)
    old, new = world.case("old"), world.case("new", rulebook_version=5)
    world.missed(old)
    world.missed(new)
    assert world.standing(level="missed", case_id=str(old)) == [("missed", "fgw/head")]
    assert world.standing(level="missed", case_id=str(new)) == [
        ("missed", "fgw/head"),
        ("missed", "gov/vice-leader"),
    ]
    world.nothing_new_when_delivered_again()


def test_rounds_tell_the_head_and_the_leader_in_charge(world: Any) -> None:
    case = world.case()
    world.round(case, 1)
    world.round(case, 2)
    rows = [
        (row["level"], row["colour"], row["to_post"], row["cycle"])
        for row in world.notices(clock="round_answer")
    ]
    assert rows == [
        ("round1", "yellow", "fgw/head", 1),
        ("round1", "yellow", "gov/vice-leader", 1),
        ("round2", "red", "fgw/head", 2),
        ("round2", "red", "gov/vice-leader", 2),
    ]
    world.nothing_new_when_delivered_again()


def test_for_a_missing_leader_in_charge_the_main_leader_is_told(world: Any) -> None:
    case = world.case(leader_post=None)
    world.round(case, 1)
    assert world.standing(level="round1") == [("round1", "fgw/head"), ("round1", "gov/main-leader")]


def test_a_leader_who_has_the_matter_is_told_himself(world: Any) -> None:
    case = world.case()
    world.missed(case, unit="gov", holder="gov")
    assert world.standing(level="missed") == [("missed", "gov/vice-leader")]


def test_who_answers_and_who_has_it_are_both_told_of_a_miss(world: Any) -> None:
    case = world.case()
    world.missed(case, unit="fgw", holder="czj")
    assert world.standing(level="missed") == [("missed", "fgw/head"), ("missed", "czj/head")]


def test_a_slow_round_alone_is_not_put_to_the_main_leader(world: Any) -> None:
    case = world.case()
    for number in (1, 2):
        world.round(case, number)
        world.judged(case, number)
    assert "EscalationOpened" not in world.kinds(case)


def test_what_supervision_left_unresolved_is_put_to_the_main_leader(world: Any) -> None:
    case = world.escalated()
    told = world.notices(level="unresolved")
    assert [(row["to_post"], row["needs_acknowledgement"]) for row in told] == [("gov/main-leader", True)]
    assert "EscalationOpened" in world.kinds(case)
    world.nothing_new_when_delivered_again()


def test_a_third_slow_round_is_put_to_the_main_leader_anew(world: Any) -> None:
    case = world.escalated()
    world.round(case, 3)
    world.unresolved(case, 3)
    assert [row["state"] for row in world.notices(level="unresolved")] == ["withdrawn", "open"]
    assert (world.escalation(case)["state"], world.escalation(case)["round"]) == ("open", 3)


def test_what_is_no_longer_unresolved_is_withdrawn_and_may_come_back(world: Any) -> None:
    case = world.escalated()
    world.told(supervision.RoundVoided, case, round=1, reason="程序有误")
    world.no_longer_unresolved(case, 2, "第1轮作废：程序有误")
    assert world.escalation(case)["state"] == "withdrawn"
    assert "程序有误" in world.escalation(case)["ground"]
    assert world.standing(level="unresolved") == world.standing(level="round1") == []
    world.round(case, 3)
    world.unresolved(case, 3)
    assert world.escalation(case)["state"] == "open"
    world.nothing_new_when_delivered_again()


def test_an_upheld_objection_withdraws_the_rounds_notices_and_a_rejected_one_does_not(world: Any) -> None:
    case = world.escalated()
    world.told(supervision.ObjectionRuled, case, round=2, upheld=False, reason="维持")
    assert world.standing(level="round2")
    world.told(supervision.ObjectionRuled, case, round=2, upheld=True, reason="成立")
    assert world.standing(level="round2") == []
    world.nothing_new_when_delivered_again()


def test_resolution_withdraws_what_pressed_and_leaves_the_assignment(world: Any) -> None:
    case = world.escalated()
    world.missed(case)
    world.round(case, 3)
    world.judged(case, 3, "resolved")
    assert world.standing() == [("assigned", "fgw/officer")]
    assert world.escalation(case)["state"] == "withdrawn"
    assert {row["ground"] for row in world.notices(state="withdrawn")} == {"第3轮督办认定为已解决"}
    world.nothing_new_when_delivered_again()


def test_closing_withdraws_everything_and_reopening_tells_the_post_again(world: Any) -> None:
    case = world.escalated()
    world.missed(case)
    world.told(supervision.CaseClosed, case, ground="cancelled")
    assert world.standing() == []
    world.told(supervision.CaseReopened, case, reason="退回补办")
    assert world.standing() == [("assigned", "fgw/officer")]
    ids = [row["id"] for row in world.notices(level="assigned")]
    assert len(set(ids)) == 2
    world.nothing_new_when_delivered_again()


def test_a_retracted_miss_withdraws_its_notice_and_a_later_miss_is_told_anew(world: Any) -> None:
    case = world.case()
    world.missed(case)
    world.missed(case, "acknowledge")
    world.told(
        supervision.DeadlineMissRetracted,
        case,
        clock="task_due",
        cycle=1,
        unit="fgw",
        ground="fact_arrived_late",
    )
    assert world.standing(level="missed", clock="task_due") == []
    assert len(world.standing(level="missed", clock="acknowledge")) == 1
    world.missed(case)
    assert world.standing(level="missed", clock="task_due") == [("missed", "fgw/head")]
    world.nothing_new_when_delivered_again()


@pytest.mark.parametrize("how", ["stopped", "paused", "rescheduled", "cancelled"])
def test_a_clock_at_rest_withdraws_its_warning_but_not_its_miss(world: Any, how: str) -> None:
    case = world.case()
    world.approaching(case)
    world.missed(case, cycle=2)
    name = {"clock": "task_due", "cycle": 1}
    if how == "stopped":
        world.told(
            supervision.ClockStopped,
            case,
            **name,
            unit="fgw",
            stopped_at=world.clock(),
            due_on=date(2021, 3, 5),
            verdict="in_time",
            calendar_version=1,
        )
        world.told(
            supervision.ClockStopped,
            case,
            clock="task_due",
            cycle=2,
            unit="fgw",
            stopped_at=world.clock(),
            due_on=date(2021, 3, 5),
            verdict="late",
            calendar_version=1,
        )
    elif how == "paused":
        world.told(supervision.ClockPaused, case, **name, reason="暂停")
    elif how == "cancelled":
        world.told(supervision.ClockCancelled, case, **name, reason="撤销")
    else:
        world.told(
            supervision.ClockRescheduled,
            case,
            **name,
            due_on=date(2021, 4, 1),
            due_at=world.clock(),
            original_due_on=date(2021, 3, 5),
            provisional=False,
            calendar_version=1,
            ground="extended",
        )
    assert world.standing(level="approaching") == []
    assert world.standing(level="missed") == [("missed", "fgw/head")]
    world.approaching(case)
    assert world.standing(level="approaching") == [("approaching", "fgw/officer")]


def test_a_cancelled_clock_withdraws_its_miss_too(world: Any) -> None:
    case = world.case()
    world.missed(case)
    world.told(supervision.ClockCancelled, case, clock="task_due", cycle=1, reason="任务撤销")
    assert world.standing(level="missed") == []


def test_another_lead_is_told_and_the_former_released(world: Any) -> None:
    case = world.case()
    world.told(supervision.CustodyMoved, case, from_unit="fgw", to_unit="inspect")
    assert world.standing() == [("assigned", "fgw/officer"), ("started", "inspect/chief")]
    world.told(
        supervision.CustodyMoved, case, from_unit="fgw", to_unit="czj", to_post="czj/officer", leads=True
    )
    assert world.standing() == [("assigned", "czj/officer")]
    world.approaching(case, unit="czj")
    assert world.standing(level="approaching") == [("approaching", "czj/officer")]
    world.nothing_new_when_delivered_again()


def named(world: Any, case: Any, **other: Any) -> Any:
    naming = stable_id("test-naming", case, *other.values())
    what = {"case_id": case, "unit": "fgw", "post": "fgw/officer"}
    world.told(
        supervision.NamingDrafted,
        naming,
        **what,
        case_number="2021-1",
        rounds=(1, 2),
        text="拟通报",
        corrects=other.get("corrects"),
    )
    world.told(
        supervision.NamingChecked,
        naming,
        drafted_by="inspect/chief",
        objections_until=date(2021, 3, 12),
        window_closes_at=world.clock(),
    )
    return naming


def published(world: Any, naming: Any, case: Any, number: int = 1, **other: Any) -> None:
    what = {"case_id": case, "unit": "fgw", "post": "fgw/officer", "series": "督查通报", "year": 2021}
    world.told(supervision.NamingPublished, naming, **what, number=number, text="通报全文", **other)


def test_a_window_that_a_release_of_the_calendar_moved_is_told_anew(world: Any) -> None:
    case = world.escalated()
    naming = named(world, case)
    world.told(
        supervision.NamingWindowMoved,
        naming,
        unit="fgw",
        moved_from=date(2021, 3, 12),
        objections_until=date(2021, 3, 15),
        window_closes_at=world.clock(),
        calendar_version=2,
    )
    told = sorted(world.notices(level="naming"), key=lambda one: one["state"] == "withdrawn")
    assert [one["to_post"] for one in told] == ["fgw/head", "fgw/head"]
    assert [one["colour"] for one in told] == ["blue", "yellow"]
    assert "3月12日" in told[0]["text"]
    assert "3月15日" in told[0]["text"]
    assert world.standing(level="naming") == [("naming", "fgw/head")]


def test_a_naming_tells_the_head_its_window_then_its_number_until_it_is_lifted(world: Any) -> None:
    case = world.escalated()
    naming = named(world, case)
    [window] = world.notices(clock="objection_window")
    assert (window["to_post"], window["colour"]) == ("fgw/head", "yellow")
    assert "2021年3月12日（星期五）前" in window["text"]
    published(world, naming, case)
    assert world.notices(clock="objection_window")[0]["state"] == "withdrawn"
    [notice] = world.notices(clock="naming")
    assert (notice["to_post"], notice["colour"], notice["state"]) == ("fgw/head", "red", "open")
    assert "督查通报〔2021〕1号" in notice["subject"]
    world.told(supervision.CaseClosed, case, ground="resolved")
    assert world.standing() == [("naming", "fgw/head")]
    world.told(supervision.NamingLifted, naming, reason="整改到位")
    assert world.standing() == []
    world.nothing_new_when_delivered_again()


def test_a_corrected_naming_is_withdrawn_and_the_correction_told(world: Any) -> None:
    case = world.escalated()
    naming = named(world, case)
    published(world, naming, case)
    correction = stable_id("test-naming", "correction")
    world.told(
        supervision.NamingDrafted,
        correction,
        case_id=case,
        case_number="2021-1",
        unit="fgw",
        post=None,
        rounds=(1, 2),
        text="更正",
        corrects=naming,
    )
    published(world, correction, case, 2, corrects=naming)
    world.told(supervision.NamingCorrected, naming, correction_id=correction, reason="认定有误")
    assert world.notices(clock="naming")[0]["state"] == "withdrawn"
    [told] = world.notices(clock="naming_correction")
    assert (told["state"], told["colour"]) == ("open", "blue")


def test_a_naming_that_is_withdrawn_takes_the_notice_of_its_window(world: Any) -> None:
    case = world.escalated()
    naming = named(world, case)
    world.no_longer_unresolved(case, 2, "第2轮异议成立")
    assert world.escalation(case)["state"] == "withdrawn"
    world.told(supervision.NamingWithdrawn, naming, reason="失去依据")
    assert world.standing(clock="objection_window") == []
    world.nothing_new_when_delivered_again()


def test_a_unit_without_a_head_parks_the_message_until_a_retry(world: Any) -> None:
    world.say(
        assignment.UnitRegistered,
        stable_id("unit", "zrj"),
        unit="zrj",
        name="旗自然资源局",
        kind="department",
    )
    case = world.case(unit="zrj", post="zrj/officer")
    size = world.size()
    world.missed(case, unit="zrj")
    [parked] = world.opened["notify"].reactor.parked()
    assert parked.reason.startswith("UnitHasNoHead")
    assert world.size() == size
    world.told(
        assignment.PostCreated,
        stable_id("post", "zrj/head"),
        post="zrj/head",
        unit="zrj",
        title="局长",
        role="unit_head",
    )
    assert world.opened["notify"].reactor.parked() == []  # tried again by itself
    world.opened.settle()
    assert world.standing(level="missed") == [("missed", "zrj/head")]


@pytest.mark.parametrize("kind", ["task", "duty", "whistle"])
def test_of_a_secret_matter_no_notice_holds_more_than_its_number(world: Any, kind: str) -> None:
    case = world.case(kind=kind, secrecy="secret", title="机密工程甲")
    world.started(case)
    world.approaching(case)
    world.missed(case)
    for number in (1, 2):
        world.round(case, number, requirement="机密要求乙")
        world.judged(case, number, reason="机密情况丙")
    what = {"unit": "fgw", "round": 2, "reason": "机密情况丙"}
    world.told(supervision.SupervisionUnresolved, case, **what)
    naming = named(world, case)
    published(world, naming, case)
    world.at("2021-03-09 09:00")
    rows = world.notices()
    assert {row["level"] for row in rows} == {
        "assigned",
        "approaching",
        "missed",
        "round1",
        "round2",
        "unresolved",
        "naming",
        "digest",
    }
    for row in rows:
        for word in ("机密", "甲", "乙", "丙", "通报全文"):
            assert word not in row["subject"] + row["text"]
    assert all("2021-case-1" in row["subject"] + row["text"] for row in rows)
    for path in world.eml():
        assert "机密".encode() not in path.read_bytes()
    import email
    import email.policy

    for path in world.eml():
        letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert "机密" not in letter.get_content() + letter["Subject"]


def test_a_half_month_that_is_missed_goes_up_its_own_ladder(world: Any) -> None:
    what = {"post": None, "supporters": (), "secrecy": "internal", "duty": "half_month_report"}
    case = world.case(kind="period", title="半月专报", **what)
    world.missed(case, clock="half_month_report")
    assert world.standing(level="missed") == [("missed", "fgw/head")]


def test_a_trip_report_that_is_missed_is_told_to_the_unit_head(world: Any) -> None:
    case = world.case(kind="trip", title="考察学习", post="fgw/officer", supporters=())
    world.missed(case, clock="trip_report")
    assert world.standing(level="missed") == [("missed", "fgw/head")]
