"""What this service does about its own facts: a dissolved unit keeps nothing that is open."""

from collections.abc import Iterable
from dataclasses import replace

from services.assignment.application import Assignment
from services.assignment.domain.directives import Directive
from services.assignment.domain.task import Task
from services.assignment.domain.units import Unit
from shared.domain.units import UnitState
from shared.events import assignment
from shared.events.base import Message
from shared.messaging.reactions import NotYet, Reactions

ComesToUnits = assignment.TaskAssigned | assignment.TaskReassigned | assignment.SupportReassigned
DutyComes = assignment.DirectiveRegistered | assignment.DirectiveDecomposed | assignment.DutyReassigned


class AssignmentReactions(Reactions[Assignment]):
    """What a dissolved unit had goes to its successor, or to the leader in charge."""

    def when_a_unit_is_dissolved_then_what_it_had_goes_to_its_successor(
        self, fact: assignment.UnitDissolved, message: Message
    ) -> None:
        if not self.app.views.reached(message.source, message.position):
            raise NotYet(f"the tasks of {fact.unit} are not all on the board yet")
        for task_id in self.app.open_tasks_of(fact.unit):
            self._hand_on(self.get(Task, task_id), [fact.unit])
        for directive_id in self.app.open_directives_of(fact.unit):
            self._hand_on_duties(self.get(Directive, directive_id), [fact.unit])

    def when_a_task_comes_to_a_unit_that_was_dissolved_meanwhile_then_it_goes_on(
        self, fact: ComesToUnits, message: Message
    ) -> None:
        gone = [unit for unit in _units(fact) if self._unit(unit).dissolved]
        if gone:
            self._hand_on(self.get(Task, message.aggregate_id), gone)

    def when_a_duty_comes_to_a_unit_that_was_dissolved_meanwhile_then_it_goes_on(
        self, fact: DutyComes, message: Message
    ) -> None:
        gone = [unit for unit in _owing(fact) if self._unit(unit).dissolved]
        if gone:
            self._hand_on_duties(self.get(Directive, message.aggregate_id), gone)

    def _hand_on_duties(self, directive: Directive, gone: Iterable[str]) -> None:
        for unit in gone:
            dissolved_at = self._unit(unit).dissolved_at
            assert dissolved_at is not None
            successor, _ = self.app.successor_of(unit)
            directive.hand_on(replace(self.act, happened_at=dissolved_at), unit=unit, successor=successor)

    def _unit(self, unit: str) -> UnitState:
        return self.get(Unit, Unit.id_of(unit)).state

    def _hand_on(self, task: Task, gone: Iterable[str]) -> None:
        for unit in gone:
            dissolved_at = self._unit(unit).dissolved_at
            assert dissolved_at is not None
            successor, post = self.app.successor_of(unit)
            task.hand_on(
                replace(self.act, happened_at=dissolved_at),
                unit=unit,
                successor=successor,
                post=post,
                leader_post=None if post is None else self.app.leader_after(task.state, post.unit),
            )


def _units(fact: ComesToUnits) -> Iterable[str]:
    match fact:
        case assignment.TaskAssigned():
            return (fact.lead_unit, *(one.unit for one in fact.supporters))
        case assignment.TaskReassigned():
            return (fact.lead_unit,)
        case assignment.SupportReassigned():
            return (fact.unit,)


def _owing(fact: DutyComes) -> Iterable[str]:
    match fact:
        case assignment.DirectiveRegistered():
            return (fact.office_unit, *fact.units)
        case assignment.DirectiveDecomposed():
            return (one.unit for one in fact.dispatches)
        case assignment.DutyReassigned():
            return (fact.unit,)
