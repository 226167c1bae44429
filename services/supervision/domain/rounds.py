"""Supervision rounds of a case: issued, answered, signed by the main head, judged; and what follows from them."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

from services.supervision.domain.clocks import Clocks, clock_of
from services.supervision.domain.consequences import (
    is_done,
    lost_ground,
    owed_round,
    unresolved,
    why_not_named,
)
from services.supervision.domain.state import ANSWER, CaseState, Clock, DueNaming, Round, hands
from services.supervision.domain.terms import Terms
from shared.calendar import check_has_an_end
from shared.domain.aggregate import SUITE_UNIT, CommandContext, stable_id
from shared.domain.clock import local_day
from shared.domain.guards import requires
from shared.domain.lifecycle import replace
from shared.domain.moments import not_before
from shared.domain.refusal import Refusal
from shared.events import supervision
from shared.events.base import Actor
from shared.events.supervision import RoundKind, Trigger, Verdict, VoidGround
from shared.rulebook import LATE_ENTRY, OBJECTION_WINDOW

JUDGEMENT, RULING = "round_judgement", "objection_ruling"
"""The rulebook's clocks of what the office owes about a round."""


class CaseIsClosed(Refusal):
    """事项 {number} 已结案，不能再督办。
    The case {number} is closed: there is nothing left to supervise."""


class MatterWaitsForALeader(Refusal):
    """事项 {number} 正等待领导决定承办单位，不能向单位督办。
    The case {number} waits for a leader to say which unit takes it: there is no unit to supervise."""


class CompletionWaitsForTheOffice(Refusal):
    """事项 {number} 已申报办结，等待督查室认定，其间不再督办。
    Completion of the case {number} is claimed and waits for the supervision office: no round is issued meanwhile."""


class NothingToSupervise(Refusal):
    """事项 {number} 的各项时限均已停止，没有需要督办的内容。
    Every clock of the case {number} has stopped: there is nothing to supervise."""


class EarlierTimeWaits(Refusal):
    """第 {round} 轮督办的补录签字正等待核实。
    A signature entered late for round {round} waits to be confirmed already."""


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


class HeadsPostIsVacant(Refusal):
    """{head} 岗位当时空缺，无人可以签字。
    The post {head} was vacant then: nobody signs for it."""


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


class SlowIsProposed(Refusal):
    """第 {round} 轮督办已拟认定为缓慢，等待第二人复核。
    Round {round} was found slow already and waits for a second person to verify it."""


class NothingToVerify(Refusal):
    """第 {round} 轮督办没有待复核的缓慢认定。
    No verdict of round {round} waits to be verified."""


class VerifyingOnesOwnVerdict(Refusal):
    """认定人不能复核自己的认定，须由第二人复核。
    Whoever found the round slow does not verify that."""

    status = 403


class RulingOnOnesOwnVerdict(Refusal):
    """认定人、复核人不能裁定对自己认定的异议，须由他人裁定。
    Whoever judged or verified the round does not rule on the objection to it."""

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


def held_by_another_unit(case: CaseState, act: CommandContext, terms: Terms) -> None:
    """Nobody asks their own unit."""
    holder = hands(case, terms.elsewhere)[-1].unit
    if act.by.unit == holder:
        raise JudgingOnesOwnUnit(unit=holder)


def somebody_can_act(case: CaseState, act: CommandContext, terms: Terms) -> None:
    """It waits neither for a leader to pass it on, nor for the office to judge a claimed completion."""
    if hands(case, terms.elsewhere)[-1].role != "holder":
        raise MatterWaitsForALeader(number=case.number)
    if case.waits_for_the_office:
        raise CompletionWaitsForTheOffice(number=case.number)


def something_is_to_be_done(case: CaseState, act: CommandContext, terms: Terms) -> None:
    """One of its clocks runs."""
    if is_done(case, terms.rulebook):
        raise NothingToSupervise(number=case.number)


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


def heads_post_is_held(
    case: CaseState,
    act: CommandContext,
    number: int,
    head_of: Callable[[str], str],
    is_vacant: Callable[[str, date], bool],
) -> None:
    """Somebody held the head's post when the answer was signed. Whoever acts for a vacant one is found here."""
    head = head_of(round_of(case, number).unit)
    if is_vacant(head, local_day(act.happened_at)):
        raise HeadsPostIsVacant(head=head)


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
    """It is open, or was concluded as unsigned though it was answered; no earlier signature waits."""
    asked = round_of(case, number)
    unsigned = asked.unsigned and not asked.voided and asked.answer is not None
    if not asked.is_open and not unsigned:
        raise RoundAlreadyConcluded(round=number)
    is_not_signed(case, act, number)
    if asked.answer is None:
        raise NothingToSign(round=number)
    if clock_of(case, ANSWER, number).claim == "waiting":
        raise EarlierTimeWaits(round=number)


