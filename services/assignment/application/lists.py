"""Task lists: opened and filled one by one, or from the spreadsheets people already have (measure 7)."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cache, partial
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, select

from services.assignment.application.known import KnownUnits
from services.assignment.application.matching import PostBook, RowRefused
from services.assignment.domain.lists import TaskList
from services.assignment.domain.task import Task, TaskPlan, TaskState
from services.assignment.spreadsheets import (
    LeftOut,
    Progress,
    ReadTasks,
    RowProblem,
    TaskRow,
    UnitNames,
    read_tasks,
    write_tasks,
)
from services.assignment.views.tasks import with_their_dates
from shared.application.application import AlreadyExists, NoSuchThing
from shared.application.result import CommandResult
from shared.calendar.periods import read_period
from shared.domain.aggregate import CommandContext
from shared.domain.clock import local_day
from shared.domain.refusal import Refusal
from shared.domain.text import identity
from shared.events.assignment import Milestone, Support, Target, TaskAssigned
from shared.events.matter import Secrecy
from shared.log.codec import decode
from shared.log.recorder import Basis, rows_upto
from shared.readmodels.rows import Row

DEFAULT_TARGET = Target(metric="任务完成率", unit="%", value=Decimal(100))
"""What is measured where a sheet has no columns for a target: that the task is done, all of it."""

_OF_TASKS = tuple(Task.lifecycle.facts)
_FIELDS = {
    "title": ("task", "工作任务"),
    "lead_unit": ("lead", "牵头单位"),
    "supporters": ("supporters", "配合单位"),
    "due_on": ("due", "完成时限"),
    "target": ("target", "量化目标"),
    "post": ("post", "责任岗位"),
    "leader_post": ("leader", "分管领导"),
    "category": ("category", "类别"),
    "weight": ("weight", "权重"),
    "remark": ("remark", "备注"),
}
"""A task's field → the sheet's own name for it, and its heading."""


class RowsRefused(Refusal):
    """有 {count} 处不能导入，什么都没有写入；逐行原因附后
    {count} thing(s) cannot be imported and nothing was written; each row is listed with its reason"""

    status = 422

    def __init__(self, problems: Sequence[RowProblem], left_out: Sequence[LeftOut] = ()) -> None:
        self.problems, self.left_out = tuple(problems), tuple(left_out)
        self.messages = [
            (
                problem.field,
                f"第 {problem.row} 行：{problem.reason('zh')}\nrow {problem.row}: {problem.reason('en')}",
                {"row": problem.row, "value": problem.value},
            )
            for problem in problems
        ]
        super().__init__(count=len(problems))

    def members(self, language: str) -> dict[str, Any]:
        """What the problem document says beside the reasons."""
        return {"left_out": [one.to_json(language) for one in self.left_out]}


@dataclass(kw_only=True)
class ImportPlan:
    """What importing some rows would do; nothing is written yet."""

    task_list: TaskList
    assigned: list[tuple[TaskRow, Task]] = field(default_factory=list)
    """Rows that become tasks."""
    unchanged: list[tuple[TaskRow, Task]] = field(default_factory=list)
    """Rows that stand as tasks already, with the same content."""
    rejected: list[RowProblem] = field(default_factory=list)
    left_out: tuple[LeftOut, ...] = ()
    """What stands in the file and was not taken."""
    decided_at: int = 0
    """The end of the log up to which it was looked for tasks that stand already."""

    def basis(self) -> Basis | None:
        """That nobody has assigned one of the new rows, in whichever list."""
        new = {_of_row(row) for row, _ in self.assigned}

        def matters(topic: str, state: bytes) -> bool:
            fact = cast("TaskAssigned", decode(topic, state))
            return _key(fact.number, fact.title, fact.lead_unit, fact.due_on) in new

        return Basis(self.decided_at, (TaskAssigned.TOPIC,), matters) if new else None


RowKey = tuple[str, str, str, date]
"""By which a row is found again in another list: number, words, lead and due date, however they are spelled."""


def _key(number: str, title: str, lead: str, due: date) -> RowKey:
    return identity(number), identity(title), lead, due


def _of_row(row: TaskRow) -> RowKey:
    return _key(row.number, row.task, row.lead, row.due)


class Board(NamedTuple):
    """Every task by which a row may be found again, as the log has them up to a position."""

    upto: int
    rows: Sequence[tuple[UUID, UUID, RowKey]]
    """Task, list, and how a row would say it; twice if it was extended."""
    due_on: Mapping[UUID, date]
    """When its clock is due."""

    def elsewhere_than(self, list_id: UUID) -> dict[RowKey, UUID]:
        """The tasks of other lists."""
        return {said: task for task, of, said in self.rows if of != list_id}


class ListUseCases(KnownUnits):
    """What is done with task lists."""

    def open_list(
        self,
        act: CommandContext,
        *,
        title: str,
        dated: date,
        leader_post: str | None = None,
        directive_id: UUID | None = None,
        secrecy: Secrecy | None = None,
        secrecy_ground: str = "",
    ) -> CommandResult:
        """Open a list."""
        if self._list_titled(title, dated) is not None:
            raise AlreadyExists(kind="TaskList", name=f"{title}（{dated}）", at_field="title")
        new = self._new_list(act, title, dated, leader_post, directive_id, secrecy, secrecy_ground)
        return self.commit(act, new, location=f"/api/v1/task-lists/{new.id}")

    def _new_list(
        self,
        act: CommandContext,
        title: str,
        dated: date,
        leader_post: str | None,
        directive_id: UUID | None,
        secrecy: Secrecy | None = None,
        secrecy_ground: str = "",
    ) -> TaskList:
        """A list under the named leader, else its directive's; as secret as its directive, unless it is said."""
        directive = self._directive(directive_id, act)
        of = None if directive is None else directive.state
        source: Secrecy = "public" if of is None else of.secrecy
        return TaskList.open(
            act,
            title=title,
            dated=dated,
            leader_post=self._leader(leader_post or (None if of is None else of.leader_post)),
            directive_id=directive_id,
            secrecy=secrecy or source,
            secrecy_ground=secrecy_ground or ("" if of is None else of.secrecy_ground),
            source=source,
        )

    def assign_task(
        self,
        act: CommandContext,
        list_id: UUID,
        *,
        number: str,
        lead_unit: str,
        post: str | None = None,
        supporters: Sequence[Support] = (),
        leader_post: str | None = None,
        milestones: Sequence[Milestone] = (),
        secrecy: Secrecy | None = None,
        secrecy_ground: str = "",
        from_leader_instruction: bool | None = None,
        **more: Any,
    ) -> CommandResult:
        """Give one task of a list to its lead unit, by default to its main head's post.

        Unless a leader is named, it is the one in charge of the lead unit, else the list's. ``more`` are the rest of
        TaskPlan's fields.
        """
        task_list = self.find(TaskList, list_id, act)
        if task_list is None:
            raise NoSuchThing(kind="TaskList", id=list_id)
        if self._task_numbered(list_id, number) is not None:
            raise AlreadyExists(kind="Task", name=number, at_field="number")
        self.reference.unit(lead_unit, field="lead_unit")
        for one in supporters:
            self.reference.unit(one.unit, field="supporters")
        if from_leader_instruction is None:
            from_leader_instruction = self._is_instruction(task_list)
        task = Task.assign(
            act,
            task_list=task_list,
            plan=TaskPlan(
                number=number,
                lead_unit=lead_unit,
                supporters=tuple(supporters),
                milestones=tuple(milestones),
                secrecy=secrecy or task_list.state.secrecy,
                secrecy_ground=secrecy_ground or task_list.state.secrecy_ground,
                from_leader_instruction=from_leader_instruction,
                **more,
            ),
            post=self.known_post(post or self.reference.head_of(lead_unit), "post"),
            leader_post=self._leader(
                leader_post or self._in_charge_of(lead_unit) or task_list.state.leader_post
            ),
            calendar=self.reference.calendar(),
        )
        return self.commit(act, task, location=f"/api/v1/tasks/{task.id}")

    def _list_titled(self, title: str, dated: date) -> TaskList | None:
        return self.find(TaskList, TaskList.id_of(title, dated)) or self.find(
            TaskList, TaskList.former_id_of(title, dated)
        )

    def _task_numbered(self, list_id: UUID, number: str) -> Task | None:
        """The task of the list that has this number, however it is spelled.

        The log knows it, also under its very spelling; only what was assigned in another spelling before spellings
        were compared is known by the board alone, which has long folded it.
        """
        for id_ in (Task.id_of(list_id, number), Task.former_id_of(list_id, number)):
            if (found := self.find(Task, id_)) is not None:
                return found
        with self.views.reading() as connection:
            tasks = self.views.table(connection, "tasks")
            of_list = select(tasks.c.id).where(tasks.c.list_id == str(list_id))
            row = connection.execute(of_list.where(tasks.c.number_key == identity(number))).first()
        return None if row is None else self.find(Task, UUID(row.id))

    def _is_instruction(self, task_list: TaskList) -> bool:
        directive = self._directive(task_list.state.directive_id)
        return directive is not None and directive.state.kind == "leader_instruction"

    # -- from a spreadsheet ------------------------------------------------------------------------------------

    def unit_names(self, *, dissolved: bool = False) -> UnitNames:
        """The register's names, to read and to write spreadsheets with; with ``dissolved`` for writing old tasks."""
        return UnitNames(
            (one.unit, one.name, one.short_names, one.kind)
            for one in self.reference.units().values()
            if dissolved or not one.dissolved
        )

    def read_list(
        self, data: bytes, filename: str, *, dated: date, progress: Progress | None = None
    ) -> ReadTasks:
        """The rows of a file, and why others are none. ``dated`` gives the year of 6月底前 and what counts as past."""
        calendar = self.reference.calendar()
        return read_tasks(
            data,
            filename,
            units=self.unit_names(),
            dated=dated,
            read_due=lambda text: read_period(text, dated=dated, calendar=calendar),
            is_working_day=calendar.is_working,
            progress=progress,
        )

    def plan_import(
        self,
        act: CommandContext,
        rows: Iterable[TaskRow],
        *,
        title: str,
        dated: date,
        directive_id: UUID | None = None,
        leader_post: str | None = None,
        rejected: Sequence[RowProblem] = (),
    ) -> ImportPlan:
        """What importing ``rows`` into the list of this title and day would do; ``rejected`` were so while reading.

        A number that the list has with the same content, and a task that stands in another list with the same
        number, words, lead and due date, is unchanged. A changed row of a task that exists is rejected.
        """
        known_list = self._list_titled(title, dated)
        if known_list is not None and self.hidden(known_list, act):
            raise AlreadyExists(kind="TaskList", name=f"{title}（{dated}）", at_field="title")
        task_list = known_list or self._new_list(act, title, dated, leader_post, directive_id)
        plan = ImportPlan(task_list=task_list, rejected=list(rejected))
        book = PostBook(self.reference.posts().values())
        calendar = self.reference.calendar()
        board = self._board()
        plan.decided_at = board.upto
        elsewhere = board.elsewhere_than(task_list.id)
        instruction = self._is_instruction(task_list)
        known = cache(partial(self.known_post, field="post"))
        units = cache(partial(self.reference.unit, field="lead_unit"))
        for row in rows:
            place = Task.id_of(task_list.id, row.number)
            found = self._task_numbered(task_list.id, row.number) or self.find(
                Task, elsewhere.get(_of_row(row), place)
            )
            try:
                content = _content(
                    row, book, task_list.state.leader_post, None if found is None else found.state
                )
                if found is not None:
                    _refuse_changes(row, content, found.state, board.due_on.get(found.id))
                    plan.unchanged.append((row, found))
                    continue
                for unit in (row.lead, *row.supporters):
                    units(unit)
                task = Task.assign(
                    act,
                    task_list=task_list,
                    plan=TaskPlan(
                        number=row.number,
                        title=row.task,
                        lead_unit=row.lead,
                        target=content["target"],
                        due_on=row.due,
                        category=row.category,
                        supporters=tuple(Support(unit=unit, part="") for unit in row.supporters),
                        due_text=row.due_text,
                        weight=content["weight"],
                        secrecy=task_list.state.secrecy,
                        secrecy_ground=task_list.state.secrecy_ground,
                        from_leader_instruction=instruction,
                        remark=row.remark,
                    ),
                    post=known(content["post"]),
                    leader_post=content["leader_post"],
                    calendar=calendar,
                )
                plan.assigned.append((row, task))
            except RowRefused as problem:
                plan.rejected.append(problem.of(row))
            except Refusal as refusal:
                name = _FIELDS.get(refusal.at_field or "", (refusal.at_field or "task", ""))[0]
                plan.rejected.append(
                    RowProblem(
                        row=row.row,
                        field=name,
                        value=_written(row, name),
                        reason_zh=refusal.text("zh"),
                        reason_en=refusal.text("en"),
                        sheet=row.sheet,
                    )
                )
        plan.rejected.sort(key=lambda problem: problem.row)
        return plan

    def import_tasks(
        self,
        act: CommandContext,
        rows: Iterable[TaskRow],
        *,
        title: str,
        dated: date,
        directive_id: UUID | None = None,
        leader_post: str | None = None,
        accept_valid: bool = False,
        rejected: Sequence[RowProblem] = (),
    ) -> CommandResult:
        """The list and all its tasks in one transaction; all or nothing, unless ``accept_valid``.

        What stands already with the same content is left alone: importing an export changes nothing.
        Raises RowsRefused.
        """
        plan = self.plan_import(
            act,
            rows,
            title=title,
            dated=dated,
            directive_id=directive_id,
            leader_post=leader_post,
            rejected=rejected,
        )
        return self._write_plan(act, plan, accept_valid=accept_valid)

    def import_file(
        self,
        act: CommandContext,
        data: bytes,
        filename: str,
        *,
        title: str,
        dated: date,
        directive_id: UUID | None = None,
        leader_post: str | None = None,
        accept_valid: bool = False,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> tuple[CommandResult | None, dict[str, Any]]:
        """Read a file and import its tasks once; the answer to the write, and what became of each row.

        With ``dry_run`` nothing is written and there is no answer. Raises FileRefusal, RowsRefused.
        """
        read = self.read_list(data, filename, dated=dated, progress=progress)

        def planned(act: CommandContext) -> ImportPlan:
            plan = self.plan_import(
                act,
                read.accepted,
                title=title,
                dated=dated,
                directive_id=directive_id,
                leader_post=leader_post,
                rejected=read.rejected,
            )
            return replace(plan, left_out=read.left_out)

        plans: list[ImportPlan] = []

        def use_case(act: CommandContext) -> CommandResult:
            plans.append(planned(act))
            return self._write_plan(act, plans[-1], accept_valid=accept_valid)

        written = None if dry_run else self.perform(act, use_case)
        plan = planned(act) if written is None or written.replayed else plans[-1]
        return written, {**self.import_report(act, plan), "ignored_columns": read.ignored_columns}

    def _write_plan(self, act: CommandContext, plan: ImportPlan, *, accept_valid: bool) -> CommandResult:
        nothing = not plan.assigned and not plan.unchanged
        if plan.rejected and (not accept_valid or nothing):
            raise RowsRefused(plan.rejected, plan.left_out)
        task_list = plan.task_list
        if not plan.assigned and task_list.pending_events and plan.unchanged:
            # Every row stands in another list: no empty list is opened for them.
            task_list = self.load(TaskList, plan.unchanged[0][1].state.list_id)
        tasks = [task for _, task in plan.assigned]
        location = f"/api/v1/task-lists/{task_list.id}"
        return self.commit(act, task_list, *tasks, location=location, basis=plan.basis())

    def import_report(self, act: CommandContext, plan: ImportPlan) -> dict[str, Any]:
        """What an import did, or would do, row by row; for a request repeated under its key the same again."""
        repeated = [(row, task) for row, task in plan.unchanged if task.state.assigned_because == act.because]
        assigned = [*plan.assigned, *repeated]
        stood = [pair for pair in plan.unchanged if pair not in repeated]
        return {
            "assigned": len(assigned),
            "unchanged": len(stood),
            "accepted": [
                {
                    "row": row.row,
                    "number": row.number,
                    "task": row.task,
                    "task_id": task.id,
                    "lead": row.lead,
                    "supporters": row.supporters,
                    "due": row.due,
                    "due_text": row.due_text,
                    "outcome": outcome,
                }
                for outcome, pairs in (("assigned", assigned), ("unchanged", stood))
                for row, task in sorted(pairs, key=lambda pair: pair[0].row)
            ],
            "rejected": plan.rejected,
            "left_out": plan.left_out,
        }

    def _board(self) -> Board:
        """The board, and what the log has beyond it: a task that was assigned a moment ago is found too."""
        columns = ("id", "list_id", "number", "title", "lead_unit", "due_on", "original_due_on")
        with self.views.snapshot(), self.views.reading() as connection:
            received = self.views.received_upto(self.name)
            tasks = with_their_dates(connection, self.views)
            rows = connection.execute(select(*(tasks.c[name] for name in columns))).all()
        upto = self.log.max_notification_id() or 0
        newer = {row.originator_id for row in rows_upto(self.log, received, upto, _OF_TASKS)}
        due_on = {UUID(row.id): row.due_on for row in rows}
        found = [
            (UUID(row.id), UUID(row.list_id), _key(row.number, row.title, row.lead_unit, due))
            for row in rows
            for due in (row.due_on, row.original_due_on)
        ]
        for task in cast("set[UUID]", newer):
            state = self.load(Task, task).state
            found += [
                (task, state.list_id, _key(state.number, state.title, state.lead_unit, due))
                for due in (state.due_on, state.original_due_on)
            ]
        return Board(upto, found, due_on)

    # -- to a spreadsheet --------------------------------------------------------------------------------------

    def export_tasks(
        self,
        file_format: Literal["xlsx", "csv"],
        *,
        where: Callable[[FromClause], ColumnElement[bool]] | None = None,
    ) -> bytes:
        """The tasks as a file with the columns that are read. Secret tasks never leave this way (domain.md §8)."""
        titles = {post.post: post.title for post in self.reference.posts().values()}
        with self.views.reading() as connection:
            tasks = with_their_dates(connection, self.views)
            lists = self.views.table(connection, "task_lists")
            dated = {row.id: (row.dated, row.title) for row in connection.execute(select(lists))}
            query = select(tasks).where(tasks.c.secrecy != "secret")
            if where is not None:
                query = query.where(where(tasks))
            rows = [dict(row._mapping) for row in connection.execute(query)]
        rows.sort(key=lambda row: (*dated.get(row["list_id"], (date.max, "")), _natural(row["number"])))
        return write_tasks(
            (_exported(n, row, titles) for n, row in enumerate(rows, 2)),
            self.unit_names(dissolved=True),
            file_format,
        )

    def today(self) -> date:
        """The present day in Asia/Shanghai."""
        return local_day(self.clock())


def _content(row: TaskRow, book: PostBook, of_list: str, found: TaskState | None) -> dict[str, Any]:
    """What the row says, its words for posts and leader resolved, with what it leaves unsaid filled in."""
    if row.weight is not None and (row.weight != int(row.weight) or not 1 <= row.weight <= 100):
        raise RowRefused(
            "weight",
            f"{row.weight:f}",
            "权重须为 1 至 100 的整数",
            "a weight is a whole number from 1 to 100",
        )
    return {
        "title": row.task,
        "lead_unit": row.lead,
        "supporters": row.supporters,
        "due_on": row.due,
        "target": DEFAULT_TARGET
        if row.target is None
        else Target(metric=row.metric, unit=row.target_unit, value=row.target),
        "post": book.post(row, found.post if found and found.lead_unit == row.lead else None),
        "leader_post": book.leader(row, found.leader_post if found else None, of_list),
        "category": row.category,
        "weight": 1 if row.weight is None else int(row.weight),
        "remark": row.remark,
    }


def _refuse_changes(row: TaskRow, content: dict[str, Any], found: TaskState, due_now: date | None) -> None:
    stands = {
        "title": row.task if identity(row.task) == identity(found.title) else found.title,
        "lead_unit": found.lead_unit,
        "supporters": tuple(found.supporters),
        "due_on": row.due if row.due in (found.due_on, found.original_due_on, due_now) else found.due_on,
        "target": found.target,
        "post": found.post,
        "leader_post": found.leader_post,
        "category": found.category,
        "weight": found.weight,
        "remark": found.remark,
    }
    for name, value in stands.items():
        if value != content[name]:
            field_name, heading = _FIELDS[name]
            how_zh = "；时限只能通过延期申请更改" if name == "due_on" else ""
            how_en = "; a due date changes only by an extension" if name == "due_on" else ""
            raise RowRefused(
                field_name,
                _written(row, field_name),
                f"任务 {row.number} 已交办，导入不能更改其{heading}{how_zh}",
                f"the task {row.number} is assigned already; an import does not change its {field_name}{how_en}",
            )


def _written(row: TaskRow, name: str) -> str:
    value = row.due_text if name == "due" else getattr(row, name, "")
    return "、".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _exported(n: int, row: Row, titles: dict[str, str]) -> TaskRow:
    return TaskRow(
        row=n,
        number=row["number"],
        task=row["title"],
        lead=row["lead_unit"],
        supporters=tuple(row["supporters"]),
        due=row["due_on"],
        due_text=row["due_text"],
        leader=titles[row["leader_post"]],
        post=titles[row["post"]],
        metric=row["target_metric"],
        target=Decimal(row["target_value"]),
        target_unit=row["target_unit"],
        category=row["category"],
        weight=Decimal(row["weight"]),
        remark=row["remark"],
    )


def _natural(number: str) -> list[tuple[int, str]]:
    """2 before 10, 3-2 before 3-10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d{1,18})", number)
        if part
    ]
