"""The board of tasks (measure 7)."""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Float,
    Integer,
    String,
    Table,
    Text,
    and_,
    or_,
)

from services.assignment.domain.tasks import state_of
from shared.database.columns import MomentColumn
from shared.domain.clock import local_day
from shared.events import assignment
from shared.events.base import Fact, Message
from shared.readmodels.concerned import concerned
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View


class TasksView(View):
    """任务台账: every task as it stands. Whether it is overdue is derived by whoever reads, never stored."""

    name = "tasks"
    version = 2

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """``supporters``: unit → ``{"part", "required", "state"}``; quantities as decimal text; days as days.

        ``given_to``: the units to which it was assigned at first, who see its list for ever.
        """
        return [
            Column("list_id", String, nullable=False, info={"index": True}),
            Column("directive_id", String, info={"index": True}),
            Column("number", String, nullable=False),
            Column("title", Text, nullable=False),
            Column("category", String, nullable=False),
            Column("state", String, nullable=False, info={"index": True}),
            Column("lead_unit", String, nullable=False, info={"index": True}),
            Column("post", String, nullable=False),
            Column("supporters", JSON, nullable=False),
            Column("leader_post", String, nullable=False, info={"index": True}),
            Column("target_metric", String, nullable=False),
            Column("target_unit", String, nullable=False),
            Column("target_value", String, nullable=False),
            Column("progress_value", String),
            Column("progress_percent", Float),
            Column("last_progress_at", MomentColumn),
            Column("due_on", Date, nullable=False, info={"index": True}),
            Column("original_due_on", Date, nullable=False),
            Column("due_text", String, nullable=False),
            Column("milestones", JSON, nullable=False),
            Column("breakdown", JSON, nullable=False),
            Column("weight", Integer, nullable=False),
            Column("key_task", Boolean, nullable=False),
            Column("from_leader_instruction", Boolean, nullable=False),
            Column("remark", Text, nullable=False),
            Column("assigned_at", MomentColumn, nullable=False),
            Column("accepted_by", JSON, nullable=False),
            Column("returns", Integer, nullable=False, default=0),
            Column("referred_to", String),
            Column("extensions", Integer, nullable=False, default=0),
            Column("extension_request", JSON),
            Column("dispute", JSON),
            Column("claimed_at", MomentColumn),
            Column("claimed_on", Date),
            Column("ended_at", MomentColumn),
            Column("ended", String),
            Column("superseded_by", String),
            Column("suspended", Boolean, nullable=False, default=False),
            Column("completed", Boolean, nullable=False, default=False),
            Column("returned", Boolean, nullable=False, default=False),
            Column("under_way", Boolean, nullable=False, default=False),
            Column("secrecy", String, nullable=False),
            Column("secrecy_ground", String, nullable=False),
            Column("concerned", Text, nullable=False),
            Column("given_to", Text, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_task_assigned(self, rows: Rows, fact: assignment.TaskAssigned, message: Message) -> None:
        supporters = {
            one.unit: {"part": one.part, "required": one.required, "state": "open"} for one in fact.supporters
        }
        rows.put(
            message.aggregate_id,
            list_id=str(fact.list_id),
            directive_id=None if fact.directive_id is None else str(fact.directive_id),
            number=fact.number,
            title=fact.title,
            category=fact.category,
            state="assigned",
            lead_unit=fact.lead_unit,
            post=fact.post,
            supporters=supporters,
            leader_post=fact.leader_post,
            target_metric=fact.target.metric,
            target_unit=fact.target.unit,
            target_value=f"{fact.target.value:f}",
            due_on=fact.due_on,
            original_due_on=fact.due_on,
            due_text=fact.due_text,
            milestones=[
                {"on": one.on.isoformat(), "what": one.what, "value": _text(one.value)}
                for one in fact.milestones
            ],
            breakdown=[],
            weight=fact.weight,
            key_task=fact.key_task,
            from_leader_instruction=fact.from_leader_instruction,
            remark=fact.remark,
            assigned_at=fact.happened_at,
            accepted_by=[],
            secrecy=fact.secrecy,
            secrecy_ground=fact.secrecy_ground,
            concerned=concerned(fact.lead_unit, *supporters),
            given_to=concerned(fact.lead_unit, *supporters),
            version=message.version,
        )

    def on_task_accepted(self, rows: Rows, fact: assignment.TaskAccepted, message: Message) -> None:
        row = self._row(rows, message)
        self._change(rows, message, accepted_by=sorted({*row["accepted_by"], fact.unit}))

    def on_task_returned(self, rows: Rows, fact: assignment.TaskReturned, message: Message) -> None:
        self._change(rows, message, returned=True, returns=fact.times, referred_to=fact.referred_to)

    def on_task_reassigned(self, rows: Rows, fact: assignment.TaskReassigned, message: Message) -> None:
        row = self._row(rows, message)
        supporters = {unit: one for unit, one in row["supporters"].items() if unit != fact.lead_unit}
        self._change(
            rows,
            message,
            lead_unit=fact.lead_unit,
            post=fact.post,
            supporters=supporters,
            accepted_by=[unit for unit in row["accepted_by"] if unit != fact.from_unit],
            returned=False,
            referred_to=None,
            extension_request=None,
            under_way=False,
            concerned=concerned(fact.lead_unit, *supporters),
        )

    def on_task_broken_down(self, rows: Rows, fact: assignment.TaskBrokenDown, message: Message) -> None:
        breakdown = [
            {
                "project": one.project,
                "post": one.post,
                "quantity": f"{one.quantity:f}",
                "unit": one.unit,
                "due_on": None if one.due_on is None else one.due_on.isoformat(),
            }
            for one in fact.items
        ]
        self._change(rows, message, breakdown=breakdown, under_way=True)

    def on_progress_reported(self, rows: Rows, fact: assignment.ProgressReported, message: Message) -> None:
        row = self._row(rows, message)
        change: Row = {"under_way": True, "last_progress_at": fact.happened_at}
        if fact.unit == row["lead_unit"]:
            # A supporter tells how far its own part is; the task's measure is the lead's.
            percent = fact.value / Decimal(row["target_value"]) * 100
            change |= {
                "progress_value": f"{fact.value:f}",
                "progress_percent": float(round(percent, 1)),
            }
        self._change(rows, message, **change)

    def on_support_done(self, rows: Rows, fact: assignment.SupportDone, message: Message) -> None:
        self._part(rows, message, fact.unit, "done")

    def on_support_waived(self, rows: Rows, fact: assignment.SupportWaived, message: Message) -> None:
        self._part(rows, message, fact.unit, "waived")

    def on_completion_claimed(self, rows: Rows, fact: assignment.CompletionClaimed, message: Message) -> None:
        self._change(
            rows,
            message,
            claimed_at=fact.happened_at,
            claimed_on=local_day(fact.happened_at),
            completed=False,
        )

    def on_completion_accepted(
        self, rows: Rows, fact: assignment.CompletionAccepted, message: Message
    ) -> None:
        self._change(rows, message, completed=True)

    def on_completion_sent_back(
        self, rows: Rows, fact: assignment.CompletionSentBack, message: Message
    ) -> None:
        self._change(rows, message, claimed_at=None, claimed_on=None, under_way=True)

    def on_new_instruction_given(
        self, rows: Rows, fact: assignment.NewInstructionGiven, message: Message
    ) -> None:
        self._change(rows, message, claimed_at=None, claimed_on=None, completed=False, under_way=True)

    def on_task_closed(self, rows: Rows, fact: assignment.TaskClosed, message: Message) -> None:
        self._end(rows, message, fact, "closed")

    def on_extension_requested(
        self, rows: Rows, fact: assignment.ExtensionRequested, message: Message
    ) -> None:
        request = {
            "new_due_on": fact.new_due_on.isoformat(),
            "reason": fact.reason,
            "unit": fact.unit,
            "asked_at": fact.happened_at.isoformat(),
        }
        self._change(rows, message, extension_request=request)

    def on_extension_granted(self, rows: Rows, fact: assignment.ExtensionGranted, message: Message) -> None:
        self._change(rows, message, due_on=fact.due_on, extensions=fact.times, extension_request=None)

    def on_extension_refused(self, rows: Rows, fact: assignment.ExtensionRefused, message: Message) -> None:
        self._change(rows, message, extension_request=None)

    def on_dispute_raised(self, rows: Rows, fact: assignment.DisputeRaised, message: Message) -> None:
        dispute = {
            "unit": fact.unit,
            "with_units": list(fact.with_units),
            "about": fact.about,
            "coordination": None,
            "solution": None,
        }
        self._change(rows, message, dispute=dispute)

    def on_solution_proposed(self, rows: Rows, fact: assignment.SolutionProposed, message: Message) -> None:
        row = self._row(rows, message)
        dispute = {**row["dispute"], "coordination": fact.coordination, "solution": fact.solution}
        self._change(rows, message, dispute=dispute)

    def on_dispute_ruled(self, rows: Rows, fact: assignment.DisputeRuled, message: Message) -> None:
        self._change(rows, message, dispute=None)

    def on_task_suspended(self, rows: Rows, fact: assignment.TaskSuspended, message: Message) -> None:
        self._change(rows, message, suspended=True)

    def on_task_resumed(self, rows: Rows, fact: assignment.TaskResumed, message: Message) -> None:
        self._change(rows, message, suspended=False)

    def on_task_cancelled(self, rows: Rows, fact: assignment.TaskCancelled, message: Message) -> None:
        self._end(rows, message, fact, "cancelled")

    def on_task_superseded(self, rows: Rows, fact: assignment.TaskSuperseded, message: Message) -> None:
        self._end(rows, message, fact, "superseded", superseded_by=str(fact.by_task))

    @staticmethod
    def _row(rows: Rows, message: Message) -> Row:
        row = rows.get(message.aggregate_id)
        assert row is not None
        return row

    def _part(self, rows: Rows, message: Message, unit: str, state: str) -> None:
        supporters = self._row(rows, message)["supporters"]
        self._change(rows, message, supporters={**supporters, unit: {**supporters[unit], "state": state}})

    def _end(self, rows: Rows, message: Message, fact: Fact, ended: str, **more: Any) -> None:
        self._change(rows, message, ended=ended, ended_at=fact.happened_at, **more)

    def _change(self, rows: Rows, message: Message, **values: Any) -> None:
        row = {**self._row(rows, message), **values}
        state = state_of(
            ended=row["ended"],
            suspended=row["suspended"],
            completed=row["completed"],
            claimed=row["claimed_at"] is not None,
            returned=row["returned"],
            under_way=row["under_way"],
            accepted=row["lead_unit"] in row["accepted_by"],
        )
        rows.change(message.aggregate_id, **values, state=state, version=message.version)


def overdue(tasks: Table, today: date) -> ColumnElement[bool]:
    """The tasks that are late on ``today``: open, not resting, and not claimed by the due day.

    By the task's own date; what pauses make of it is the supervision service's clock.
    """
    late = or_(
        and_(tasks.c.claimed_on.is_(None), tasks.c.due_on < today),
        and_(tasks.c.completed.is_(False), tasks.c.claimed_on > tasks.c.due_on),
    )
    return and_(tasks.c.ended.is_(None), tasks.c.suspended.is_(False), late)


def is_overdue(row: Row, today: date) -> bool:
    """The same for one row."""
    if row["ended"] is not None or row["suspended"]:
        return False
    if row["claimed_on"] is None:
        return bool(row["due_on"] < today)
    return bool(not row["completed"] and row["claimed_on"] > row["due_on"])


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
