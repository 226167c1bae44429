"""Supervision rounds of a case: issued, answered, signed by the main head, judged; and what follows from them."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

from services.supervision.domain.clocks import Clocks, clock_of
from services.supervision.domain.state import ANSWER, CaseState, Clock, DueNaming, Round
from services.supervision.domain.streaks import slow_in_a_row
from services.supervision.domain.terms import Terms
from shared.domain.aggregate import SUITE_UNIT, CommandContext, stable_id
from shared.domain.clock import local_day
from shared.domain.guards import requires
from shared.domain.lifecycle import replace
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.base import Actor
from shared.events.supervision import RoundKind, Trigger, Verdict


class CaseIsClosed(Refusal):
    """事项 {number} 已结案，不能再督办。
    The case {number} is closed: there is nothing left to supervise."""


class NoSuchRound(Refusal):
    """该事项没有第 {round} 轮督办。
    This case has no supervision round {round}."""

    status = 404


class RoundNotConcluded(Refusal):
    """第 {round} 轮督办尚未认定，不能发出下一轮。
    Round {round} is not concluded yet: the next one cannot be issued."""


class RoundAlreadyConcluded(Refusal):
    """第 {round} 轮督办已有结论或已作废。
    Round {round} is concluded or voided already."""


class RoundAlreadySigned(Refusal):
    """第 {round} 轮督办答复已由主要负责人签字，不能更改。
    The answer to round {round} is signed by the main head and does not change any more."""


class RoundDateTooEarly(Refusal):
    """答复期限 {due_on} 必须晚于今天 {today}。
    The answer's date {due_on} must be later than today, {today}."""

    status = 422
    field = "due_on"


class RoundDateOnARestDay(Refusal):
    """答复期限 {due_on} 是休息日；可选 {before} 或 {after}。
    The answer's date {due_on} is a rest day; choose {before} or {after}."""

    status = 422
    field = "due_on"


class NotTheUnitAsked(Refusal):
    """第 {round} 轮督办的答复单位是 {unit}，不是 {by}。
    Round {round} was put to {unit}, not to {by}."""

    status = 403


class OnlyTheMainHeadSigns(Refusal):
    """督办答复只能由 {unit} 的主要负责人（{head}）签字。
    Only the main head of {unit} ({head}) signs the answer."""

    status = 403


class NothingToSign(Refusal):
    """第 {round} 轮督办还没有答复，无从签字。
    There is no answer to round {round} to sign yet."""


class RoundAnswerTooLate(Refusal):
    """第 {round} 轮督办的答复期限（{due_on}）已过，按缓慢认定。
    The date of round {round} ({due_on}) has passed: without a signed answer it counts as slow."""


class AnswerNotSigned(Refusal):
    """第 {round} 轮督办的答复尚未经主要负责人签字，不能认定。
    The answer to round {round} is not signed by the main head yet: it cannot be judged."""


class JudgingOnesOwnUnit(Refusal):
    """不能认定本单位（{unit}）的督办事项，须回避。
    Nobody judges their own unit ({unit})."""

    status = 403


class RoundNotJudged(Refusal):
    """第 {round} 轮督办尚无结论，无从提出异议。
    Round {round} is not concluded: there is nothing to object to."""


class ObjectionAlreadyRaised(Refusal):
    """对第 {round} 轮督办的异议已经提出过。
    An objection to round {round} was raised already."""


class ObjectionWindowClosed(Refusal):
    """异议期已于 {closed_on} 结束。
    The time for objections ended on {closed_on}."""


class NoObjectionToRule(Refusal):
    """没有待裁定的异议。
    There is no objection waiting for a ruling."""


class RulingOnOnesOwnVerdict(Refusal):
    """认定人不能裁定对自己认定的异议，须由第二人裁定。
    Whoever judged the round does not rule on the objection to it."""

    status = 403


