"""Working hours, reminders, expiry, digests, delivery: what happens by the clock."""

import email
import email.policy
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import Matter
from services.notify.domain.hours import in_hours, not_before
from shared.calendar import Calendar
from shared.domain.aggregate import stable_id
from shared.domain.clock import close_of, local_day
from shared.events import assignment, enterprise, notify, supervision
from shared.testing import shanghai

BASE = Calendar.base()


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ("2021-02-07 10:00", "2021-02-07 10:00"),  # a Sunday, worked
        ("2021-02-07 08:29", "2021-02-07 08:30"),
        ("2021-02-10 17:29", "2021-02-10 17:29"),
        ("2021-02-10 20:00", "2021-02-18 08:30"),  # over the Spring Festival
        ("2021-02-06 12:00", "2021-02-07 08:30"),  # Saturday: Sunday is worked
        ("2020-12-31 18:00", "2021-01-04 08:30"),  # over the New Year
        ("2021-01-01 09:00", "2021-01-04 08:30"),
        ("2021-12-31 23:59", "2022-01-04 08:30"),
    ],
)
def test_nobody_is_disturbed_before_the_next_working_morning(now: str, shown: str) -> None:
    assert not_before(BASE, shanghai(now), "task_due") == shanghai(shown)
    assert not_before(BASE, shanghai(now), "incident_safety") == shanghai(now)


@given(
    st.datetimes(
        shanghai("2007-01-01 00:00").replace(tzinfo=None), shanghai("2026-12-01 00:00").replace(tzinfo=None)
    )
)
def test_what_is_shown_is_shown_in_working_hours_and_never_earlier(naive: Any) -> None:
    now = naive.replace(tzinfo=shanghai("2021-01-01 00:00").tzinfo)
    shown = not_before(BASE, now, "task_due")
    assert shown >= now
    assert in_hours(BASE, shown)
    assert not_before(BASE, shown, "task_due") == shown


def test_a_notice_of_the_evening_waits_over_the_festival_in_inbox_and_outbox(world: Any) -> None:
    world.at("2021-02-10 19:00")
    world.case()
    officer = world.client("fgw/officer")
    assert officer.get("/api/v1/notices").json["items"] == []
    assert world.eml() == []
    world.at("2021-02-18 08:29")
    assert officer.get("/api/v1/notices").json["items"] == []
    world.at("2021-02-18 08:30")
    [shown] = officer.get("/api/v1/notices").json["items"]
    assert shown["not_before"] == "2021-02-18T00:30:00+00:00"
    [path] = [path for path in world.eml() if path.stem == shown["id"]]
    assert path.parent.name == "2021-02-18"


def test_a_withdrawn_notice_never_leaves(world: Any) -> None:
    world.at("2021-03-08 19:00")
    case = world.case()
    world.told(supervision.CaseClosed, case, ground="withdrawn")
    world.at("2021-03-09 09:00")
    assert world.eml() == []
    assert world.opened.of_kind("notify", notify.NoticeDelivered) == []


def test_a_letter_is_readable_and_its_delivery_recorded_once(world: Any) -> None:
    world.case()
    [path] = world.eml()
    [delivered] = world.opened.of_kind("notify", notify.NoticeDelivered)
    assert path.name == f"{delivered.notice_id}.eml"
    assert delivered.reference == f"2021-03-08/{path.name}"
    letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert letter["To"] == "fgw.officer@duban.invalid"
    assert letter["Subject"].startswith("【蓝】督办任务交办")
    assert "上海庙园区道路贯通" in letter.get_content()
    before = path.read_bytes()
    world.opened.settle()
    assert [path.read_bytes() for path in world.eml()] == [before]
    assert len(world.opened.of_kind("notify", notify.NoticeDelivered)) == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_letter_written_before_a_crash_is_written_again_the_same(world: Any) -> None:
    from services.notify.application.outbox import written
    from services.notify.domain import NoticeState

    at = shanghai("2021-03-08 09:00")
    notice = NoticeState(
        clock="task_due",
        cycle=1,
        level="missed",
        colour="red",
        to_unit="fgw",
        to_post="fgw/head",
        subject="【红】已超时限",
        text="第一行\n第二行",
        not_before=at,
        issued_at=at,
        deliver_at=at,
        version=2,
    )
    once = written(stable_id("x"), notice)
    assert once == written(stable_id("x"), notice)
    assert b"Date: Mon, 08 Mar 2021 09:00:00 +0800" in once


