"""Supervision rounds of a case: issued, answered, signed by the main head, judged; and what follows from them."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.supervision.domain.clocks import Clock, Clocks, Key
from services.supervision.domain.streaks import Concluded, Streak, naming_streaks, slow_in_a_row
from services.supervision.domain.terms import Terms
from shared.domain.aggregate import SUITE_UNIT, Change, CommandContext, stable_id
from shared.domain.clock import local_day
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.base import Actor
from shared.events.supervision import Verdict

ANSWER = "round_answer"
"""The rulebook's clock of a round's answer; its cycle is the round's number."""

RoundKind = Literal["special", "immediate"]
Trigger = Literal["deadline_missed", "own_initiative", "slow_round"]


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


@dataclass(frozen=True)
class Round:
    """One supervision round, and what has come of it."""

    round: int
    unit: str
    post: str | None
    trigger: Trigger
    followed: Key | None
    """The clock whose miss triggered it."""
    issued_at: datetime
    due_on: date
    due_at: datetime
    answer: str | None = None
    signed_at: datetime | None = None
    verdict: Verdict | None = None
    unsigned: bool = False
    judged_by: Actor | None = None
    judged_at: datetime | None = None
    """When the verdict was recorded: the unit's time to object runs from then."""
    concluded_at: datetime | None = None
    """When it became true: of an unsigned round its due moment, however late that was noticed."""
    voided: bool = False
    objected_by: str | None = None
    objection_upheld: bool | None = None

    @property
    def is_open(self) -> bool:
        """Neither judged nor voided."""
        return self.verdict is None and not self.voided