class NamingNeedsTwoSlowRounds(Refusal):
    """没有连续两轮认定为缓慢的督办，不能通报。
    Without two consecutive rounds concluded as slow there is no naming."""


class NamingAlreadyDrafted(Refusal):
    """该事项的通报已经起草，一次连续缓慢只通报一次。
    The naming for this streak is drafted already: one streak, one naming."""


# -- guards -------------------------------------------------------------------------------------------------------


def round_of(case: CaseState, number: int) -> Round:
    """That round. Raises NoSuchRound."""
    if number not in case.issued:
        raise NoSuchRound(round=number)
    return case.issued[number]


def is_not_closed(case: CaseState, act: CommandContext) -> None:
    """There is something left to supervise."""
    if case.closed:
        raise CaseIsClosed(number=case.number)


def leads_another_unit(case: CaseState, act: CommandContext) -> None:
    """Nobody asks their own unit."""
    if act.by.unit == case.unit:
        raise JudgingOnesOwnUnit(unit=case.unit)


def no_round_is_open(case: CaseState, act: CommandContext) -> None:
    """The round before is concluded."""
    before = case.open_round
    if before is not None:
        raise RoundNotConcluded(round=before.round)


def by_the_unit_asked(case: CaseState, act: CommandContext, number: int) -> None:
    """The unit to which the round was put acts."""
    asked = round_of(case, number)
    if act.by.unit != asked.unit:
        raise NotTheUnitAsked(round=number, unit=asked.unit, by=act.by.unit)


def by_another_unit(case: CaseState, act: CommandContext, number: int) -> None:
    """Nobody judges their own unit."""
    asked = round_of(case, number)
    if act.by.unit == asked.unit:
        raise JudgingOnesOwnUnit(unit=asked.unit)


def by_the_main_head(
    case: CaseState, act: CommandContext, number: int, head_of: Callable[[str], str]
) -> None:
    """The main head of the unit asked acts."""
    unit = round_of(case, number).unit
    head = head_of(unit)
    if act.by.unit != unit or act.by.post != head or act.role != "unit_head":
        raise OnlyTheMainHeadSigns(unit=unit, head=head)


def is_not_concluded(case: CaseState, act: CommandContext, number: int) -> None:
    """The round is neither judged nor void."""
    if not round_of(case, number).is_open:
        raise RoundAlreadyConcluded(round=number)


def is_not_signed(case: CaseState, act: CommandContext, number: int) -> None:
    """Its answer may still change."""
    if round_of(case, number).signed_at is not None:
        raise RoundAlreadySigned(round=number)


def is_signed(case: CaseState, act: CommandContext, number: int) -> None:
    """Its answer is the unit's."""
    if round_of(case, number).signed_at is None:
        raise AnswerNotSigned(round=number)


def waits_for_a_signature(case: CaseState, act: CommandContext, number: int) -> None:
    """It is open, or was concluded as unsigned though it was answered, and nothing has been built on that."""
    asked = round_of(case, number)
    unsigned = asked.unsigned and not asked.voided and asked.answer is not None
    if not asked.is_open and not unsigned:
        raise RoundAlreadyConcluded(round=number)
    is_not_signed(case, act, number)
    if asked.answer is None:
        raise NothingToSign(round=number)
    if any(one.answer is not None or one.verdict is not None for one in later_rounds(case, number)):
        raise RoundAlreadyConcluded(round=number)


def is_not_void(case: CaseState, act: CommandContext, number: int) -> None:
    """It has not been declared void."""
    if round_of(case, number).voided:
        raise RoundAlreadyConcluded(round=number)


def is_judged(case: CaseState, act: CommandContext, number: int) -> None:
    """There is a verdict to object to."""
    asked = round_of(case, number)
    if asked.verdict is None or asked.voided:
        raise RoundNotJudged(round=number)


def is_not_objected_to(case: CaseState, act: CommandContext, number: int) -> None:
    """The unit objects once."""
    if round_of(case, number).objection is not None:
        raise ObjectionAlreadyRaised(round=number)