def reminders(world: Any) -> list[int]:
    return [row["reminder"] for row in world.notices(level="unresolved")]


def test_the_main_leader_is_reminded_each_working_morning_until_he_acknowledges(world: Any) -> None:
    world.at("2021-03-12 10:00")  # Friday
    case = world.escalated()
    for moment, expected in [
        ("2021-03-12 23:00", [0]),
        ("2021-03-14 12:00", [0]),
        ("2021-03-15 08:29", [0]),
        ("2021-03-15 08:30", [0, 1]),
        ("2021-03-15 16:00", [0, 1]),
        ("2021-03-16 08:30", [0, 1, 2]),
    ]:
        world.at(moment)
        assert reminders(world) == expected, moment
    world.client("gov/main-leader").post(f"/api/v1/escalations/{Matter.id_of(case)}/acknowledge")
    world.at("2021-03-18 09:00")
    assert reminders(world) == [0, 1, 2]
    assert {row["state"] for row in world.notices(level="unresolved")} == {"acknowledged"}


def test_ten_days_without_a_worker_make_one_reminder_not_ten(world: Any) -> None:
    case = world.escalated()
    world.at("2021-03-19 10:00")
    assert reminders(world) == [0, 1]
    assert world.escalation(case)["next_reminder_at"] == shanghai("2021-03-22 08:30")
    before = world.size()
    for _ in range(3):
        world.opened.settle()
    assert world.size() == before
    world.nothing_new_when_delivered_again()


def test_a_worker_that_comes_back_at_night_reminds_for_the_morning(world: Any) -> None:
    world.escalated()
    world.at("2021-03-09 22:00")
    assert reminders(world) == [0, 1]
    assert world.notices(level="unresolved")[-1]["not_before"] == shanghai("2021-03-10 08:30")
    world.at("2021-03-10 09:00")
    assert reminders(world) == [0, 1]


def acknowledged(world: Any, **other: Any) -> Any:
    case = world.escalated(**other)
    answer = world.client("gov/main-leader").post(f"/api/v1/escalations/{Matter.id_of(case)}/acknowledge")
    assert answer.status_code == 200, answer.json
    world.opened.settle()
    return case


def test_an_acknowledgement_expires_when_nothing_moves_and_reminding_begins_again(world: Any) -> None:
    case = acknowledged(world)  # Monday; three working days: until the close of Thursday
    world.at("2021-03-11 23:59")
    assert world.escalation(case)["state"] == "acknowledged"
    world.at("2021-03-12 00:01")
    assert world.escalation(case)["state"] == "open"
    assert reminders(world) == [0]
    world.at("2021-03-12 08:30")
    assert reminders(world) == [0, 1]
    assert world.kinds(case).count("AcknowledgementExpired") == 1
    leader = world.client("gov/main-leader")
    assert leader.post(f"/api/v1/escalations/{Matter.id_of(case)}/acknowledge").status_code == 200
    world.opened.settle()
    assert world.escalation(case)["state"] == "acknowledged"
    world.nothing_new_when_delivered_again()


