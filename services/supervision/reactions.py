"""What supervision does when others, or its own cases, have something to tell."""

from dataclasses import replace
from uuid import UUID

from services.supervision.application import Supervision
from services.supervision.domain import Case, Naming
from shared.domain.case_id import case_id
from shared.events import assignment, enterprise, supervision
from shared.events.base import Message
from shared.messaging.reactions import NotYet, Reactions
from shared.readmodels.reference import UnknownPost


class SupervisionReactions(Reactions[Supervision]):
    """Cases follow the tasks, directives and whistles; namings follow the cases.

    Clocks run in working days from the moment of the fact, whenever it is heard; the desk hears of its whistle itself.
    """

    THROUGHPUT_MODE = True

    # -- tasks (measures 7 and 10) ---------------------------------------------------------------------------

    def when_a_task_is_assigned_then_open_a_case_and_start_its_clocks(
        self, fact: assignment.TaskAssigned, message: Message
    ) -> None:
        if not self.is_new(Case, case_id("task", message.aggregate_id)):
            return
        terms = self.app.terms()
        case = Case.open(
            self.act,
            terms,
            kind="task",
            subject_id=message.aggregate_id,
            number=fact.number,
            title=fact.title,
            unit=fact.lead_unit,
            post=fact.post,
            supporters=tuple(support.unit for support in fact.supporters),
            leader_post=fact.leader_post,
            secrecy=fact.secrecy,
        )
        case.start(self.act, terms, "task_due", fact.lead_unit, own_date=fact.due_on)
        case.start(self.act, terms, "acknowledge", fact.lead_unit)
        self.add(case)

    def when_a_task_is_accepted_then_stop_the_acknowledge_clock(
        self, fact: assignment.TaskAccepted, message: Message
    ) -> None:
        self._task(message).accepted(self.act, fact.unit)

    def when_a_task_is_returned_then_move_custody_to_the_leader(
        self, fact: assignment.TaskReturned, message: Message
    ) -> None:
        case = self._task(message)
        leader = fact.referred_to or case.leader_post
        if leader is not None:
            case.returned(self.act, fact.unit, self._unit_of(leader), leader)

    def when_a_task_is_reassigned_then_the_new_lead_answers_for_it(
        self, fact: assignment.TaskReassigned, message: Message
    ) -> None:
        case = self._task(message)
        case.reassigned(self.act, self.app.terms_of(case), fact.lead_unit, fact.post)

    def when_completion_is_accepted_then_stop_the_task_clock_at_the_claim(
        self, fact: assignment.CompletionAccepted, message: Message
    ) -> None:
        self._task(message).stop(self.act, "task_due", fact.claimed_at)

    def when_a_new_instruction_is_given_then_the_case_is_open_again(
        self, fact: assignment.NewInstructionGiven, message: Message
    ) -> None:
        self._task(message).new_instruction(self.act)

    def when_an_extension_is_granted_then_reschedule_the_task_clock(
        self, fact: assignment.ExtensionGranted, message: Message
    ) -> None:
        case = self._task(message)
        case.extended(self.act, self.app.terms_of(case), fact.due_on)

    def when_a_task_is_suspended_then_pause_the_task_clock(
        self, fact: assignment.TaskSuspended, message: Message
    ) -> None:
        case = self._task(message)
        case.suspend(self.act, self.app.terms_of(case), fact.reason)

    def when_a_task_is_resumed_then_resume_the_task_clock(
        self, fact: assignment.TaskResumed, message: Message
    ) -> None:
        case = self._task(message)
        case.go_on(self.act, self.app.terms_of(case))

    def when_a_task_is_closed_then_close_the_case(
        self, fact: assignment.TaskClosed, message: Message
    ) -> None:
        self._task(message).close(self.act, "resolved")

    def when_a_task_is_cancelled_then_close_the_case(
        self, fact: assignment.TaskCancelled, message: Message
    ) -> None:
        self._task(message).close(self.act, "cancelled")

    def when_a_task_is_superseded_then_close_the_case(
        self, fact: assignment.TaskSuperseded, message: Message
    ) -> None:
        self._task(message).close(self.act, "superseded")

    # -- directives (measure 8) ------------------------------------------------------------------------------

    def when_a_directive_is_registered_then_open_a_case_for_each_duty(
        self, fact: assignment.DirectiveRegistered, message: Message
    ) -> None:
        if fact.kind in ("field_visit_issue", "onsite_meeting_decision"):
            self._open_duty(message.aggregate_id, "decompose", fact.office_unit, fact)
        for unit in fact.units:
            self._open_duty(message.aggregate_id, "arrange", unit, fact)

    def when_an_arrangement_is_reported_then_stop_the_arrange_clock(
        self, fact: assignment.ArrangementReported, message: Message
    ) -> None:
        self._fulfil(message.aggregate_id, "arrange", fact.unit)

    def when_a_directive_is_decomposed_then_stop_decompose_and_start_feedback(
        self, fact: assignment.DirectiveDecomposed, message: Message
    ) -> None:
        origin = self._case("duty", message.aggregate_id, "decompose")
        self._fulfil(message.aggregate_id, "decompose")
        for unit in dict.fromkeys(dispatch.unit for dispatch in fact.dispatches):
            known = origin or self._case("duty", message.aggregate_id, "arrange", unit)
            if known is None:
                raise NotYet(f"nothing is known of the directive {fact.number}")
            self._open_duty(message.aggregate_id, "feedback", unit, known)

    def when_feedback_is_given_then_stop_the_feedback_clock(
        self, fact: assignment.FeedbackGiven, message: Message
    ) -> None:
        self._fulfil(message.aggregate_id, "feedback", fact.unit)

    # -- whistles (measure 13) -------------------------------------------------------------------------------

    def when_a_whistle_is_blown_then_open_a_case_and_start_its_three_clocks(
        self, fact: enterprise.WhistleBlown, message: Message
    ) -> None:
        if not self.is_new(Case, case_id("whistle", message.aggregate_id)):
            return
        terms = self.app.terms()
        case = Case.open(
            self.act,
            terms,
            kind="whistle",
            subject_id=message.aggregate_id,
            number=fact.number,
            title=fact.title,
            unit=fact.desk_unit,
            leader_post=fact.leader_post,
            secrecy=fact.secrecy,
            reporter=fact.credit_code,
        )
        for clock in ("contact", "resolve_or_confirm", "hard_limit"):
            case.start(self.act, terms, clock, fact.desk_unit)
        self.add(case)

    def when_a_whistle_is_routed_then_the_new_lead_answers_for_it(
        self, fact: enterprise.WhistleRouted, message: Message
    ) -> None:
        self._whistle(message).move(self.act, fact.lead_unit, to_post=fact.post, leads=True)

    def when_a_whistle_is_returned_then_move_custody_to_the_desk(
        self, fact: enterprise.WhistleReturned, message: Message
    ) -> None:
        self._whistle(message).move(self.act, fact.desk_unit)

    def when_the_enterprise_is_contacted_then_stop_the_contact_clock(
        self, fact: enterprise.EnterpriseContacted, message: Message
    ) -> None:
        self._whistle(message).contacted(self.act)

    def when_service_is_confirmed_then_stop_resolve_or_confirm(
        self, fact: enterprise.ServiceConfirmed, message: Message
    ) -> None:
        self._whistle(message).stop(self.act, "resolve_or_confirm")

    def when_a_whistle_is_resolved_then_stop_resolve_or_confirm_and_the_hard_limit(
        self, fact: enterprise.WhistleResolved, message: Message
    ) -> None:
        case = self._whistle(message)
        case.stop(self.act, "resolve_or_confirm")
        case.stop(self.act, "hard_limit")

    def when_rework_is_ordered_then_the_hard_limit_runs_on_from_the_whistle(
        self, fact: enterprise.ReworkOrdered, message: Message
    ) -> None:
        case = self._whistle(message)
        case.rework(self.act, self.app.terms_of(case), fact.times)

    def when_it_is_confirmed_as_infeasible_then_cancel_the_limits(
        self, fact: enterprise.InfeasibilityReviewed, message: Message
    ) -> None:
        if fact.upheld:
            self._whistle(message).infeasible(self.act, fact.reason)

    def when_a_whistle_is_merged_then_only_its_contact_clock_runs_on(
        self, fact: enterprise.WhistleMerged, message: Message
    ) -> None:
        self._whistle(message).merge(self.act)

    def when_a_whistle_is_unmerged_then_its_clocks_run_from_its_own_blowing(
        self, fact: enterprise.WhistleUnmerged, message: Message
    ) -> None:
        case = self._whistle(message)
        case.unmerge(self.act, self.app.terms_of(case), fact.reason)

    def when_a_whistle_is_withdrawn_then_close_the_case(
        self, fact: enterprise.WhistleWithdrawn, message: Message
    ) -> None:
        self._whistle(message).close(self.act, "withdrawn")

    def when_a_whistle_is_closed_then_close_the_case(
        self, fact: enterprise.WhistleClosed, message: Message
    ) -> None:
        self._whistle(message).close(self.act, "resolved")

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
        elif naming.stage == "withdrawn":
            naming.redraft(act, self.app.text_for(case, fact.rounds))

    def when_a_naming_is_no_longer_due_then_withdraw_the_draft(
        self, fact: supervision.NamingNoLongerDue, message: Message
    ) -> None:
        naming = self.find(Naming, fact.naming_id)
        if naming is not None:
            naming.withdraw(self.act, fact.ground)

    # -- the same for several --------------------------------------------------------------------------------

    def _case(self, kind: supervision.CaseKind, subject_id: UUID, *parts: str) -> Case | None:
        return self.find(Case, case_id(kind, subject_id, *parts))

    def _task(self, message: Message) -> Case:
        return self.get(Case, case_id("task", message.aggregate_id))

    def _whistle(self, message: Message) -> Case:
        return self.get(Case, case_id("whistle", message.aggregate_id))

    def _fulfil(self, directive_id: UUID, *duty: str) -> None:
        case = self._case("duty", directive_id, *duty)
        if case is not None:
            case.stop(self.act, duty[0])
            case.close(self.act, "resolved")

    def _open_duty(
        self, directive_id: UUID, duty: str, unit: str, origin: assignment.DirectiveRegistered | Case
    ) -> None:
        # There is one office to decompose a directive, so that the duty alone names the case.
        parts = (duty,) if duty == "decompose" else (duty, unit)
        if self._case("duty", directive_id, *parts) is not None:
            return
        terms = self.app.terms()
        case = Case.open(
            self.act,
            terms,
            *parts,
            kind="duty",
            subject_id=directive_id,
            number=origin.number,
            title=origin.title,
            unit=unit,
            leader_post=origin.leader_post,
            secrecy=origin.secrecy,
            duty=duty,
        )
        case.start(self.act, terms, duty, unit)
        self.add(case)

    def _unit_of(self, post: str) -> str:
        """The post's unit. Raises NotYet: who gave a task named a registered post, by another aggregate."""
        try:
            return str(self.app.reference.post(post)["unit"])
        except UnknownPost as unknown:
            raise NotYet(f"the post {post} is not registered here") from unknown
