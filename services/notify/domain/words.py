"""What a notice says: plain Chinese, with dates. Of a secret matter only the number, to everybody.

A notice also leaves by mail, where nobody can tell who reads it; so the text of a secret matter's notice holds
nothing but the number even for the units concerned (domain.md §8).
"""

from dataclasses import dataclass
from datetime import date

from services.notify.domain.matter import MatterState
from shared.calendar import Calendar, weekday_name
from shared.domain.words import Enumerated, enumerated_in, said
from shared.events import enterprise, supervision
from shared.events.base import VOCABULARY
from shared.events.matter import CaseKind

KIND = Enumerated(CaseKind, "Case.kind")


@dataclass(frozen=True)
class Said:
    """Subject and text of a notice."""

    subject: str
    text: str


def day_words(calendar: Calendar, day: date) -> str:
    """``2021年2月7日（星期日，调休上班）``: the day with what is worth knowing about it."""
    note = calendar.day(day)
    if note.kind == "make_up_day":
        more = "，调休上班"
    elif note.kind == "holiday":
        more = f"，{note.name}放假"
    else:
        more = ""
    more += "，该年放假安排尚未发布，日期暂定" if note.provisional else ""
    return f"{day.year}年{day.month}月{day.day}日（{weekday_name(day, 'zh')}{more}）"


def called(number: str, title: str, *, secret: bool) -> str:
    """How a matter is called: its number, and unless it is secret its title."""
    return number if secret else f"{number}《{title}》"


def _called(matter: MatterState) -> str:
    return called(matter.number, matter.title, secret=matter.secret)


def _kind(matter: MatterState) -> str:
    return str(said(matter.kind, KIND, "zh"))


def ground_of(
    fact: supervision.CaseClosed | supervision.DeadlineMissRetracted | enterprise.WhistleRaisedALevel,
) -> str:
    """依据: why the fact came about."""
    return str(said(fact.ground, enumerated_in(VOCABULARY[fact.TOPIC])["ground"], "zh"))


def _more(matter: MatterState, text: str) -> str:
    return "" if matter.secret or not text else f"\n{text}"


def assigned(matter: MatterState, unit: str) -> Said:
    """交办: the post in charge learns of the matter."""
    return Said(
        f"【蓝】{_kind(matter)}交办：{matter.number}",
        f"{_kind(matter)}{_called(matter)}已交{unit}办理，请及时签收并按时限办理。",
    )


def blown(matter: MatterState, unit: str) -> Said:
    """企业吹哨: the desk learns that an enterprise needs help, and has to route the whistle."""
    return Said(
        f"【蓝】企业吹哨：{matter.number}",
        f"{_kind(matter)}{_called(matter)}已送达{unit}，请即派单，并在联系时限内与企业联系。",
    )


def came_back(matter: MatterState, unit: str) -> Said:
    """退回: the desk has it again, and has to route it anew."""
    return Said(
        f"【蓝】退回待派：{matter.number}",
        f"{_kind(matter)}{_called(matter)}已退回{unit}，请即重新派单，各项时限照常计算。",
    )


def raised(matter: MatterState, *, why: str) -> Said:
    """提级办理: three reworks or three transfers; the leader decides."""
    return Said(
        f"【黄】提级办理：{matter.number}",
        f"{_kind(matter)}{_called(matter)}已{why}，提级由您决定如何办理，各项时限照常计算。",
    )


def waiting(matter: MatterState, calendar: Calendar, *, clock: str, unit: str, due_on: date) -> Said:
    """待办: others wait for this unit."""
    return Said(
        f"【蓝】待办：{matter.number}（{clock}）",
        f"{_kind(matter)}{_called(matter)}：请{unit}于{day_words(calendar, due_on)}前办理（{clock}），"
        "其他单位正等待结果。",
    )


def approaching(matter: MatterState, calendar: Calendar, *, clock: str, unit: str, due_on: date) -> Said:
    """临近时限."""
    return Said(
        f"【黄】时限临近：{matter.number}（{clock}）",
        f"{_kind(matter)}{_called(matter)}：{unit}应于{day_words(calendar, due_on)}前完成“{clock}”，时限已临近。",
    )


def missed(
    matter: MatterState, calendar: Calendar, *, clock: str, unit: str, due_on: date, provisional: bool
) -> Said:
    """超过时限."""
    more = "（该时限涉及的年份放假安排尚未发布，日期暂定。）" if provisional else ""
    return Said(
        f"【红】已超时限：{matter.number}（{clock}）",
        f"{_kind(matter)}{_called(matter)}：{unit}应于{day_words(calendar, due_on)}前完成“{clock}”，至今未完成，"
        f"已超时限。请立即办理并说明原因。{more}",
    )


def round_issued(
    matter: MatterState,
    calendar: Calendar,
    *,
    round: int,  # noqa: A002
    unit: str,
    due_on: date,
    requirement: str,
) -> Said:
    """督办通知."""
    colour = "黄" if round == 1 else "红"
    return Said(
        f"【{colour}】第{round}轮督办：{matter.number}",
        f"{_kind(matter)}{_called(matter)}：对{unit}发出第{round}轮督办通知，请于{day_words(calendar, due_on)}前书面"
        f"答复，答复须经主要负责人签字背书方为有效。{_more(matter, requirement)}",
    )