def is_not_proposed(case: CaseState, act: CommandContext, number: int) -> None:
    """No proposal to find it slow waits for the second person."""
    if round_of(case, number).status == "proposed":
        raise SlowIsProposed(round=number)


def is_proposed_as_slow(case: CaseState, act: CommandContext, number: int) -> None:
    """A proposal to find it slow waits for the second person."""
    if round_of(case, number).status != "proposed":
        raise NothingToVerify(round=number)


def by_a_second_person(case: CaseState, act: CommandContext, number: int) -> None:
    """Whoever found it slow does not verify that."""
    if act.by.post == round_of(case, number).proposed_by:
        raise VerifyingOnesOwnVerdict()


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
    if not asked.unsigned and act.by.post in (asked.judged_by, asked.verified_by):
        raise RulingOnOnesOwnVerdict()


def names_somebody(case: CaseState, act: CommandContext) -> None:
    """A naming is due."""
    if not case.namings:
        raise NamingNeedsTwoSlowRounds()


def is_not_drafted(case: CaseState, act: CommandContext, drafted: bool) -> None:
    """One streak, one naming."""
    if drafted:
        raise NamingAlreadyDrafted()


# -- decisions ----------------------------------------------------------------------------------------------------


class Rounds(Clocks):
    """What a case does with its rounds."""

    # -- the office asks, the unit answers --------------------------------------------------------------------

    @requires(
        is_not_closed, held_by_another_unit, no_round_is_open, somebody_can_act, something_is_to_be_done
    )
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
        rulebook's working days). Raises NoDateInPeriod, RoundDateTooEarly, RoundDateOnARestDay.
        """
        today = local_day(act.recorded_at)
        if due_on is not None:
            check_has_an_end(due_on, "due_on")
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
            requirement=requirement,
            kind=kind,
            due_on=due_on,
        )

    def _issue(
        self,
        act: CommandContext,
        terms: Terms,
        trigger: Trigger,
        *,
        requirement: str,
        kind: RoundKind = "immediate",
        due_on: date | None = None,
        missed: Clock | None = None,
        follows: int | None = None,
    ) -> None:
        number, holder = len(self.state.issued) + 1, self.hands(terms)[-1]
        _, answer_on, answer_at = terms.fixed(ANSWER, act.happened_at, own_date=due_on)
        self.record(
            supervision.RoundIssued,
            act,
            round=number,
            unit=holder.unit,
            post=self.state.post if holder.unit == self.state.unit else holder.post,
            kind=kind,
            requirement=requirement,
            trigger=trigger,
            due_on=answer_on,
            due_at=answer_at,
            missed_clock=missed.clock if missed else None,
            missed_cycle=missed.cycle if missed else None,
            follows_round=follows,
        )
        self.start(act, terms, ANSWER, holder.unit, own_date=due_on)

    @requires(by_the_unit_asked, is_not_concluded, is_not_signed)
    def answer_round(self, act: CommandContext, *, number: int, text: str) -> None:
        """The unit answers; it may answer again until its head has signed."""
        asked = round_of(self.state, number)
        not_before(act, supervision.RoundIssued, asked.issued_at)
        self.record(supervision.RoundAnswered, act, round=number, unit=asked.unit, text=text)

    @requires(by_the_main_head, waits_for_a_signature, heads_post_is_held)
    def sign_round(
        self,
        act: CommandContext,
        *,
        terms: Terms,
        number: int,
        head_of: Callable[[str], str],
        is_vacant: Callable[[str, date], bool],
    ) -> None:
        """The unit's main head signs the answer, before the round's date has passed.

        A signature given in time but entered after that waits for the office's confirmation; confirmed, it takes back
        the conclusion that the round went unsigned. Raises RoundAnswerTooLate.
        """
        not_before(act, supervision.RoundAnswered, round_of(self.state, number).answered_at)
        clock = clock_of(self.state, ANSWER, number)
        if not clock.in_time(act.happened_at):
            raise RoundAnswerTooLate(round=number, due_on=clock.due_on)
        if LATE_ENTRY in terms.rulebook and not clock.in_time(act.recorded_at):
            self.claim_earlier_time(
                act, terms, clock, act.happened_at, "supervision_office", signed_by=act.by.post
            )
        else:
            self._sign(act, terms, number, act.by.post)
        self.settle(act, terms)

    def _sign(self, act: CommandContext, terms: Terms, number: int, head: str) -> None:
        unit = round_of(self.state, number).unit
        self.record(supervision.RoundSigned, act, round=number, unit=unit, signed_by=head)
        self.stop(act, terms, ANSWER, cycle=number)

    def earlier_time_holds(self, act: CommandContext, terms: Terms, clock: Clock) -> None:
        """See Clocks; of a round's answer it is the signature that is confirmed."""
        if clock.clock != ANSWER:
            super().earlier_time_holds(act, terms, clock)
            return
        assert clock.claimed_at is not None
        assert clock.claimed_by is not None
        self._sign(replace(act, happened_at=clock.claimed_at), terms, clock.cycle, clock.claimed_by)

    @requires(by_another_unit, is_not_concluded, is_signed, is_not_proposed)
    def judge_round(
        self, act: CommandContext, *, terms: Terms, number: int, verdict: Verdict, reason: str
    ) -> None:
        """Conclude the round; slow for the first time → the next round follows.

        Where the rulebook wants a second verifier, slow counts once another person has verified it.
        """
        asked = round_of(self.state, number)
        not_before(act, supervision.RoundSigned, asked.signed_at)
        if verdict == "slow" and terms.rulebook.second_verifier:
            self.record(supervision.SlowProposed, act, round=number, unit=asked.unit, reason=reason)
            return
        self._conclude(act, asked, verdict, reason)
        self.settle(act, terms)

    @requires(by_another_unit, is_not_concluded, is_proposed_as_slow, by_a_second_person)
    def verify_slow(
        self, act: CommandContext, *, terms: Terms, number: int, agreed: bool, reason: str
    ) -> None:
        """A second person verifies that the round is slow, or does not: then it is to be judged anew."""
        asked = round_of(self.state, number)
        if agreed:
            self._conclude(act, asked, "slow", f"{asked.proposed_reason}（复核：{reason}）")
            self.settle(act, terms)
        else:
            self.record(supervision.SlowNotVerified, act, round=number, reason=reason)

    def _conclude(
        self, act: CommandContext, asked: Round, verdict: Verdict, reason: str, *, unsigned: bool = False
    ) -> None:
        self.record(
            supervision.RoundJudged,
            act,
            round=asked.round,
            unit=asked.unit,
            verdict=verdict,
            reason=reason,
            unsigned=unsigned,
            proposed_by=self._proposer(asked),
        )

    def _proposer(self, asked: Round) -> Actor | None:
        if asked.proposed_by is None or asked.proposed_by_unit is None:
            return None
        return Actor(unit=asked.proposed_by_unit, post=asked.proposed_by)

    @requires(by_another_unit, is_not_void)
    def void_round(self, act: CommandContext, *, terms: Terms, number: int, reason: str) -> None:
        """Declare the round void: it neither counts nor resets."""
        self._void(act, round_of(self.state, number), reason, "office")
        self.settle(act, terms)

    def _void(self, act: CommandContext, asked: Round, reason: str, ground: VoidGround) -> None:
        self.record(supervision.RoundVoided, act, round=asked.round, reason=reason, ground=ground)
        if clock_of(self.state, ANSWER, asked.round).is_open:
            self.record(supervision.ClockCancelled, act, clock=ANSWER, cycle=asked.round, reason=reason)

    @requires(by_the_unit_asked, is_judged, is_not_objected_to)
    def object_to_round(self, act: CommandContext, *, terms: Terms, number: int, text: str) -> None:
        """The unit objects to the verdict, within the rulebook's window. Raises ObjectionWindowClosed."""
        asked = round_of(self.state, number)
        assert asked.judged_at is not None
        not_before(act, supervision.RoundJudged, asked.concluded_at)
        _, closes_on, closes_at = terms.fixed(OBJECTION_WINDOW, asked.judged_at)
        if act.happened_at >= closes_at:
            raise ObjectionWindowClosed(closed_on=closes_on)
        self.record(supervision.ObjectionRaised, act, round=number, unit=asked.unit, text=text)
        self.settle(act, terms)

    @requires(by_another_unit, waits_for_a_ruling, by_another_than_the_judge)
    def rule_on_objection(
        self, act: CommandContext, *, terms: Terms, number: int, upheld: bool, reason: str
    ) -> None:
        """Rule on the unit's objection; upheld, the round neither counts nor resets."""
        self.record(supervision.ObjectionRuled, act, round=number, upheld=upheld, reason=reason)
        self.settle(act, terms)

    # -- what follows ----------------------------------------------------------------------------------------

    def settle(self, act: CommandContext, terms: Terms) -> None:
        """Bring in line with the facts what follows from them, whatever came before: asked again it does nothing.

        Charges of misses, verdicts for want of a signature, rounds that were issued by themselves and namings stand
        as long as what they rest on stands; what is owed and not there yet is issued (domain.md §3, §4.8).
        """
        self.charge_anew(act, terms)
        self.settle_late_entries(act, terms)
        if not self.state.issued and not self.state.missed:
            return  # most facts of most cases
        now = replace(act, happened_at=act.recorded_at)
        while self._conclude_the_unsigned(act, now) or self._void_the_groundless(now, terms):
            pass
        self._settle_namings(act)
        self._settle_what_is_unresolved(now)
        self._settle_the_offices_clocks(now, terms)
        owed = None if self.state.closed else owed_round(self.state, terms)
        if owed is not None:
            clock, follows = owed
            if follows is not None:
                words = f"第{follows}轮督办认定为进展缓慢，请说明原因和整改措施。"
                self._issue(now, terms, "slow_round", requirement=words, follows=follows)
            elif clock is not None:
                name = terms.rule(clock.clock).name_zh
                words = f"“{name}”应于{clock.due_on:%Y-%m-%d}前完成，已超时，请说明原因和整改措施。"
                self._issue(now, terms, "deadline_missed", requirement=words, missed=clock)

    def _settle_the_offices_clocks(self, now: CommandContext, terms: Terms) -> None:
        """The office has its days to judge a signed answer, and to rule on an objection; the cycle is the round."""
        for asked in self.state.issued.values():
            waits = {
                JUDGEMENT: asked.is_open and asked.signed_at is not None,
                RULING: asked.status == "objected",
            }
            for rule, runs in waits.items():
                clock = self.state.clocks.get((rule, asked.round))
                if runs:
                    self.start_the_offices(now, terms, rule, asked.round)
                elif clock is not None and clock.is_open:
                    if asked.voided:
                        words = str(asked.void_reason)
                        self.record(
                            supervision.ClockCancelled, now, clock=rule, cycle=asked.round, reason=words
                        )
                    else:
                        self.stop(now, terms, rule, cycle=asked.round)

    def _conclude_the_unsigned(self, act: CommandContext, now: CommandContext) -> bool:
        """A round without a signature by its date is slow; if the date moved, it is not."""
        for asked in self.state.issued.values():
            missed = self.state.clocks[ANSWER, asked.round]
            if missed.missed and asked.is_open and asked.signed_at is None:
                reason = "期限内没有主要负责人签字的答复，按缓慢认定。"
                at_due = replace(act, happened_at=missed.missed_due_at or missed.due_at)
                self._conclude(at_due, asked, "slow", reason, unsigned=True)
                return True
            if not missed.missed and asked.unsigned and not asked.voided:
                reason = "答复期限已变更，尚未到期，撤回认定。"
                self.record(supervision.RoundVerdictWithdrawn, now, round=asked.round, reason=reason)
                return True
        return False

    def _void_the_groundless(self, now: CommandContext, terms: Terms) -> bool:
        for asked in self.state.issued.values():
            lost = None if asked.voided else lost_ground(self.state, asked, terms)
            if lost is not None:
                self._void(now, asked, *lost)
                return True
        return False

    def _settle_namings(self, act: CommandContext) -> None:
        """Bring the namings in line with the rounds as they are known now."""
        wanted = {(streak.unit, *streak.named_for): streak for streak in self.state.streaks}
        for key, naming_id in tuple(self.namings_due.items()):
            if key not in wanted:
                ground = why_not_named(self.state, key[1:])
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

    def _settle_what_is_unresolved(self, now: CommandContext) -> None:
        """The main leader is told of the latest round that left the matter unresolved, as long as it does."""
        told, wanted = self.state.unresolved, unresolved(self.state)
        if told == wanted:
            return
        if told is not None and (wanted is None or wanted.unit != told.unit):
            ground = "事项已结案" if self.state.closed else why_not_named(self.state, [told.round])
            self.record(
                supervision.SupervisionNoLongerUnresolved,
                now,
                unit=told.unit,
                round=told.round,
                ground=ground,
            )
        if wanted is not None:
            reason = self.state.issued[wanted.round].reason or ""
            self.record(
                supervision.SupervisionUnresolved, now, unit=wanted.unit, round=wanted.round, reason=reason
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