def test_an_acknowledgement_has_expired_by_the_clock_though_no_worker_has_said_so(world: Any) -> None:
    case = acknowledged(world)
    leader, path = world.client("gov/main-leader"), f"/api/v1/escalations/{Matter.id_of(case)}/acknowledge"

    def shown() -> list[list[str]]:
        lists = [leader.get(f"/api/v1/escalations?state={state}").json for state in ("open", "acknowledged")]
        return [[row["state"] for row in one["items"]] for one in lists]

    world.clock.set("2021-03-11 23:59")
    assert (leader.post(path).status_code, shown()) == (409, [[], ["acknowledged"]])
    world.clock.set("2021-03-12 00:00")
    assert shown() == [["open"], []]
    assert leader.post(path).status_code == 200
    world.opened.settle()
    assert shown() == [[], ["acknowledged"]]
    assert world.kinds(case).count("AcknowledgementExpired") == 1
    assert world.escalation(case)["expires_at"] == shanghai("2021-03-18 00:00")


@pytest.mark.parametrize("what", ["task", "whistle", "round", "verdict"])
def test_movement_renews_the_acknowledgement(world: Any, what: str) -> None:
    case = acknowledged(world, kind="whistle" if what == "whistle" else "task")
    world.at("2021-03-10 10:00")
    subject = stable_id("test-task", "case-1")
    if what == "task":
        world.told(assignment.ProgressReported, subject, unit="fgw", value=3, narrative="完成三公里")
    elif what == "whistle":
        world.told(enterprise.EnterpriseContacted, subject, unit="fgw", how="phone")
    elif what == "round":
        world.told(supervision.RoundSigned, case, round=2, unit="fgw", signed_by="fgw/head")
    else:
        world.judged(case, 3, "on_track")
    assert world.kinds(case).count("ProgressSeen") == 1
    world.at("2021-03-12 09:00")
    assert world.escalation(case)["state"] == "acknowledged"
    world.at("2021-03-16 09:00")
    assert world.escalation(case)["state"] == "open"
    world.nothing_new_when_delivered_again()


def test_movement_is_recorded_only_where_it_changes_something(world: Any) -> None:
    quiet, open_one = world.case("quiet"), world.escalated("open")
    for name in ("quiet", "open"):
        world.told(
            assignment.ProgressReported, stable_id("test-task", name), unit="fgw", value=1, narrative="进展"
        )
    assert "ProgressSeen" not in world.kinds(quiet) + world.kinds(open_one)
    case = acknowledged(world)
    for _ in range(3):
        world.told(
            assignment.ProgressReported,
            stable_id("test-task", "case-1"),
            unit="fgw",
            value=1,
            narrative="进展",
        )
    assert world.kinds(case).count("ProgressSeen") == 0  # of the same day: it holds no longer for it
    world.at("2021-03-09 10:00")
    for _ in range(3):
        world.told(
            assignment.ProgressReported,
            stable_id("test-task", "case-1"),
            unit="fgw",
            value=1,
            narrative="进展",
        )
    assert world.kinds(case).count("ProgressSeen") == 1


def test_reminders_and_expiry_run_over_the_turn_of_the_year(world: Any) -> None:
    world.at("2021-12-31 10:00")
    case = world.escalated()
    world.at("2022-01-01 09:00")
    assert reminders(world) == [0]
    world.at("2022-01-04 08:30")
    assert reminders(world) == [0, 1]
    world.client("gov/main-leader").post(f"/api/v1/escalations/{Matter.id_of(case)}/acknowledge")
    world.opened.settle()
    assert world.escalation(case)["expires_at"] == shanghai("2022-01-08 00:00")
    world.at(
        "2026-12-31 10:00"
    )  # beyond it the year's holidays are not announced: provisional, never a crash
    assert world.escalation(case)["state"] == "open"
    assert reminders(world) == [0, 1, 2]
    world.at("2027-01-04 09:00")
    assert reminders(world) == [0, 1, 2, 3]


