"""What a case owes, as a pure function of its facts (domain.md §3, §4.7, §4.8; measure 10).

A round that was issued by itself stands as long as what it rests on: the miss, or the slow round before it. Another
one is owed where a miss or a first slow round has none. Nothing here depends on the order in which facts came to be
known; ``Rounds.settle`` records the difference to what stands.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.supervision.domain.state import ANSWER, CaseState, Clock, Round, Unresolved, hands
from services.supervision.domain.stay import Stay
from services.supervision.domain.streaks import slow_in_a_row
from services.supervision.domain.terms import Terms
from shared.events.supervision import VoidGround
from shared.rulebook import LATE_ENTRY, Rulebook

ACKNOWLEDGE = "acknowledge"
SECOND = 2
"""Measure 10: unresolved after the second supervision goes to the main leader."""


class Lost(NamedTuple):
    """Why a round has lost its ground."""

    reason: str
    ground: VoidGround


class Owed(NamedTuple):
    """A round that is owed: for a miss, or after a first slow round."""

    missed: Clock | None
    follows: int | None


def lost_ground(case: CaseState, asked: Round, terms: Terms) -> Lost | None:
    """Why the round stands no longer; None if it stands."""
    if asked.followed is not None and not case.clocks[asked.followed].missed:
        return Lost("所依据的超时已撤回", "ground_lost")
    if asked.trigger == "slow_round" and not _weighs(case, asked.follows):
        return Lost(f"所依据的第{asked.follows}轮督办不再按缓慢计", "ground_lost")
    unanswered = asked.is_open or asked.unsigned
    if asked.trigger == "own_initiative" and unanswered and _done_before(case, asked, terms.rulebook):
        return Lost("发出督办前事项已按时完成", "ground_lost")
    if asked.is_open and asked.signed_at is None:
        if case.closed:
            return Lost("事项已结案", "closed")
        holder = hands(case, terms.elsewhere)[-1].unit
        if asked.unit != holder:
            return Lost(f"事项已由{holder}经手", "moved")
    return None


def _weighs(case: CaseState, number: int | None) -> bool:
    """Whether the round is concluded as slow, and counts."""
    return any(one.round == number and one.verdict == "slow" and one.counts for one in case.concluded)


def supervised(case: CaseState, rulebook: Rulebook) -> tuple[Clock, ...]:
    """The clocks for whose sake rounds are issued: those with a round in their ladder; of a case without one, all."""
    own = [clock for clock in case.clocks.values() if clock.clock not in (ANSWER, LATE_ENTRY)]
    pressing = [clock for clock in own if "round1" in rulebook.rule(clock.clock).ladder]
    return tuple(pressing or own)


def is_done(case: CaseState, rulebook: Rulebook) -> bool:
    """Whether none of those clocks runs."""
    return not any(clock.is_open for clock in supervised(case, rulebook))


def _done_before(case: CaseState, asked: Round, rulebook: Rulebook) -> bool:
    """Whether the matter was done, in time, before the round was issued."""
    stopped = [clock for clock in supervised(case, rulebook) if clock.stopped_at is not None]
    in_time = bool(stopped) and all(clock.verdict == "in_time" for clock in stopped)
    last = max((clock.stopped_at for clock in stopped if clock.stopped_at is not None), default=None)
    return is_done(case, rulebook) and in_time and last is not None and last < asked.issued_at


def owed_round(case: CaseState, terms: Terms) -> Owed | None:
    """The round that is to be put to whoever has the matter now; None if none is owed.

    One round at a time. None while a leader has to pass the matter on, while a claimed completion waits for the
    office, or once it is done.
    """
    stay, rulebook = hands(case, terms.elsewhere)[-1], terms.rulebook
    if case.open_round is not None or stay.role != "holder" or case.waits_for_the_office:
        return None
    if is_done(case, rulebook):
        return None
    slow = slow_in_a_row(case.concluded, stay.unit)
    if slow:
        last = max(one.round for one in case.concluded if one.unit == stay.unit and one.counts)
        follows = [one for one in case.issued.values() if one.follows == last]
        return Owed(None, last) if slow == 1 and not any(map(_covers, follows)) else None
    missed = (clock for clock in supervised(case, rulebook) if clock.missed and clock.is_open)
    for clock in sorted(missed, key=lambda clock: clock.due_at):
        pressing = "round1" in rulebook.rule(clock.clock).ladder
        if pressing and not _covered(case, clock, stay) and not _just_come(case, clock, stay):
            return Owed(clock, None)
    return None


def _covers(asked: Round) -> bool:
    """Whether the round makes another one needless: it stands, or the office itself said that it shall not."""
    return not asked.voided or asked.void_ground == "office"


def _covered(case: CaseState, missed: Clock, stay: Stay) -> bool:
    """Whether whoever has the matter was asked at the miss, or after it."""
    assert missed.missed_due_at is not None
    for asked in case.issued.values():
        ended = asked.voided_at if asked.voided else asked.concluded_at
        running = ended is None or ended > missed.missed_due_at
        if asked.unit == stay.unit and _covers(asked) and running:
            return True
    return False


def _just_come(case: CaseState, missed: Clock, stay: Stay) -> bool:
    """Whether the matter came to its holder after the miss, and is not acknowledged yet."""
    assert missed.missed_due_at is not None
    waiting = any(
        clock.clock == ACKNOWLEDGE and clock.is_open and not clock.missed for clock in case.open_clocks
    )
    return waiting and stay.since >= missed.missed_due_at


def unresolved(case: CaseState) -> Unresolved | None:
    """The slow round for which the main leader is to be told: a unit's second supervision that counts, or a later one.

    Until a round is judged as resolved, or the case is closed; that it is on track again does not resolve it.
    """
    supervised: dict[str, int] = {}
    found: dict[str, int] = {}
    for one in sorted(case.concluded, key=lambda one: one.round):
        if not one.counts:
            continue
        supervised[one.unit] = supervised.get(one.unit, 0) + 1
        if one.verdict == "slow" and supervised[one.unit] >= SECOND:
            found[one.unit] = one.round
        elif one.verdict == "resolved":
            found.pop(one.unit, None)
    if case.closed or not found:
        return None
    unit = max(found, key=lambda unit: found[unit])
    return Unresolved(unit, found[unit])


def why_not_named(case: CaseState, rounds: Sequence[int]) -> str:
    """Why these rounds no longer make a naming due or a matter unresolved, in Chinese: it stands in the event."""
    for number in rounds:
        asked = case.issued[number]
        if asked.voided:
            return f"第{number}轮作废：{asked.void_reason}"
        if asked.objection_upheld:
            return f"第{number}轮异议成立：{asked.ruling}"
        if asked.verdict is None:
            return f"第{number}轮的认定已撤回"
        if asked.verdict == "slow" and not _weighs(case, number):
            return f"第{number}轮进行中经批准延期"
    better = [
        one for one in case.concluded if one.round > rounds[-1] and one.counts and one.verdict != "slow"
    ]
    if better:
        words = {"resolved": "已解决", "on_track": "按序推进", "slow": ""}[better[0].verdict]
        return f"第{better[0].round}轮督办认定为{words}"
    return "督办认定已变更"
