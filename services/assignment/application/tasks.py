"""Everything that is done with an assigned task (measure 7)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.assignment.application.known import KnownUnits
from services.assignment.domain.tasks import Task
from shared.application.application import NoSuchThing
from shared.application.result import CommandResult
from shared.domain.aggregate import CommandContext
from shared.events.assignment import BreakdownItem


class NoSuchTask(NoSuchThing):
    """没有编号为 {id} 的任务。
    There is no task with the id {id}."""

    status = 422
    field = "by_task"


class TaskUseCases(KnownUnits):
    """One short method per command; the rules are the task's own."""

    def accept_task(self, act: CommandContext, task_id: UUID) -> CommandResult:
        """签收: the actor's unit takes it."""
        task = self.load(Task, task_id, act)
        task.accept(act)
        return self.commit(act, task)

    def return_task(
        self, act: CommandContext, task_id: UUID, *, reason: str, suggested_unit: str
    ) -> CommandResult:
        """退回: the lead does not take it. Raises UnknownUnit for the suggested one."""
        task = self.load(Task, task_id, act)
        self._unit(suggested_unit, "suggested_unit")
        task.return_(act, reason=reason, suggested_unit=suggested_unit)
        return self.commit(act, task)

    def reassign_task(
        self, act: CommandContext, task_id: UUID, *, lead_unit: str, post: str | None = None, reason: str
    ) -> CommandResult:
        """改派: another unit leads, by default its main head's post. Raises UnknownUnit, UnknownPost, UnitHasNoHead."""
        task = self.load(Task, task_id, act)
        self._unit(lead_unit, "lead_unit")
        answers = self._post(post or self.reference.head_of(lead_unit), "post")
        task.reassign(act, lead_unit=lead_unit, post=answers, reason=reason)
        return self.commit(act, task)

    def break_down_task(
        self, act: CommandContext, task_id: UUID, *, items: Sequence[dict[str, Any]]
    ) -> CommandResult:
        """细化分解: to project, post and person with quantities. Raises UnknownPost."""
        task = self.load(Task, task_id, act)
        pieces = [BreakdownItem(**item) for item in items]
        for piece in pieces:
            self._post(piece.post, "items")
        task.break_down(act, items=pieces)
        return self.commit(act, task)

    def report_progress(
        self,
        act: CommandContext,
        task_id: UUID,
        *,
        value: Decimal,
        narrative: str,
        problems: str = "",
        next_steps: str = "",
        evidence: Sequence[str] = (),
    ) -> CommandResult:
        """进展报告: in the target's own unit of measure."""
        task = self.load(Task, task_id, act)
        task.report_progress(
            act,
            value=value,
            narrative=narrative,
            problems=problems,
            next_steps=next_steps,
            evidence=evidence,
        )
        return self.commit(act, task)

    def finish_support(self, act: CommandContext, task_id: UUID, *, note: str = "") -> CommandResult:
        """配合任务完成."""
        task = self.load(Task, task_id, act)
        task.finish_support(act, note=note)
        return self.commit(act, task)

    def waive_support(self, act: CommandContext, task_id: UUID, *, unit: str, reason: str) -> CommandResult:
        """配合任务免除."""
        task = self.load(Task, task_id, act)
        task.waive_support(act, unit=unit, reason=reason)
        return self.commit(act, task)

    def claim_completion(
        self, act: CommandContext, task_id: UUID, *, note: str, evidence: Sequence[str] = ()
    ) -> CommandResult:
        """申报办结."""
        task = self.load(Task, task_id, act)
        task.claim_completion(act, note=note, evidence=evidence)
        return self.commit(act, task)

    def accept_completion(self, act: CommandContext, task_id: UUID, *, note: str = "") -> CommandResult:
        """办结认定."""
        task = self.load(Task, task_id, act)
        task.accept_completion(act, note=note)
        return self.commit(act, task)

    def send_back(self, act: CommandContext, task_id: UUID, *, reason: str) -> CommandResult:
        """退回补办."""
        task = self.load(Task, task_id, act)
        task.send_back(act, reason=reason)
        return self.commit(act, task)

    def no_new_instruction(self, act: CommandContext, task_id: UUID) -> CommandResult:
        """无新批示: an item from a leader's instruction is closed."""
        task = self.load(Task, task_id, act)
        task.no_new_instruction(act)
        return self.commit(act, task)

    def new_instruction(self, act: CommandContext, task_id: UUID, *, text: str) -> CommandResult:
        """新批示: it stays open."""
        task = self.load(Task, task_id, act)
        task.new_instruction(act, text=text)
        return self.commit(act, task)

    def request_extension(
        self, act: CommandContext, task_id: UUID, *, new_due_on: date, reason: str
    ) -> CommandResult:
        """申请延期; the rulebook's ``task_due`` says how often at most."""
        task = self.load(Task, task_id, act)
        task.request_extension(
            act,
            new_due_on=new_due_on,
            reason=reason,
            rule=self.rulebook.rule("task_due"),
            calendar=self.reference.calendar(),
        )
        return self.commit(act, task)

    def grant_extension(self, act: CommandContext, task_id: UUID) -> CommandResult:
        """同意延期."""
        task = self.load(Task, task_id, act)
        task.grant_extension(act, in_charge_of=self._portfolio(act))
        return self.commit(act, task)

    def refuse_extension(self, act: CommandContext, task_id: UUID, *, reason: str) -> CommandResult:
        """不同意延期."""
        task = self.load(Task, task_id, act)
        task.refuse_extension(act, reason=reason, in_charge_of=self._portfolio(act))
        return self.commit(act, task)

    def raise_dispute(
        self, act: CommandContext, task_id: UUID, *, with_units: Sequence[str], about: str
    ) -> CommandResult:
        """提出分歧. Raises UnknownUnit."""
        task = self.load(Task, task_id, act)
        for unit in with_units:
            self._unit(unit, "with_units")
        task.raise_dispute(act, with_units=with_units, about=about)
        return self.commit(act, task)

    def propose_solution(
        self, act: CommandContext, task_id: UUID, *, coordination: str, solution: str
    ) -> CommandResult:
        """提出解决方案."""
        task = self.load(Task, task_id, act)
        task.propose_solution(act, coordination=coordination, solution=solution)
        return self.commit(act, task)

    def rule_on_dispute(self, act: CommandContext, task_id: UUID, *, ruling: str) -> CommandResult:
        """裁定."""
        task = self.load(Task, task_id, act)
        task.rule_on_dispute(act, ruling=ruling, in_charge_of=self._portfolio(act))
        return self.commit(act, task)

    def suspend_task(self, act: CommandContext, task_id: UUID, *, reason: str) -> CommandResult:
        """暂停."""
        task = self.load(Task, task_id, act)
        task.suspend(act, reason=reason)
        return self.commit(act, task)

    def resume_task(self, act: CommandContext, task_id: UUID, *, reason: str = "") -> CommandResult:
        """恢复."""
        task = self.load(Task, task_id, act)
        task.resume(act, reason=reason)
        return self.commit(act, task)

    def cancel_task(self, act: CommandContext, task_id: UUID, *, reason: str) -> CommandResult:
        """撤销."""
        task = self.load(Task, task_id, act)
        task.cancel(act, reason=reason)
        return self.commit(act, task)

    def supersede_task(
        self, act: CommandContext, task_id: UUID, *, by_task: UUID, reason: str
    ) -> CommandResult:
        """被替代. Raises NoSuchTask."""
        task = self.load(Task, task_id, act)
        if self.find(Task, by_task) is None:
            raise NoSuchTask(kind="Task", id=by_task)
        task.supersede(act, by_task=by_task, reason=reason)
        return self.commit(act, task)