class Rounds(Clocks):
    """What a case does with its rounds."""

    case_number: str
    unit: str
    post: str | None
    closed: bool
    rounds: dict[int, Round]
    namings_due: dict[tuple[str, int, int], UUID]

    # -- asking ---------------------------------------------------------------------------------------------

    def round_of(self, number: int) -> Round:
        """That round. Raises NoSuchRound."""
        if number not in self.rounds:
            raise NoSuchRound(round=number)
        return self.rounds[number]

    @property
    def open_round(self) -> Round | None:
        """The round that is not concluded yet: at most one."""
        return next((one for one in self.rounds.values() if one.is_open), None)

    def concluded(self) -> tuple[Concluded, ...]:
        """The concluded rounds as the naming rule sees them."""
        return tuple(
            Concluded(
                round=one.round,
                unit=one.unit,
                verdict=one.verdict,
                voided=one.voided,
                objection_upheld=one.objection_upheld is True,
                overtaken=any(one.issued_at <= at < (one.concluded_at or at) for at in self.extended_at),
            )
            for one in self.rounds.values()
            if one.verdict is not None
        )

    def streaks(self) -> tuple[Streak, ...]:
        """The streaks for which a unit is to be named."""
        return naming_streaks(self.concluded())

    # -- the office asks, the unit answers --------------------------------------------------------------------

    def issue_round(
        self,
        act: CommandContext,
        terms: Terms,
        *,
        requirement: str,
        kind: RoundKind = "immediate",
        due_on: date | None = None,
    ) -> None:
        """Issue the next round on the office's own initiative, to be answered by ``due_on`` (default: the
        rulebook's working days).

        Raises CaseIsClosed, RoundNotConcluded, JudgingOnesOwnUnit, RoundDateTooEarly, RoundDateOnARestDay.
        """
        if self.closed:
            raise CaseIsClosed(number=self.case_number)
        if act.by.unit == self.unit:
            raise JudgingOnesOwnUnit(unit=self.unit)
        before = self.open_round
        if before is not None:
            raise RoundNotConcluded(round=before.round)
        today = local_day(act.recorded_at)
        if due_on is not None and due_on <= today:
            raise RoundDateTooEarly(due_on=due_on, today=today)
        if due_on is not None and not terms.calendar.is_working(due_on):
            earlier, later = terms.calendar.working_days_around(due_on)
            raise RoundDateOnARestDay(due_on=due_on, before=earlier, after=later)
        now = replace(act, happened_at=act.recorded_at)
        self._issue(
            now, terms, "own_initiative", self.unit, requirement=requirement, kind=kind, due_on=due_on
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
        number = len(self.rounds) + 1
        _, answer_on, answer_at = terms.fixed(ANSWER, act.happened_at, own_date=due_on)
        self.record(
            self.RoundIssued,
            act,
            round=number,
            unit=unit,
            post=self.post if unit == self.unit else None,
            kind=kind,
            requirement=requirement,
            trigger=trigger,
            due_on=answer_on,
            due_at=answer_at,
            missed_clock=missed.clock if missed else None,
            missed_cycle=missed.cycle if missed else None,
        )
        self.start(act, terms, ANSWER, unit, own_date=due_on)

    def answer_round(self, act: CommandContext, number: int, text: str) -> None:
        """The unit answers; it may answer again until its head has signed.

        Raises NoSuchRound, NotTheUnitAsked, RoundAlreadyConcluded, RoundAlreadySigned.
        """
        asked = self.round_of(number)
        self._must_be_of(act, asked)
        if not asked.is_open:
            raise RoundAlreadyConcluded(round=number)
        if asked.signed_at is not None:
            raise RoundAlreadySigned(round=number)
        self.record(self.RoundAnswered, act, round=number, unit=asked.unit, text=text)

    def sign_round(self, act: CommandContext, number: int, head: str) -> None:
        """The unit's main head (the post ``head``) signs the answer, before the round's date has passed.

        A signature given in time but entered after the round was concluded as unsigned takes that conclusion
        back, if nothing has been built on it. Raises NoSuchRound, NotTheUnitAsked, OnlyTheMainHeadSigns,
        RoundAlreadyConcluded, RoundAlreadySigned, NothingToSign, RoundAnswerTooLate.
        """
        asked = self.round_of(number)
        if act.by.unit != asked.unit or act.by.post != head or act.role != "unit_head":
            raise OnlyTheMainHeadSigns(unit=asked.unit, head=head)
        arrived_late = asked.unsigned and not asked.voided and asked.answer is not None
        if not asked.is_open and not arrived_late:
            raise RoundAlreadyConcluded(round=number)
        if asked.signed_at is not None:
            raise RoundAlreadySigned(round=number)
        if asked.answer is None:
            raise NothingToSign(round=number)
        if act.happened_at >= self.clock_of(ANSWER, number).due_at:  # type: ignore[operator]  # never paused
            raise RoundAnswerTooLate(round=number, due_on=self.clock_of(ANSWER, number).due_on)
        after = [one for one in self.rounds.values() if one.round > number and not one.voided]
        if any(one.answer is not None or one.verdict is not None for one in after):
            raise RoundAlreadyConcluded(round=number)
        for one in after:
            self._void(act, one, "前一轮的签字补录，本轮撤回")
        self.record(self.RoundSigned, act, round=number, unit=asked.unit, signed_by=act.by.post)
        self._stop_answer(act, number)
        self._settle_namings(act, f"第{number}轮签字补录")

    def judge_round(
        self, act: CommandContext, terms: Terms, number: int, verdict: Verdict, reason: str
    ) -> None:
        """Conclude the round; slow for the first time → the next round follows.

        Raises NoSuchRound, JudgingOnesOwnUnit, RoundAlreadyConcluded, AnswerNotSigned.
        """
        asked = self.round_of(number)
        if act.by.unit == asked.unit:
            raise JudgingOnesOwnUnit(unit=asked.unit)
        if not asked.is_open:
            raise RoundAlreadyConcluded(round=number)
        if asked.signed_at is None:
            raise AnswerNotSigned(round=number)
        self._conclude(act, terms, asked, verdict, reason, unsigned=False)

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
            self.RoundJudged,
            act,
            round=asked.round,
            unit=asked.unit,
            verdict=verdict,
            reason=reason,
            unsigned=unsigned,
        )
        self._settle_namings(act, f"第{asked.round}轮认定")
        if self.closed or self.open_round is not None:
            return
        if slow_in_a_row(self.concluded(), asked.unit) == 1 and verdict == "slow" and asked.unit == self.unit:
            self._issue(
                replace(act, happened_at=act.recorded_at),
                terms,
                "slow_round",
                asked.unit,
                requirement=f"第{asked.round}轮督办认定为进展缓慢，请说明原因和整改措施。",
            )

    def void_round(self, act: CommandContext, number: int, reason: str) -> None:
        """Declare the round void: it neither counts nor resets.

        Raises NoSuchRound, JudgingOnesOwnUnit, RoundAlreadyConcluded (for one that is void already).
        """
        asked = self.round_of(number)
        if act.by.unit == asked.unit:
            raise JudgingOnesOwnUnit(unit=asked.unit)
        if asked.voided:
            raise RoundAlreadyConcluded(round=number)
        self._void(act, asked, reason)
        self._settle_namings(act, f"第{number}轮作废：{reason}")

    def _void(self, act: CommandContext, asked: Round, reason: str) -> None:
        self.record(self.RoundVoided, act, round=asked.round, reason=reason)
        if self.clock_of(ANSWER, asked.round).is_open:
            self.record(self.ClockCancelled, act, clock=ANSWER, cycle=asked.round, reason=reason)

    def object_to_round(self, act: CommandContext, terms: Terms, number: int, text: str) -> None:
        """The unit objects to the verdict, within the rulebook's window.

        Raises NoSuchRound, NotTheUnitAsked, RoundNotJudged, ObjectionAlreadyRaised, ObjectionWindowClosed.
        """
        asked = self.round_of(number)
        self._must_be_of(act, asked)
        if asked.verdict is None or asked.voided or asked.judged_at is None:
            raise RoundNotJudged(round=number)
        if asked.objected_by is not None:
            raise ObjectionAlreadyRaised(round=number)
        _, closes_on, closes_at = terms.fixed("objection_window", asked.judged_at)
        if act.happened_at >= closes_at:
            raise ObjectionWindowClosed(closed_on=closes_on)
        self.record(self.ObjectionRaised, act, round=number, unit=asked.unit, text=text)

    def rule_on_objection(self, act: CommandContext, number: int, upheld: bool, reason: str) -> None:
        """Rule on the unit's objection; upheld, the round neither counts nor resets.

        Raises NoSuchRound, JudgingOnesOwnUnit, NoObjectionToRule, RulingOnOnesOwnVerdict.
        """
        asked = self.round_of(number)
        if act.by.unit == asked.unit:
            raise JudgingOnesOwnUnit(unit=asked.unit)
        if asked.objected_by is None or asked.objection_upheld is not None:
            raise NoObjectionToRule()
        if asked.judged_by is not None and asked.judged_by.post == act.by.post:
            raise RulingOnOnesOwnVerdict()
        self.record(self.ObjectionRuled, act, round=number, upheld=upheld, reason=reason)
        self._settle_namings(act, f"第{number}轮异议成立：{reason}")

    def _must_be_of(self, act: CommandContext, asked: Round) -> None:
        if act.by.unit != asked.unit:
            raise NotTheUnitAsked(round=asked.round, unit=asked.unit, by=act.by.unit)

    def _stop_answer(self, act: CommandContext, number: int) -> None:
        clock = self.clock_of(ANSWER, number)
        assert clock.due_at is not None
        self.record(
            self.ClockStopped,
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
            asked = self.round_of(missed.cycle)
            if asked.is_open and asked.signed_at is None:
                at_due = replace(act, happened_at=missed.due_at or act.recorded_at)
                self._conclude(
                    at_due,
                    terms,
                    asked,
                    "slow",
                    "期限内没有主要负责人签字的答复，按缓慢认定。",
                    unsigned=True,
                )
            return
        if self.closed or self.open_round is not None or "round1" not in terms.rule(missed.clock).ladder:
            return
        if slow_in_a_row(self.concluded(), missed.unit):
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
        for one in tuple(self.rounds.values()):
            if one.followed == missed.key and one.is_open and one.answer is None:
                self._void(act, one, "所依据的超时已撤回")
        self._settle_namings(act, "所依据的超时已撤回")

    def _settle_namings(self, act: CommandContext, ground: str) -> None:
        """Bring the namings in line with the rounds as they are known now."""
        wanted = {(streak.unit, *streak.named_for): streak for streak in self.streaks()}
        for key, naming_id in tuple(self.namings_due.items()):
            if key not in wanted:
                self.record(self.NamingNoLongerDue, act, naming_id=naming_id, ground=ground)
        for key, streak in wanted.items():
            if key not in self.namings_due:
                self.record(
                    self.NamingBecameDue,
                    act,
                    unit=streak.unit,
                    post=self.rounds[streak.rounds[-1]].post,
                    rounds=streak.named_for,
                    naming_id=self.naming_id(*key),
                )

    def naming_id(self, unit: str, first: int, second: int) -> UUID:
        """The one naming for these two rounds: it can never be drafted twice."""
        return stable_id("naming", self.id, unit, first, second)

    def naming_to_draft(self) -> tuple[UUID, tuple[int, int]]:
        """The latest naming that is due. Raises NamingNeedsTwoSlowRounds."""
        if not self.namings_due:
            raise NamingNeedsTwoSlowRounds()
        (_, first, second), naming_id = max(self.namings_due.items(), key=lambda due: due[0][1:])
        return naming_id, (first, second)

    def drafter(self, rounds: tuple[int, ...]) -> Actor:
        """Whose work a draft for these rounds is: the judge of the last one, or the suite if it went unsigned."""
        return self.rounds[rounds[-1]].judged_by or Actor(unit=SUITE_UNIT, post="supervision")

    def _set_round(self, number: int, **values: object) -> None:
        changed = replace(self.rounds[number], **values)  # type: ignore[arg-type]
        self.rounds = {**self.rounds, number: changed}

    # -- what happened ---------------------------------------------------------------------------------------

    class RoundIssued(supervision.RoundIssued, Change):
        def apply(self, case: "Rounds") -> None:
            followed = (self.missed_clock, self.missed_cycle)
            issued = Round(
                round=self.round,
                unit=self.unit,
                post=self.post,
                trigger=self.trigger,
                followed=followed if self.missed_clock else None,  # type: ignore[arg-type]
                issued_at=self.happened_at,
                due_on=self.due_on,
                due_at=self.due_at,
            )
            case.rounds = {**case.rounds, self.round: issued}

    class RoundAnswered(supervision.RoundAnswered, Change):
        def apply(self, case: "Rounds") -> None:
            case._set_round(self.round, answer=self.text)

    class RoundSigned(supervision.RoundSigned, Change):
        def apply(self, case: "Rounds") -> None:
            case._set_round(
                self.round,
                signed_at=self.happened_at,
                verdict=None,
                unsigned=False,
                judged_by=None,
                judged_at=None,
                concluded_at=None,
                objected_by=None,
                objection_upheld=None,
            )

    class RoundJudged(supervision.RoundJudged, Change):
        def apply(self, case: "Rounds") -> None:
            case._set_round(
                self.round,
                verdict=self.verdict,
                unsigned=self.unsigned,
                judged_by=None if self.unsigned else self.by,
                judged_at=self.timestamp,
                concluded_at=self.happened_at,
            )

    class RoundVoided(supervision.RoundVoided, Change):
        def apply(self, case: "Rounds") -> None:
            case._set_round(self.round, voided=True)

    class ObjectionRaised(supervision.ObjectionRaised, Change):
        def apply(self, case: "Rounds") -> None:
            case._set_round(self.round, objected_by=self.by.post)

    class ObjectionRuled(supervision.ObjectionRuled, Change):
        def apply(self, case: "Rounds") -> None:
            case._set_round(self.round, objection_upheld=self.upheld)

    class NamingBecameDue(supervision.NamingBecameDue, Change):
        def apply(self, case: "Rounds") -> None:
            first, second = self.rounds
            case.namings_due = {**case.namings_due, (self.unit, first, second): self.naming_id}

    class NamingNoLongerDue(supervision.NamingNoLongerDue, Change):
        def apply(self, case: "Rounds") -> None:
            case.namings_due = {
                key: naming_id for key, naming_id in case.namings_due.items() if naming_id != self.naming_id
            }