def unresolved(matter: MatterState, *, round: int, unit: str, reason: str) -> Said:  # noqa: A002
    """提请主要领导."""
    return Said(
        f"【红】提请主要领导：{matter.number}经第{round}轮督办仍未解决",
        f"{_kind(matter)}{_called(matter)}（责任单位：{unit}）经第{round}轮督办仍进展缓慢，现提请阅处。签阅之前将逐日"
        f"提醒。{_more(matter, reason)}",
    )


def reminder(matter: MatterState, *, unit: str, round: int, times: int) -> Said:  # noqa: A002
    """催告."""
    return Said(
        f"【红】第{times}次提醒：{matter.number}经第{round}轮督办仍未解决",
        f"{_kind(matter)}{_called(matter)}（责任单位：{unit}）经第{round}轮督办仍未解决，尚未签阅或签阅后没有新进展，"
        f"现第{times}次提醒。",
    )


def objection_window(matter: MatterState, calendar: Calendar, *, unit: str, until: date) -> Said:
    """通报异议期."""
    return Said(
        f"【黄】拟予公开通报：{matter.number}",
        f"因{_kind(matter)}{_called(matter)}连续两轮督办进展缓慢，拟对{unit}公开通报。如有异议，请于"
        f"{day_words(calendar, until)}前书面提出。",
    )


def rescheduled(
    matter: MatterState, calendar: Calendar, *, clock: str, unit: str, moved_from: date, due_on: date
) -> Said:
    """时限因节假日安排调整."""
    return Said(
        f"【蓝】时限调整：{matter.number}（{clock}）",
        f"{_kind(matter)}{_called(matter)}：因节假日安排调整，{unit}完成“{clock}”的时限由"
        f"{day_words(calendar, moved_from)}调整为{day_words(calendar, due_on)}。",
    )


def window_moved(
    matter: MatterState, calendar: Calendar, *, unit: str, moved_from: date, until: date
) -> Said:
    """通报异议期因节假日安排调整."""
    return Said(
        f"【蓝】异议期调整：{matter.number}",
        f"因节假日安排调整，对拟公开通报{unit}（{_kind(matter)}{_called(matter)}）提出异议的期限由"
        f"{day_words(calendar, moved_from)}调整为{day_words(calendar, until)}。如有异议，请在此之前书面提出。",
    )


def named(matter: MatterState, *, unit: str, series: str, year: int, number: int, text: str) -> Said:
    """公开通报."""
    return Said(
        f"【红】公开通报：{series}〔{year}〕{number}号",
        f"因{_kind(matter)}{_called(matter)}，{unit}已被公开通报（{series}〔{year}〕{number}号）。请按要求整改，整改到位"
        f"后申请撤销。{_more(matter, text)}",
    )


def issued_internally(matter: MatterState, *, unit: str) -> Said:
    """内部通报: of a secret matter, without number or text."""
    return Said(
        f"【红】内部通报：{matter.number}",
        f"因{_kind(matter)}{_called(matter)}，{unit}已被内部通报，不公开、不编号。请按要求整改，整改到位后申请撤销。",
    )


def corrected(matter: MatterState, *, unit: str, series: str, year: int, number: int, text: str) -> Said:
    """更正通报."""
    return Said(
        f"【蓝】更正通报：{series}〔{year}〕{number}号",
        f"就{_kind(matter)}{_called(matter)}对{unit}的通报已予更正（{series}〔{year}〕{number}号）。"
        f"{_more(matter, text)}",
    )


MOST_NAMED, ROOM_FOR_NAMED = 100, 30_000
"""A digest names at most so many matters of each state, in at most so many characters, and counts the rest: an event
has a bound, and nobody reads more (shared/log/codec.py)."""


def _named(lines: list[str]) -> list[str]:
    room, named = ROOM_FOR_NAMED, list[str]()
    for line in lines[:MOST_NAMED]:
        room -= len(line)
        if room < 0:
            break
        named.append(f"  {line}")
    more = len(lines) - len(named)
    return [*named, f"  另有 {more} 项，见在办事项列表。"] if more else named


def digest(unit: str, calendar: Calendar, day: date, lines: dict[str, list[str]]) -> Said:
    """每日摘要: missed first, then approaching, then what else is open."""
    missed, approaching, other = lines["missed"], lines["approaching"], lines["open"]
    text = [f"{unit}：{day_words(calendar, day)}在办事项摘要。"]
    for title, found in (("已超时限", missed), ("临近时限", approaching), ("其他在办", other)):
        if found:
            text += [f"{title}（{len(found)}）：", *_named(found)]
    count = f"超时{len(missed)}、临近{len(approaching)}、其他在办{len(other)}"
    return Said(f"每日摘要：{unit} {day.isoformat()}（{count}）", "\n".join(text))