def waits_for_a_ruling(case: CaseState, act: CommandContext, number: int) -> None:
    """An objection is not ruled on."""
    asked = round_of(case, number)
    if asked.objection is None or asked.objection_upheld is not None:
        raise NoObjectionToRule()


def by_another_than_the_judge(case: CaseState, act: CommandContext, number: int) -> None:
    """Whoever judged the round does not rule on the objection to it."""
    asked = round_of(case, number)
    if not asked.unsigned and asked.judged_by == act.by.post:
        raise RulingOnOnesOwnVerdict()


def names_somebody(case: CaseState, act: CommandContext) -> None:
    """A naming is due."""
    if not case.namings:
        raise NamingNeedsTwoSlowRounds()


def is_not_drafted(case: CaseState, act: CommandContext, drafted: bool) -> None:
    """One streak, one naming."""
    if drafted:
        raise NamingAlreadyDrafted()


def later_rounds(case: CaseState, number: int) -> list[Round]:
    """The rounds after that one which are not void."""
    return [one for one in case.issued.values() if one.round > number and not one.voided]


# -- decisions ----------------------------------------------------------------------------------------------------


class Rounds(Clocks):
    """What a case does with its rounds."""

    # -- the office asks, the unit answers --------------------------------------------------------------------

    @requires(is_not_closed, leads_another_unit, no_round_is_open)
    def issue_round(
        self,
        act: CommandContext,
        *,
        terms: Terms,
        requirement: str,
        kind: RoundKind = "immediate",
        due_on: date | None = None,
    ) -> None:
        """Issue the next round on the office's own initiative, to be answered by ``due_on`` (default: the
        rulebook's working days). Raises RoundDateTooEarly, RoundDateOnARestDay.
        """
        today = local_day(act.recorded_at)
        if due_on is not None and due_on <= today:
            raise RoundDateTooEarly(due_on=due_on, today=today)
        if due_on is not None and not terms.calendar.is_working(due_on):
            earlier, later = terms.calendar.working_days_around(due_on)
            raise RoundDateOnARestDay(due_on=due_on, before=earlier, after=later)
        now = replace(act, happened_at=act.recorded_at)
        self._issue(
            now,
            terms,
            "own_initiative",
            self.state.unit,
            requirement=requirement,
            kind=kind,
            due_on=due_on,
        )

    def _issue(
        self,
        act: CommandContext,
        terms: Terms,
        trigger: Trigger,
        unit: str,
        *,
        requirement: str,
        kind: RoundKind = "immediate",
        due_on: date | None = None,
        missed: Clock | None = None,
    ) -> None:
        number = len(self.state.issued) + 1
        _, answer_on, answer_at = terms.fixed(ANSWER, act.happened_at, own_date=due_on)
        self.record(
            supervision.RoundIssued,
            act,
            round=number,
            unit=unit,
            post=self.state.post if unit == self.state.unit else None,
            kind=kind,
            requirement=requirement,
            trigger=trigger,
            due_on=answer_on,
            due_at=answer_at,
            missed_clock=missed.clock if missed else None,
            missed_cycle=missed.cycle if missed else None,
        )
        self.start(act, terms, ANSWER, unit, own_date=due_on)

    @requires(by_the_unit_asked, is_not_concluded, is_not_signed)
    def answer_round(self, act: CommandContext, *, number: int, text: str) -> None:
        """The unit answers; it may answer again until its head has signed."""
        unit = round_of(self.state, number).unit
        self.record(supervision.RoundAnswered, act, round=number, unit=unit, text=text)

    @requires(by_the_main_head, waits_for_a_signature)
    def sign_round(self, act: CommandContext, *, number: int, head_of: Callable[[str], str]) -> None:
        """The unit's main head signs the answer, before the round's date has passed.

        A signature given in time but entered after the round was concluded as unsigned takes that conclusion
        back, if nothing has been built on it. Raises RoundAnswerTooLate.
        """
        clock = clock_of(self.state, ANSWER, number)
        if act.happened_at >= clock.due_at:
            raise RoundAnswerTooLate(round=number, due_on=clock.due_on)
        for one in later_rounds(self.state, number):
            self._void(act, one, "前一轮的签字补录，本轮撤回")
        unit = round_of(self.state, number).unit
        self.record(supervision.RoundSigned, act, round=number, unit=unit, signed_by=act.by.post)
        self._stop_answer(act, number)
        self._settle_namings(act, f"第{number}轮签字补录")

    @requires(by_another_unit, is_not_concluded, is_signed)
    def judge_round(
        self, act: CommandContext, *, terms: Terms, number: int, verdict: Verdict, reason: str
    ) -> None:
        """Conclude the round; slow for the first time → the next round follows."""
        self._conclude(act, terms, round_of(self.state, number), verdict, reason, unsigned=False)

    def _conclude(
        self,
        act: CommandContext,
        terms: Terms,
        asked: Round,
        verdict: Verdict,
        reason: str,
        *,
        unsigned: bool,
    ) -> None:
        self.record(
            supervision.RoundJudged,
            act,
            round=asked.round,
            unit=asked.unit,
            verdict=verdict,
            reason=reason,
            unsigned=unsigned,
        )
        self._settle_namings(act, f"第{asked.round}轮认定")
        if self.state.closed or self.state.open_round is not None:
            return
        if (
            slow_in_a_row(self.state.concluded, asked.unit) == 1
            and verdict == "slow"
            and asked.unit == self.state.unit
        ):
            self._issue(
                replace(act, happened_at=act.recorded_at),
                terms,
                "slow_round",
                asked.unit,
                requirement=f"第{asked.round}轮督办认定为进展缓慢，请说明原因和整改措施。",
            )

    @requires(by_another_unit, is_not_void)
    def void_round(self, act: CommandContext, *, number: int, reason: str) -> None:
        """Declare the round void: it neither counts nor resets."""
        self._void(act, round_of(self.state, number), reason)
        self._settle_namings(act, f"第{number}轮作废：{reason}")

    def _void(self, act: CommandContext, asked: Round, reason: str) -> None:
        self.record(supervision.RoundVoided, act, round=asked.round, reason=reason)
        if clock_of(self.state, ANSWER, asked.round).is_open:
            self.record(supervision.ClockCancelled, act, clock=ANSWER, cycle=asked.round, reason=reason)

    @requires(by_the_unit_asked, is_judged, is_not_objected_to)
    def object_to_round(self, act: CommandContext, *, terms: Terms, number: int, text: str) -> None:
        """The unit objects to the verdict, within the rulebook's window. Raises ObjectionWindowClosed."""
        asked = round_of(self.state, number)
        assert asked.judged_at is not None
        _, closes_on, closes_at = terms.fixed("objection_window", asked.judged_at)
        if act.happened_at >= closes_at:
            raise ObjectionWindowClosed(closed_on=closes_on)
        self.record(supervision.ObjectionRaised, act, round=number, unit=asked.unit, text=text)

    @requires(by_another_unit, waits_for_a_ruling, by_another_than_the_judge)
    def rule_on_objection(self, act: CommandContext, *, number: int, upheld: bool, reason: str) -> None:
        """Rule on the unit's objection; upheld, the round neither counts nor resets."""
        self.record(supervision.ObjectionRuled, act, round=number, upheld=upheld, reason=reason)
        self._settle_namings(act, f"第{number}轮异议成立：{reason}")

    def _stop_answer(self, act: CommandContext, number: int) -> None:
        clock = clock_of(self.state, ANSWER, number)
        self.record(
            supervision.ClockStopped,
            act,
            clock=ANSWER,
            cycle=number,
            unit=clock.unit,
            stopped_at=act.happened_at,
            due_on=clock.due_on,
            verdict="in_time" if act.happened_at < clock.due_at else "late",
            calendar_version=clock.calendar_version,
        )
        if clock.missed:
            self._retract(act, clock, "fact_arrived_late")

    # -- what follows ----------------------------------------------------------------------------------------

    def follow_up_the_miss(self, act: CommandContext, terms: Terms, missed: Clock) -> None:
        """Unsigned by its date, a round is slow; another clock whose ladder has a round 1 gets one.

        Unless a round runs already or the unit has a slow one: the next is then the office's or the rule's.
        """
        if missed.clock == ANSWER:
            asked = round_of(self.state, missed.cycle)
            if asked.is_open and asked.signed_at is None:
                at_due = replace(act, happened_at=missed.due_at)
                self._conclude(
                    at_due,
                    terms,
                    asked,
                    "slow",
                    "期限内没有主要负责人签字的答复，按缓慢认定。",
                    unsigned=True,
                )
            return
        if (
            self.state.closed
            or self.state.open_round is not None
            or "round1" not in terms.rule(missed.clock).ladder
        ):
            return
        if slow_in_a_row(self.state.concluded, missed.unit):
            return
        name = terms.rule(missed.clock).name_zh
        self._issue(
            replace(act, happened_at=act.recorded_at),
            terms,
            "deadline_missed",
            missed.unit,
            requirement=f"“{name}”应于{missed.due_on:%Y-%m-%d}前完成，已超时，请说明原因和整改措施。",
            missed=missed,
        )

    def withdraw_what_followed(self, act: CommandContext, missed: Clock) -> None:
        """The round that the miss triggered is void, unless it was answered or judged by then."""
        for one in tuple(self.state.issued.values()):
            if one.followed == missed.key and one.is_open and one.answer is None:
                self._void(act, one, "所依据的超时已撤回")
        self._settle_namings(act, "所依据的超时已撤回")

    def _settle_namings(self, act: CommandContext, ground: str) -> None:
        """Bring the namings in line with the rounds as they are known now."""
        wanted = {(streak.unit, *streak.named_for): streak for streak in self.state.streaks}
        for key, naming_id in tuple(self.namings_due.items()):
            if key not in wanted:
                self.record(supervision.NamingNoLongerDue, act, naming_id=naming_id, ground=ground)
        for key, streak in wanted.items():
            if key not in self.namings_due:
                self.record(
                    supervision.NamingBecameDue,
                    act,
                    unit=streak.unit,
                    post=self.state.issued[streak.rounds[-1]].post,
                    rounds=streak.named_for,
                    naming_id=self.naming_id(*key),
                )

    def naming_id(self, unit: str, first: int, second: int) -> UUID:
        """The one naming for these two rounds: it can never be drafted twice."""
        return stable_id("naming", self.id, unit, first, second)

    @property
    def namings_due(self) -> dict[tuple[str, int, int], UUID]:
        """The namings that are due, by unit and the two rounds."""
        return {(one.unit, one.first, one.second): one.naming_id for one in self.state.namings}

    @requires(names_somebody, is_not_drafted)
    def naming_to_draft(self, act: CommandContext, *, drafted: bool) -> DueNaming:
        """The latest naming that is due; ``drafted``: whether it is there already."""
        latest = latest_naming(self.state)
        assert latest is not None
        return latest

    def drafter(self, rounds: tuple[int, ...]) -> Actor:
        """Whose work a draft for these rounds is: the judge of the last one, or the suite if it went unsigned."""
        last = self.state.issued[rounds[-1]]
        if last.unsigned or last.judged_by is None or last.judged_by_unit is None:
            return Actor(unit=SUITE_UNIT, post="supervision")
        return Actor(unit=last.judged_by_unit, post=last.judged_by)


def latest_naming(case: CaseState) -> DueNaming | None:
    """The naming that is due for the last rounds, if any is due."""
    return max(case.namings, key=lambda due: (due.first, due.second), default=None)