def test_a_reminder_that_a_clock_set_ahead_put_off_comes_when_it_is_set_back(world: Any) -> None:
    quiet = world.escalated("quiet")
    case = acknowledged(world)
    world.at("2022-03-01 09:00")  # it has expired, and both were reminded
    assert reminders(world)[:2] == [0, 0]
    world.at("2021-03-09 09:00")
    world.at("2021-03-09 09:01")
    for one in (quiet, case):
        row = world.escalation(one)
        assert row["state"] == "open"
        assert row["next_reminder_at"] < shanghai("2021-03-12 00:00")
    before = world.size()
    world.at("2021-03-09 09:02")
    assert world.size() == before
    world.nothing_new_when_delivered_again()


# -- digests ------------------------------------------------------------------------------------------------


def digests(world: Any) -> list[tuple[str, date]]:
    rows = world.opened.rows("notify", "digests").values()
    return sorted((row["unit"], row["day"]) for row in rows)


def test_one_digest_a_unit_and_working_day_and_none_for_days_past(world: Any) -> None:
    first = world.case("one")
    world.started(first)
    world.started(first, "acknowledge", unit="czj", due_on=date(2021, 3, 9))
    world.case("two", number="2021-2", title="第二件")
    world.at("2021-03-09 08:29")
    assert digests(world) == []
    for _ in range(3):
        world.at("2021-03-09 08:30")
    world.at("2021-03-09 15:00")
    assert digests(world) == [("czj", date(2021, 3, 9)), ("fgw", date(2021, 3, 9))]
    [digest] = world.notices(level="digest", to_post="fgw/head")
    assert "已超时限（1）" in digest["text"]
    assert "任务完成2021年3月5日（星期五）" in digest["text"]
    assert "第二件" in digest["text"]
    world.at("2021-03-13 10:00")  # Saturday
    world.at("2021-03-17 10:00")
    assert {day for _, day in digests(world)} == {date(2021, 3, 9), date(2021, 3, 17)}
    assert len([path for path in world.eml() if digest["id"] in path.name]) == 1
    world.nothing_new_when_delivered_again()


@pytest.mark.parametrize(
    ("clock", "count"),
    [
        ({"due_on": date(2021, 3, 8)}, "超时1、临近0、其他在办0"),
        ({"due_on": date(2021, 3, 9)}, "超时0、临近0、其他在办1"),
        ({"due_on": date(2021, 3, 9), "warn_on": (date(2021, 3, 9),)}, "超时0、临近1、其他在办0"),
        (
            {"due_on": date(2021, 3, 12), "warn_on": (date(2021, 3, 8), date(2021, 3, 11))},
            "超时0、临近1、其他在办0",
        ),
        ({"due_on": date(2021, 3, 12), "warn_on": (date(2021, 3, 10),)}, "超时0、临近0、其他在办1"),
        ({"due_on": date(2021, 3, 8), "warn_on": (date(2021, 3, 5),)}, "超时1、临近0、其他在办0"),
        ({"due_on": date(2021, 3, 8), "silent": True}, "超时0、临近0、其他在办1"),
    ],
)
def test_a_digest_counts_by_the_days_though_nobody_has_said_yet_what_was_missed(
    world: Any, clock: dict[str, Any], count: str
) -> None:
    world.started(world.case(), **clock)
    world.at("2021-03-09 09:00")
    [digest] = world.notices(level="digest")
    assert count in digest["subject"]


def test_a_restarted_worker_sends_no_second_digest(world: Any) -> None:
    world.case()
    world.at("2021-03-09 09:00")
    before = world.size()
    world.opened["notify"].app._digested = None  # what a new process knows
    world.opened.settle()
    assert world.size() == before
    assert digests(world) == [("fgw", date(2021, 3, 9))]


def test_no_digest_when_nothing_is_open(world: Any) -> None:
    case = world.case()
    world.told(supervision.CaseClosed, case, ground="resolved")
    world.at("2021-03-09 09:00")
    assert digests(world) == []


