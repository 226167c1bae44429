"""What is done with an assigned task beside loading, deciding and committing (measure 7)."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from services.assignment.application.known import KnownUnits
from services.assignment.domain.task import Task, TaskState
from services.assignment.domain.units import Post, SeveralLeadersInCharge, Unit
from shared.application.application import NoSuchThing
from shared.application.result import CommandResult
from shared.calendar import Calendar
from shared.domain.aggregate import CommandContext
from shared.domain.case_id import case_id
from shared.domain.units import PostState
from shared.readmodels.reference import UnitHasNoHead
from shared.readmodels.rulebooks import released_rulebook
from shared.rulebook import Rulebook


class NoSuchTask(NoSuchThing):
    """没有编号为 {id} 的任务。
    There is no task with the id {id}."""

    status = 422
    field = "by_task"


class TaskUseCases(KnownUnits):
    """The use cases of tasks, and what their decisions ask for."""

    def reassign_task(
        self,
        act: CommandContext,
        task_id: UUID,
        *,
        lead_unit: str,
        post: str | None = None,
        leader_post: str | None = None,
        reason: str,
    ) -> CommandResult:
        """改派: another unit leads, by default its main head's post, under the leader who is in charge of it.

        Where nobody is, the task's leader stays.
        """
        task = self.load(Task, task_id, act)
        self.reference.unit(lead_unit, field="lead_unit")
        answers = self.known_post(post or self.reference.head_of(lead_unit), "post")
        in_charge = (
            self._in_charge_of(lead_unit, present=task.state.leader_post)
            if leader_post is None
            else self._leader(leader_post)
        )
        task.reassign(act, lead_unit=lead_unit, post=answers, leader_post=in_charge, reason=reason)
        return self.commit(act, task)

    def supersede_task(
        self, act: CommandContext, task_id: UUID, *, by_task: UUID, reason: str
    ) -> CommandResult:
        """被替代: by another task that there is."""
        task = self.load(Task, task_id, act)
        if self.find(Task, by_task, act) is None:
            raise NoSuchTask(id=by_task)
        task.supersede(act, by_task=by_task, reason=reason)
        return self.commit(act, task)

    # -- what a dissolved unit had -----------------------------------------------------------------------------

    def open_tasks_of(self, unit: str) -> Sequence[UUID]:
        """The tasks on the board that have not ended and that the unit leads or supports."""
        with self.views.reading() as connection:
            tasks = self.views.table(connection, "tasks")
            of_unit = tasks.c.concerned.contains(f",{unit},", autoescape=True)
            found = connection.execute(select(tasks.c.id).where(tasks.c.ended.is_(None), of_unit))
            return [UUID(row.id) for row in found.all()]

    def open_directives_of(self, unit: str) -> Sequence[UUID]:
        """The directives about which the unit has something to do still, or its office has."""
        with self.views.reading() as connection:
            directives = self.views.table(connection, "directives")
            of_unit = directives.c.concerned.contains(f",{unit},", autoescape=True)
            open_still = directives.c.state.in_(("registered", "dispatched"))
            found = connection.execute(select(directives.c.id).where(open_still, of_unit))
            return [UUID(row.id) for row in found.all()]

    def successor_of(self, unit: str) -> tuple[str | None, PostState | None]:
        """The unit that takes what a dissolved one had, and its head's post, if somebody holds it.

        A successor that was dissolved itself is followed by its own.
        """
        successor: str | None = unit
        passed: set[str] = set()
        while successor is not None and successor not in passed:
            passed.add(successor)
            found = self.load(Unit, Unit.id_of(successor)).state
            if not found.dissolved:
                return successor, self._held_head_of(successor)
            successor = found.successor
        return None, None

    def _held_head_of(self, unit: str) -> PostState | None:
        try:
            head = self.known_post(self.reference.head_of(unit), None)
        except UnitHasNoHead:
            return None
        return None if head.holder is None else head

    def leader_after(self, task: TaskState, lead_unit: str) -> str | None:
        """The leader of a task that its lead's successor takes; None: its leader stays, also if several could be it."""
        try:
            return self._in_charge_of(lead_unit, present=task.leader_post)
        except SeveralLeadersInCharge:
            return None

    # -- what its decisions ask for ----------------------------------------------------------------------------

    def rulebook_of(self, task: TaskState, act: CommandContext) -> Rulebook:
        """The rulebook to which the task's case is pinned; the present one until that is known here."""
        case = case_id("task", Task.id_of(task.list_id, task.number))
        with self.views.reading() as connection:
            dates = self.views.table(connection, "task_dates")
            pinned = connection.execute(
                select(dates.c.rulebook_version).where(dates.c.id == str(case))
            ).scalar()
        if pinned in (None, self.rulebook.version):
            return self.rulebook
        return released_rulebook(self.views, pinned) or self.rulebook

    def calendar(self, task: TaskState, act: CommandContext) -> Calendar:
        """The calendar in force."""
        return self.reference.calendar()

    def in_charge(self, task: TaskState, act: CommandContext) -> bool:
        """Whether the actor's post is in charge of the lead unit."""
        post = self.find(Post, Post.id_of(act.by.post))
        return post is not None and post.state.is_in_charge_of(task.lead_unit)
