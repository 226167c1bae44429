"""What the notify service does about the facts of others: tell, withdraw, escalate."""

from typing import Any
from uuid import UUID

from services.notify.application import Notifier
from services.notify.domain import Matter, Naming, words
from services.notify.domain.hours import not_before
from services.notify.domain.matter.decisions import CASE, CORRECTION, NAMING
from services.notify.domain.matter.state import ROUND
from services.notify.domain.notice import Colour
from services.notify.domain.words import Said
from shared.calendar import Calendar
from shared.domain.case_id import case_id
from shared.domain.clock import close_of, local_day
from shared.events import enterprise, notify, supervision
from shared.events.base import Message
from shared.events.matter import Movement
from shared.messaging.reactions import Reactions
from shared.rulebook import OBJECTION_WINDOW

BEFORE_DUE: tuple[notify.Level, ...] = ("approaching", "rescheduled")
"""What a clock is told of before it is due: it says no more once the clock moves or ends."""


class NotifyReactions(Reactions[Notifier]):
    """A matter a case; whom to tell comes from the ladder of the rulebook that the case is pinned to."""

    def likely(self, message: Message) -> tuple[type[Matter], UUID] | None:
        """The matter, unless a whistle begins it."""
        if message.source == "supervision" or isinstance(message.fact, Movement):
            return Matter, _matter_of(message)
        return None

    # -- the matter ----------------------------------------------------------------------------------------------

    def when_a_whistle_is_blown_then_follow_it_and_tell_the_desk(
        self, fact: enterprise.WhistleBlown, message: Message
    ) -> None:
        # Not first through supervision: a desk that has one working day need not wait until its clock is started.
        case = case_id("whistle", message.aggregate_id)
        if not self.is_new(Matter, Matter.id_of(case)):
            return
        matter = self._follow(
            case,
            kind="whistle",
            number=fact.number,
            title=fact.title,
            unit=fact.desk_unit,
            leader_post=fact.leader_post,
            secrecy=fact.secrecy,
            rulebook_version=self.app.rulebook.version,
        )
        self._tell_the_desk(matter)

    def when_a_case_was_opened_then_follow_it_and_tell_the_post_or_the_desk(
        self, fact: supervision.CaseOpened, message: Message
    ) -> None:
        whistle, matter_id = fact.kind == "whistle", Matter.id_of(message.aggregate_id)
        if whistle and (known := self.find(Matter, matter_id)) is not None:
            known.pin(self.act, rulebook_version=fact.rulebook_version)
            return
        if not self.is_new(Matter, matter_id):
            return
        matter = self._follow(
            message.aggregate_id,
            kind=fact.kind,
            number=fact.number,
            title=fact.title,
            unit=fact.unit,
            post=fact.post,
            supporters=fact.supporters,
            leader_post=fact.leader_post,
            secrecy=fact.secrecy,
            rulebook_version=fact.rulebook_version,
        )
        if whistle:
            self._tell_the_desk(matter)
        else:
            self._tell_the_post(matter)

    def when_the_lead_changed_then_hand_over_and_tell_the_new_post(
        self, fact: supervision.CustodyMoved, message: Message
    ) -> None:
        matter = self._matter(message)
        if not fact.leads:
            # Who answers for it is the same. A leader who has to pass it on learns of it by the clock for that.
            if fact.role == "holder":
                said = words.came_back(matter.state, self.app.unit_name(fact.to_unit))
                self._tell(
                    matter, ["unit_head"], fact.to_unit, CASE, message.version, "started", "blue", said
                )
            return
        passed_on = "已转其他单位办理"
        matter.withdraw(
            self.act, ground=passed_on, which=lambda one: (one.clock, one.level) == (CASE, "started")
        )
        matter.hand_over(self.act, unit=fact.to_unit, post=fact.to_post)
        self._tell_the_post(matter)

    def when_a_whistle_was_raised_a_level_then_tell_the_leader(
        self, fact: enterprise.WhistleRaisedALevel, message: Message
    ) -> None:
        matter = self.get(Matter, _matter_of(message))
        said = words.raised(matter.state, why=words.ground_of(fact))
        shown_at = not_before(self._calendar, self.act.recorded_at, CASE)
        matter.tell(
            self.act,
            to=self.app.at_post(fact.leader_post),
            clock=CASE,
            cycle=message.version,
            level="started",
            colour="yellow",
            subject=said.subject,
            text=said.text,
            not_before=shown_at,
        )

    def when_a_case_was_reopened_then_tell_the_post(
        self, fact: supervision.CaseReopened, message: Message
    ) -> None:
        self._tell_the_post(self._matter(message))

    def when_a_case_was_closed_then_withdraw_everything(
        self, fact: supervision.CaseClosed, message: Message
    ) -> None:
        self._matter(message).close(self.act, ground=f"督查结案：{words.ground_of(fact)}")

    # -- clocks --------------------------------------------------------------------------------------------------

    def when_a_clock_starts_for_which_others_wait_then_tell_the_ladder(
        self, fact: supervision.ClockStarted, message: Message
    ) -> None:
        matter = self._matter(message)
        rung = self._rung(matter, fact.clock, "started")
        if rung:
            said = words.waiting(
                matter.state,
                self._calendar,
                clock=self._clock_name(matter, fact.clock),
                unit=self.app.unit_name(fact.unit),
                due_on=fact.due_on,
            )
            self._tell(matter, rung, fact.unit, fact.clock, fact.cycle, "started", "blue", said)

    def when_a_deadline_approaches_then_tell_the_ladder(
        self, fact: supervision.DeadlineApproaching, message: Message
    ) -> None:
        matter = self._matter(message)
        said = words.approaching(
            matter.state,
            self._calendar,
            clock=self._clock_name(matter, fact.clock),
            unit=self.app.unit_name(fact.unit),
            due_on=fact.due_on,
        )
        rung = self._rung(matter, fact.clock, "approaching")
        self._tell(matter, rung, fact.unit, fact.clock, fact.cycle, "approaching", "yellow", said)

    def when_a_deadline_was_missed_then_tell_the_ladder(
        self, fact: supervision.DeadlineMissed, message: Message
    ) -> None:
        matter = self._matter(message)
        matter.withdraw_of_clock(
            self.act, *BEFORE_DUE, ground="时限已过，另发超时通知", clock=fact.clock, cycle=fact.cycle
        )
        said = words.missed(
            matter.state,
            self._calendar,
            clock=self._clock_name(matter, fact.clock),
            unit=self.app.unit_name(fact.unit),
            due_on=fact.due_on,
            provisional=fact.provisional,
        )
        rung = self._rung(matter, fact.clock, "missed")
        for unit in dict.fromkeys((fact.unit, fact.holder or fact.unit)):
            self._tell(matter, rung, unit, fact.clock, fact.cycle, "missed", "red", said)

    def when_a_miss_was_retracted_then_withdraw_its_notices(
        self, fact: supervision.DeadlineMissRetracted, message: Message
    ) -> None:
        matter, ground = self._matter(message), f"超时撤回：{words.ground_of(fact)}"
        matter.withdraw_of_clock(self.act, "missed", ground=ground, clock=fact.clock, cycle=fact.cycle)

    def when_a_clock_rests_or_moves_then_withdraw_what_said_it_approaches(
        self,
        fact: supervision.ClockStopped | supervision.ClockPaused | supervision.ClockRescheduled,
        message: Message,
    ) -> None:
        grounds = {
            supervision.ClockStopped.TOPIC: "该时限已停止计时",
            supervision.ClockPaused.TOPIC: "该时限已暂停计时",
            supervision.ClockRescheduled.TOPIC: "该时限已重新计算",
        }
        released = isinstance(fact, supervision.ClockRescheduled) and fact.ground == "calendar"
        levels: tuple[notify.Level, ...] = ("approaching",) if released else BEFORE_DUE
        if isinstance(fact, supervision.ClockStopped):
            levels = ("started", *BEFORE_DUE)
        self._matter(message).withdraw_of_clock(
            self.act, *levels, ground=grounds[fact.TOPIC], clock=fact.clock, cycle=fact.cycle
        )

    def when_a_calendar_release_moved_a_clock_then_tell_the_ladder(
        self, fact: supervision.ClockRescheduled, message: Message
    ) -> None:
        if fact.moved_from is None or fact.unit is None:
            return
        matter, ground = self._matter(message), "该时限已重新计算"
        matter.withdraw_of_clock(self.act, "rescheduled", ground=ground, clock=fact.clock, cycle=fact.cycle)
        said = words.rescheduled(
            matter.state,
            self._calendar,
            clock=self._clock_name(matter, fact.clock),
            unit=self.app.unit_name(fact.unit),
            moved_from=fact.moved_from,
            due_on=fact.due_on,
        )
        rung = self._rung(matter, fact.clock, "approaching")
        self._tell(matter, rung, fact.unit, fact.clock, fact.cycle, "rescheduled", "blue", said)

    def when_a_clock_was_cancelled_then_withdraw_its_notices(
        self, fact: supervision.ClockCancelled, message: Message
    ) -> None:
        self._matter(message).withdraw_of_clock(
            self.act,
            "started",
            *BEFORE_DUE,
            "missed",
            ground="该时限不再适用",
            clock=fact.clock,
            cycle=fact.cycle,
        )

    # -- rounds --------------------------------------------------------------------------------------------------

    def when_a_round_was_issued_then_tell_the_unit_and_the_leader_in_charge(
        self, fact: supervision.RoundIssued, message: Message
    ) -> None:
        matter = self._matter(message)
        said = words.round_issued(
            matter.state,
            self._calendar,
            round=fact.round,
            unit=self.app.unit_name(fact.unit),
            due_on=fact.due_on,
            requirement=fact.requirement,
        )
        # The rung round1 names who learns of a round; round2 who learns that the second left it unresolved.
        rung = self._round_rung(matter, "round1", fact.missed_clock)
        first = fact.round == 1
        self._tell(
            matter,
            rung,
            fact.unit,
            ROUND,
            fact.round,
            "round1" if first else "round2",
            "yellow" if first else "red",
            said,
        )

    def when_the_second_supervision_left_it_unresolved_then_tell_the_main_leader(
        self, fact: supervision.SupervisionUnresolved, message: Message
    ) -> None:
        matter = self._matter(message)
        said = words.unresolved(
            matter.state, round=fact.round, unit=self.app.unit_name(fact.unit), reason=fact.reason
        )
        shown_at = not_before(self._calendar, self.act.recorded_at, ROUND)
        rung = self._round_rung(matter, "round2")
        for to in self.app.recipients(
            [role for role in rung if role == "main_leader"], matter.state, fact.unit
        ):
            matter.escalate(
                self.act,
                to=to,
                round=fact.round,
                subject=said.subject,
                text=said.text,
                not_before=shown_at,
                next_reminder_at=self.app.next_reminder_at(matter.state, shown_at),
            )
        others = [role for role in rung if role != "main_leader"]
        self._tell(matter, others, fact.unit, ROUND, fact.round, "round2", "red", said)

    def when_it_is_no_longer_unresolved_then_withdraw_the_escalation(
        self, fact: supervision.SupervisionNoLongerUnresolved, message: Message
    ) -> None:
        self._matter(message).withdraw_escalation(self.act, ground=fact.ground)

    def when_a_round_was_judged_well_then_withdraw_what_no_longer_holds(
        self, fact: supervision.RoundJudged, message: Message
    ) -> None:
        if fact.verdict == "resolved":
            self._matter(message).resolve_round(self.act, ground=f"第{fact.round}轮督办认定为已解决")
        elif fact.verdict == "on_track":
            matter = self._matter(message)
            ground = f"第{fact.round}轮督办认定为按序推进"
            matter.end_round(self.act, round=fact.round, ground=ground)
            self._see_progress(matter, ground)

    def when_a_round_was_voided_then_withdraw_what_rested_on_it(
        self, fact: supervision.RoundVoided, message: Message
    ) -> None:
        self._matter(message).end_round(self.act, round=fact.round, ground=f"第{fact.round}轮督办已作废")

    def when_an_objection_was_upheld_then_withdraw_what_rested_on_the_round(
        self, fact: supervision.ObjectionRuled, message: Message
    ) -> None:
        if fact.upheld:
            self._matter(message).end_round(
                self.act, round=fact.round, ground=f"对第{fact.round}轮督办认定的异议成立"
            )

    # -- namings -------------------------------------------------------------------------------------------------

    def when_a_naming_was_drafted_then_follow_it(
        self, fact: supervision.NamingDrafted, message: Message
    ) -> None:
        if self.find(Naming, Naming.id_of(message.aggregate_id)) is None:
            cycle = max(fact.rounds, default=0)
            self.add(
                Naming.follow(
                    self.act,
                    naming_id=message.aggregate_id,
                    case_id=fact.case_id,
                    unit=fact.unit,
                    cycle=cycle,
                )
            )

    def when_a_naming_was_checked_then_tell_the_unit_until_when_it_may_object(
        self, fact: supervision.NamingChecked, message: Message
    ) -> None:
        if fact.objections_until <= local_day(fact.timestamp):
            return  # a correction, against which nobody objects
        naming, matter = self._naming(message)
        said = words.objection_window(
            matter.state,
            self._calendar,
            unit=self.app.unit_name(naming.state.unit),
            until=fact.objections_until,
        )
        rung = self._rung(matter, OBJECTION_WINDOW, "approaching")
        self._tell(
            matter, rung, naming.state.unit, OBJECTION_WINDOW, naming.state.cycle, "naming", "yellow", said
        )

    def when_a_calendar_release_moved_the_window_then_tell_the_unit_the_new_day(
        self, fact: supervision.NamingWindowMoved, message: Message
    ) -> None:
        naming, matter = self._naming(message)
        cycle = naming.state.cycle
        matter.withdraw_of_clock(
            self.act, "naming", ground="异议期已重新计算", clock=OBJECTION_WINDOW, cycle=cycle
        )
        said = words.window_moved(
            matter.state,
            self._calendar,
            unit=self.app.unit_name(fact.unit),
            moved_from=fact.moved_from,
            until=fact.objections_until,
        )
        rung = self._rung(matter, OBJECTION_WINDOW, "approaching")
        self._tell(matter, rung, fact.unit, OBJECTION_WINDOW, cycle, "naming", "blue", said)

    def when_a_naming_was_published_then_tell_the_unit_head(
        self, fact: supervision.NamingPublished, message: Message
    ) -> None:
        naming, matter = self._naming(message)
        corrects = fact.corrects is not None
        if not corrects:  # a correction has no window, and shares the cycle of what it corrects
            matter.withdraw_of_clock(
                self.act, "naming", ground="通报已发布", clock=OBJECTION_WINDOW, cycle=naming.state.cycle
            )
        said = (words.corrected if corrects else words.named)(
            matter.state,
            unit=self.app.unit_name(fact.unit),
            series=fact.series,
            year=fact.year,
            number=fact.number,
            text=fact.text,
        )
        clock: str = CORRECTION if corrects else NAMING
        colour: Colour = "blue" if corrects else "red"
        self._tell(matter, ["unit_head"], fact.unit, clock, naming.state.cycle, "naming", colour, said)

    def when_a_naming_was_issued_internally_then_tell_the_unit_head(
        self, fact: supervision.NamingIssuedInternally, message: Message
    ) -> None:
        naming, matter = self._naming(message)
        cycle = naming.state.cycle
        matter.withdraw_of_clock(
            self.act, "naming", ground="内部通报已下达", clock=OBJECTION_WINDOW, cycle=cycle
        )
        said = words.issued_internally(matter.state, unit=self.app.unit_name(fact.unit))
        self._tell(matter, ["unit_head"], fact.unit, NAMING, cycle, "naming", "red", said)

    def when_a_naming_was_lifted_withdrawn_or_corrected_then_withdraw_its_notice(
        self,
        fact: supervision.NamingLifted | supervision.NamingWithdrawn | supervision.NamingCorrected,
        message: Message,
    ) -> None:
        grounds = {
            supervision.NamingLifted.TOPIC: "整改到位，通报已撤销",
            supervision.NamingWithdrawn.TOPIC: "通报稿已撤回",
            supervision.NamingCorrected.TOPIC: "通报已更正",
        }
        naming, matter = self._naming(message)
        for clock in (OBJECTION_WINDOW, NAMING):
            matter.withdraw_of_clock(
                self.act, "naming", ground=grounds[fact.TOPIC], clock=clock, cycle=naming.state.cycle
            )

    # -- movement ------------------------------------------------------------------------------------------------

    def when_something_moved_then_see_progress(self, fact: Movement, message: Message) -> None:
        if message.source == "supervision":
            self._see_progress(self._matter(message), fact.MOVED)
            return
        # A matter that is not followed yet cannot have been acknowledged, and movement of before the
        # acknowledgement does not renew it: there is nothing to wait for.
        matter = self.find(Matter, _matter_of(message))
        if matter is not None:
            self._see_progress(matter, fact.MOVED)

    # -- how -----------------------------------------------------------------------------------------------------

    def _follow(self, case: UUID, **what: Any) -> Matter:
        return self.add(
            Matter.begin(notify.MatterFollowed, self.act, Matter.id_of(case), case_id=case, **what)
        )

    def _see_progress(self, matter: Matter, what: str) -> None:
        expires_on = self.app.expires_on(matter.state, self.act)
        matter.see_progress(self.act, what=what, expires_at=close_of(expires_on))

    def _matter(self, message: Message) -> Matter:
        return self.get(Matter, _matter_of(message))

    def _naming(self, message: Message) -> tuple[Naming, Matter]:
        """The naming whose fact this is, and its case's matter: the case may be heard later. Raises NotYet."""
        naming = self.get(Naming, Naming.id_of(message.aggregate_id))
        return naming, self.get(Matter, Matter.id_of(naming.state.case_id))

    @property
    def _calendar(self) -> Calendar:
        return self.app.reference.calendar()

    def _clock_name(self, matter: Matter, clock: str) -> str:
        return self.app.rules(matter.state.rulebook_version).rule(clock).name_zh

    def _rung(self, matter: Matter, clock: str, level: str) -> list[str]:
        return list(self.app.rules(matter.state.rulebook_version).rule(clock).ladder.get(level, ()))

    def _round_rung(self, matter: Matter, level: str, missed_clock: str | None = None) -> list[str]:
        # The clock round_answer has no rungs for rounds: the clock that pressed for the round speaks.
        clocks = [*filter(None, [missed_clock]), *matter.state.pressing_clocks]
        rungs = (self._rung(matter, clock, level) for clock in clocks)
        return next((rung for rung in rungs if rung), [])

    def _tell_the_desk(self, matter: Matter) -> None:
        said = words.blown(matter.state, self.app.unit_name(matter.state.unit))
        self._tell(matter, ["unit_head"], matter.state.unit, CASE, 1, "assigned", "blue", said)

    def _tell_the_post(self, matter: Matter) -> None:
        said = words.assigned(matter.state, self.app.unit_name(matter.state.unit))
        self._tell(matter, ["officer"], matter.state.unit, CASE, 1, "assigned", "blue", said)

    def _tell(
        self,
        matter: Matter,
        roles: list[str],
        unit: str,
        clock: str,
        cycle: int,
        level: notify.Level,
        colour: Colour,
        said: Said,
    ) -> None:
        shown_at = not_before(self._calendar, self.act.recorded_at, clock)
        for to in self.app.recipients(roles, matter.state, unit):
            matter.tell(
                self.act,
                to=to,
                clock=clock,
                cycle=cycle,
                level=level,
                colour=colour,
                subject=said.subject,
                text=said.text,
                not_before=shown_at,
            )


def _matter_of(message: Message) -> UUID:
    """The matter about the case, the task or the whistle that this fact is of."""
    if message.source == "supervision":
        return Matter.id_of(message.aggregate_id)
    return Matter.id_of(
        case_id("task" if message.source == "assignment" else "whistle", message.aggregate_id)
    )
