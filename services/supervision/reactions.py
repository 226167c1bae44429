"""What supervision does when others, or its own cases, have something to tell."""

from dataclasses import replace

from services.supervision.application import Supervision
from services.supervision.domain import Case, Duty, Naming
from shared.domain.case_id import case_id
from shared.events import assignment, enterprise, supervision
from shared.events.base import Message
from shared.events.matter import Matter, MatterFact
from shared.events.supervision import CustodyRole
from shared.messaging.reactions import NotYet, Reactions
from shared.readmodels.reference import UnknownPost


class SupervisionReactions(Reactions[Supervision]):
    """Cases follow the matters that facts tell, by the rows of the rulebook; namings follow the cases.

    Clocks run from the moment of the fact, whenever it is heard; the desk hears of its whistle itself. What is more
    than starting, stopping and closing is a sentence of its own, and comes after it.
    """

    THROUGHPUT_MODE = True

    # -- every matter ----------------------------------------------------------------------------------------

    def when_a_fact_concerns_a_matter_then_its_clocks_follow_the_rulebook(
        self, fact: MatterFact, message: Message
    ) -> None:
        for parts in fact.belongs_to():
            # One of several duties may never have been owed; whatever else the fact is about has a case.
            about = case_id(fact.MATTER, message.aggregate_id, *parts)
            case = self.find(Case, about) if parts else self.get(Case, about)
            if case is not None:
                case.follow(self.act, self.app.terms_of(case), fact, self.app.answering)
        for matter in fact.begins():
            self._begin(matter, fact, message)

    def _begin(self, matter: Matter, fact: MatterFact, message: Message) -> None:
        """Open the matter's case and start the clocks whose rows name the fact, once."""
        new_id = case_id(fact.MATTER, message.aggregate_id, *matter.parts)
        known = not self.is_new(Case, new_id) if message.version == 1 else self.find(Case, new_id) is not None
        terms = self.app.terms()
        rules = terms.rulebook.started_by(fact, matter.clock)
        if known or not rules:
            return
        if matter.origins:
            matter = self._as_known(matter, fact, message)
        if not matter.unit:
            matter = replace(matter, unit=self.app.answering(rules[0].answers_for, matter))
        answering, subject = self.app.answering, message.aggregate_id
        self.add(Case.of(self.act, terms, matter, rules, answering, kind=fact.MATTER, subject_id=subject))

    def _as_known(self, matter: Matter, fact: MatterFact, message: Message) -> Matter:
        """The matter with what an earlier case about the same subject tells. Raises NotYet if there is none."""
        for parts in matter.origins:
            origin = self.find(Case, case_id(fact.MATTER, message.aggregate_id, *parts))
            if origin is not None:
                return replace(
                    matter,
                    number=origin.state.number,
                    title=origin.state.title,
                    leader_post=origin.state.leader_post,
                    secrecy=origin.state.secrecy,
                )
        raise NotYet(f"nothing is known of {fact.MATTER} {message.aggregate_id}")

    # -- duties from directives (measure 8) --------------------------------------------------------------------

    def when_a_duty_is_referred_then_move_custody_to_the_leader(
        self, fact: assignment.DutyReferred, message: Message
    ) -> None:
        for case in self._duties(fact, message):
            unit = self._unit_of(fact.leader_post)
            case.move(self.act, self.app.terms_of(case), unit, to_post=fact.leader_post, role="decides")

    def when_a_duty_is_reassigned_then_the_new_unit_answers_for_it(
        self, fact: assignment.DutyReassigned, message: Message
    ) -> None:
        for case in self._duties(fact, message):
            case.move(self.act, self.app.terms_of(case), fact.unit, leads=True)

    # -- tasks (measures 7 and 10) ---------------------------------------------------------------------------

    def when_a_task_is_returned_then_move_custody_to_the_leader(
        self, fact: assignment.TaskReturned, message: Message
    ) -> None:
        case = self._task(message)
        leader = fact.referred_to or case.state.leader_post
        if leader is not None:
            role: CustodyRole = "decides" if fact.referred_to else "router"
            case.move(self.act, self.app.terms_of(case), self._unit_of(leader), to_post=leader, role=role)

    def when_a_task_is_reassigned_then_the_new_lead_answers_for_it(
        self, fact: assignment.TaskReassigned, message: Message
    ) -> None:
        case = self._task(message)
        case.reassigned(self.act, self.app.terms_of(case), fact.lead_unit, fact.post, fact.leader_post)

    def when_a_part_is_reassigned_then_another_unit_supports_the_task(
        self, fact: assignment.SupportReassigned, message: Message
    ) -> None:
        self._task(message).support_passed_on(self.act, fact.from_unit, fact.unit)

    def when_completion_is_claimed_then_the_office_has_to_judge_it(
        self, fact: assignment.CompletionClaimed, message: Message
    ) -> None:
        case = self._task(message)
        case.claimed(self.act, self.app.terms_of(case), fact.entered_at())

    def when_a_claim_is_sent_back_then_the_task_clock_runs_on(
        self, fact: assignment.CompletionSentBack, message: Message
    ) -> None:
        case = self._task(message)
        case.wake_task(self.act, self.app.terms_of(case), "claimed")

    def when_an_extension_is_granted_then_reschedule_the_task_clock(
        self, fact: assignment.ExtensionGranted, message: Message
    ) -> None:
        case = self._task(message)
        case.extended(self.act, self.app.terms_of(case), fact.due_on)

    def when_a_task_is_suspended_then_pause_the_task_clock(
        self, fact: assignment.TaskSuspended, message: Message
    ) -> None:
        case = self._task(message)
        case.rest_task(self.act, self.app.terms_of(case), "suspended", fact.reason)

    def when_a_task_is_resumed_then_resume_the_task_clock(
        self, fact: assignment.TaskResumed, message: Message
    ) -> None:
        case = self._task(message)
        case.wake_task(self.act, self.app.terms_of(case), "suspended")

    # -- whistles (measure 13) -------------------------------------------------------------------------------

    def when_a_whistle_is_routed_then_the_new_lead_answers_for_it(
        self, fact: enterprise.WhistleRouted, message: Message
    ) -> None:
        case = self._whistle(message)
        case.move(self.act, self.app.terms_of(case), fact.lead_unit, to_post=fact.post, leads=True)

    def when_a_whistle_is_returned_then_move_custody_to_the_desk(
        self, fact: enterprise.WhistleReturned, message: Message
    ) -> None:
        case = self._whistle(message)
        case.move(self.act, self.app.terms_of(case), fact.desk_unit)

    def when_the_enterprise_is_contacted_then_a_merged_whistle_has_had_all_that_it_was_owed(
        self, fact: enterprise.EnterpriseContacted, message: Message
    ) -> None:
        case = self._whistle(message)
        if case.merged:
            case.close(self.act, self.app.terms_of(case), "merged")

    def when_rework_is_ordered_then_the_hard_limit_runs_on_from_the_whistle(
        self, fact: enterprise.ReworkOrdered, message: Message
    ) -> None:
        case = self._whistle(message)
        case.rework(self.act, self.app.terms_of(case), fact.times)

    def when_it_is_confirmed_as_infeasible_then_cancel_the_limits(
        self, fact: enterprise.InfeasibilityReviewed, message: Message
    ) -> None:
        if fact.upheld:
            case = self._whistle(message)
            case.infeasible(self.act, self.app.terms_of(case), fact.reason)

    def when_a_whistle_is_merged_then_the_lead_of_the_other_owes_its_contact(
        self, fact: enterprise.WhistleMerged, message: Message
    ) -> None:
        case, into = self._whistle(message), case_id("whistle", fact.into)
        case.merge(self.act, self.app.terms_of(case, into=into), into)

    def when_a_whistle_is_unmerged_then_its_clocks_run_from_its_own_blowing(
        self, fact: enterprise.WhistleUnmerged, message: Message
    ) -> None:
        case = self._whistle(message)
        case.unmerge(self.act, self.app.terms_of(case), fact.reason)

    # -- duties of a period ----------------------------------------------------------------------------------

    def when_something_was_done_then_credit_the_duty_that_it_counts_for(
        self, fact: supervision.GivesCredit, message: Message
    ) -> None:
        ower, day = fact.credited()
        duty = self.app.owed(ower, fact.CREDIT, day)
        if duty is not None:
            found = self.get(Duty, duty.id)
            found.give_credit(self.act, credit_id=message.aggregate_id, entered_at=fact.timestamp)

    def when_a_credit_is_withdrawn_then_the_clock_runs_on_from_the_beginning_of_the_period(
        self, fact: supervision.CreditWithdrawn, message: Message
    ) -> None:
        case = self.get(Case, case_id("period", message.aggregate_id))
        if not fact.met:
            case.runs_on(self.act, self.app.terms_of(case), fact.reason)

    # -- namings ---------------------------------------------------------------------------------------------

    def when_a_naming_became_due_then_draft_it(
        self, fact: supervision.NamingBecameDue, message: Message
    ) -> None:
        case = self.app.load(Case, message.aggregate_id)
        if fact.naming_id not in case.namings_due.values():
            return  # taken away again before it was drafted
        act = replace(self.act, by=case.drafter(fact.rounds))
        naming = self.find(Naming, fact.naming_id)
        if naming is None:
            self.add(self.app.new_naming(act, case, fact.naming_id, fact.rounds))
        elif naming.status == "withdrawn":
            since = self.app.holder_since(case, fact.rounds)
            naming.redraft(act, text=self.app.text_for(case, fact.rounds, since), holder_since=since)

    def when_a_naming_is_no_longer_due_then_withdraw_the_draft(
        self, fact: supervision.NamingNoLongerDue, message: Message
    ) -> None:
        naming = self.find(Naming, fact.naming_id)
        if naming is not None:
            naming.withdraw(self.act, fact.ground)

    # -- the same for several --------------------------------------------------------------------------------

    def _duties(self, fact: assignment.OfDuty, message: Message) -> list[Case]:
        ids = [case_id("duty", message.aggregate_id, *parts) for parts in fact.belongs_to()]
        return [case for one in ids if (case := self.find(Case, one)) is not None]

    def _task(self, message: Message) -> Case:
        return self.get(Case, case_id("task", message.aggregate_id))

    def _whistle(self, message: Message) -> Case:
        return self.get(Case, case_id("whistle", message.aggregate_id))

    def _unit_of(self, post: str) -> str:
        """The post's unit. Raises NotYet: who gave a task named a registered post, by another aggregate."""
        try:
            return str(self.app.reference.post(post)["unit"])
        except UnknownPost as unknown:
            raise NotYet(f"the post {post} is not registered here") from unknown