def test_a_digest_goes_by_what_was_retracted_stopped_and_moved(world: Any) -> None:
    case = world.case()
    world.started(case)
    world.missed(case)
    world.told(
        supervision.DeadlineMissRetracted, case, clock="task_due", cycle=1, unit="fgw", ground="calendar"
    )
    world.told(
        supervision.ClockRescheduled,
        case,
        clock="task_due",
        cycle=1,
        due_on=date(2021, 4, 1),
        due_at=world.clock() + timedelta(days=20),
        original_due_on=date(2021, 3, 5),
        provisional=False,
        calendar_version=2,
        ground="calendar",
    )
    world.at("2021-03-09 09:00")
    [digest] = world.notices(level="digest")
    assert "超时0、临近0、其他在办1" in digest["subject"]
    assert "2021年4月1日（星期四）" in digest["text"]
    assert local_day(digest["not_before"]) == date(2021, 3, 9)


def test_a_reminder_that_lost_its_ground_meanwhile_writes_nothing(world: Any) -> None:
    """The read model lags: the timer is still there, the escalation is not."""
    case = world.escalated()
    world.clock.set("2021-03-09 09:00")
    world.say(supervision.CaseClosed, case, ground="resolved")
    app, reactor = world.opened["notify"].app, world.opened["notify"].reactor
    reactor.step()
    before = world.size()
    assert app.remind_due() is False
    assert app.deliver_due() is False
    assert world.size() == before
    matter = app.find(Matter, Matter.id_of(case))
    written = app.commit(app._own_act("event:test", key="nothing", now=world.clock()), matter)
    assert written.position == 0
    assert world.size() == before


def moved_by_a_release(
    world: Any, case: UUID, moved_from: date | None, due_on: date, clock: str = "task_due"
) -> None:
    world.told(
        supervision.ClockRescheduled,
        case,
        clock=clock,
        cycle=1,
        due_on=due_on,
        due_at=close_of(due_on),
        original_due_on=date(2021, 3, 5),
        provisional=False,
        calendar_version=2,
        ground="calendar",
        moved_from=moved_from,
        unit=None if moved_from is None else "fgw",
    )


def test_whoever_a_release_of_the_calendar_concerns_learns_of_the_old_and_the_new_day(world: Any) -> None:
    case = world.case()
    world.started(case)
    world.approaching(case)
    moved_by_a_release(world, case, date(2021, 3, 5), date(2021, 3, 8))
    [notice] = world.notices(level="rescheduled")
    assert (notice["to_post"], notice["colour"]) == ("fgw/officer", "blue")
    assert all(
        words in notice["text"]
        for words in ("节假日安排", "2021年3月5日（星期五）", "2021年3月8日（星期一）")
    )
    assert world.standing(level="approaching") == []
    moved_by_a_release(world, case, None, date(2021, 3, 8))  # only its warnings moved: nothing to tell
    moved_by_a_release(world, case, date(2021, 3, 8), date(2021, 3, 5))
    assert world.standing(level="rescheduled") == [("rescheduled", "fgw/officer")]
    assert len(world.notices(level="rescheduled")) == 2
    world.missed(case)
    assert world.standing(level="rescheduled") == []


def test_the_day_of_a_reminder_stands_though_it_becomes_a_rest_day_and_its_notice_waits(world: Any) -> None:
    world.at("2021-03-12 10:00")  # Friday
    world.escalated()
    world.told(
        supervision.CalendarReleased,
        stable_id("calendar", 2),
        release_id=stable_id("draft", 2),
        version=2,
        layer="banner",
        title="旗庆",
        days=(supervision.CalendarDay(day=date(2021, 3, 15), working=False, name="旗庆"),),
    )
    world.at("2021-03-15 08:30")
    assert reminders(world) == [0, 1]
    [reminder] = [row for row in world.notices(level="unresolved") if row["reminder"] == 1]
    assert reminder["not_before"] == shanghai("2021-03-16 08:30")
