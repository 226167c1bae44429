"""/tasks: every command on a task, and the board (measure 7)."""

from datetime import date
from typing import Any
from uuid import UUID

from flask import Response, g
from marshmallow import fields, validate

from services.assignment.api.common import Reasoned, SecrecyField, blueprint
from services.assignment.api.lists import TargetSchema
from services.assignment.application import Assignment
from services.assignment.domain.task import Task
from services.assignment.domain.task.state import PartState, Status, StepState
from services.assignment.views.tasks import TasksView, is_overdue, overdue, with_their_dates
from shared.domain.clock import local_day
from shared.domain.roles import DISPATCHERS, JUDGES, LEADERS, ON_TASK, READERS
from shared.events import assignment
from shared.readmodels.rows import Row
from shared.web.auth import allow
from shared.web.commands import Commands, HappenedBody
from shared.web.fields import (
    Choice,
    Evidence,
    Narrative,
    Part,
    Parts,
    PostId,
    Quantity,
    Reason,
    UnitId,
)
from shared.web.http import BaseSchema, Day, DueDay, Flag, Id, PageArgs, PageSchema, Sort, Text, context
from shared.web.lists import many, may_see, one, reading
from shared.web.request import application
from shared.web.shown import shown

# -- commands -----------------------------------------------------------------------------------------------------

on_task = Commands(
    blueprint,
    "/tasks/<uuid:task_id>/",
    Assignment,
    Task,
    supply={
        "rulebook": Assignment.rulebook_of,
        "calendar": Assignment.calendar,
        "in_charge": Assignment.in_charge,
    },
)


@on_task("accept", Task.accept, *ON_TASK)
class AcceptTask(HappenedBody):
    """签收 One's own unit, lead or supporter, accepts the task."""


@on_task("return", Task.return_it, *ON_TASK)
class ReturnTask(Reasoned):
    """退回 The lead returns the task and suggests another unit."""

    suggested_unit = UnitId(required=True)


@on_task("reassign", Assignment.reassign_task, *DISPATCHERS, guarded=Task.reassign)
class ReassignTask(Reasoned):
    """改派 Another unit leads; after a third return only a leader may."""

    lead_unit = UnitId(required=True)
    post = PostId(metadata={"description": "default: the new lead's main head"})
    leader_post = PostId(metadata={"description": "default: the leader in charge of the new lead"})


class PieceSchema(Part):
    """A piece at project, post and person."""

    makes = assignment.BreakdownItem
    project = Text(300, required=True)
    post = PostId(required=True)
    quantity = Quantity(required=True)
    unit = Text(40, required=True)
    due_on = Day(load_default=None)


@on_task("break-down", Task.break_down, *ON_TASK)
class BreakDownTask(HappenedBody):
    """细化分解 The lead breaks it down to project, post and person, in place of what was before."""

    items = Parts(PieceSchema, least=1, most=200, required=True)


@on_task("report-progress", Task.report_progress, *ON_TASK)
class ReportProgress(HappenedBody):
    """进展报告 How far one's own unit has come, in the target's unit of measure."""

    value = Quantity(required=True)
    narrative = Narrative(required=True)
    problems = Narrative()
    next_steps = Narrative()
    evidence = Evidence()


@on_task("support-done", Task.finish_support, *ON_TASK)
class FinishSupport(HappenedBody):
    """配合任务完成 One's own unit, a supporter, finished its part."""

    note = Narrative()


@on_task("return-support", Task.return_support, *ON_TASK)
class ReturnSupport(Reasoned):
    """退回配合任务 One's own unit, a supporter, does not take its part and may suggest another unit."""

    suggested_unit = UnitId(load_default=None)


@on_task("reassign-support", Task.reassign_support, *ON_TASK, *LEADERS)
class ReassignSupport(Reasoned):
    """改派配合任务 The lead, or the leader in charge, gives a part to another unit, or to the lead itself."""

    unit = UnitId(required=True, known=False)
    to_unit = UnitId(required=True)


@on_task("waive-support", Task.waive_support, *JUDGES)
class WaiveSupport(Reasoned):
    """配合任务免除 A supporting unit's part is waived."""

    unit = UnitId(required=True, known=False)


@on_task("reach-milestone", Task.reach_milestone, *ON_TASK)
class ReachMilestone(HappenedBody):
    """到达节点 The lead reports that a milestone, by its own date and words, is reached."""

    on = Day(required=True)
    what = Text(300, required=True)
    note = Narrative()
    evidence = Evidence()


@on_task("claim-completion", Task.claim_completion, *ON_TASK)
class ClaimCompletion(HappenedBody):
    """申报办结 The lead says that the target is reached."""

    note = Narrative(required=True)
    evidence = Evidence()


@on_task("accept-completion", Task.accept_completion, *JUDGES)
class AcceptCompletion(HappenedBody):
    """办结认定 The completion is accepted."""

    note = Narrative()


@on_task("send-back", Task.send_back, *JUDGES)
class SendBack(Reasoned):
    """退回补办 The completion is not accepted."""


@on_task("no-new-instruction", Task.no_new_instruction, *LEADERS)
class NoNewInstruction(HappenedBody):
    """无新批示 The leader gives no new instruction: closed."""


@on_task("new-instruction", Task.new_instruction, *LEADERS)
class NewInstruction(HappenedBody):
    """新批示 The leader gives a new instruction: stays open, or is open again, by default with the rulebook's date."""

    text = Narrative(required=True)
    due_on = DueDay(
        load_default=None, metadata={"description": "only once a completion was accepted; a working day"}
    )


@on_task("request-extension", Task.request_extension, *ON_TASK)
class RequestExtension(Reasoned):
    """申请延期 The lead asks for a later date, before the due date."""

    new_due_on = DueDay(required=True)


@on_task("grant-extension", Task.grant_extension, *LEADERS)
class GrantExtension(HappenedBody):
    """同意延期 The leader in charge grants the later date."""


@on_task("refuse-extension", Task.refuse_extension, *LEADERS)
class RefuseExtension(Reasoned):
    """不同意延期 The leader in charge refuses the later date."""


@on_task("raise-dispute", Task.raise_dispute, *ON_TASK)
class RaiseDispute(HappenedBody):
    """提出分歧 One's own unit disagrees with others."""

    with_units = fields.List(UnitId(), required=True, validate=validate.Length(min=1, max=50))
    about = Narrative(required=True)


@on_task("propose-solution", Task.propose_solution, *ON_TASK)
class ProposeSolution(HappenedBody):
    """提出解决方案 The lead writes down how it was coordinated, and a proposed solution."""

    coordination = Narrative(required=True)
    solution = Narrative(required=True)


@on_task("rule-on-dispute", Task.rule_on_dispute, *LEADERS)
class RuleOnDispute(HappenedBody):
    """裁定 The leader in charge rules on it."""

    ruling = Narrative(required=True)


@on_task("suspend", Task.suspend, *JUDGES)
class SuspendTask(Reasoned):
    """暂停 The task rests."""


@on_task("resume", Task.resume, *JUDGES)
class ResumeTask(HappenedBody):
    """恢复 The task goes on."""

    reason = Reason()


@on_task("cancel", Task.cancel, *LEADERS)
class CancelTask(Reasoned):
    """撤销 The task is no longer to be done."""


@on_task("supersede", Assignment.supersede_task, *DISPATCHERS, guarded=Task.supersede)
class SupersedeTask(Reasoned):
    """被替代 Another task stands in its place."""

    by_task = Id(required=True)


# -- what is shown ------------------------------------------------------------------------------------------------

FILE_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}


class SupporterSchema(BaseSchema):
    """A supporting unit, its part, and how far that is."""

    unit = fields.String(required=True)
    part = fields.String(required=True)
    required = fields.Boolean(required=True)
    state = Choice(PartState, required=True)
    reason = fields.String(required=True, metadata={"description": "why it was returned"})
    suggested_unit = fields.String(required=True, allow_none=True)
    accepted = fields.Boolean(required=True)


class MilestoneShownSchema(BaseSchema):
    """A dated step on the way."""

    on = fields.String(required=True)
    what = fields.String(required=True)
    value = Quantity(required=True, allow_none=True)
    state = Choice(StepState, required=True, metadata={"description": "late: not reached by its day"})
    reached_on = fields.String(required=True, allow_none=True)


class PieceShownSchema(BaseSchema):
    """A piece at project, post and person."""

    project = fields.String(required=True)
    post = fields.String(required=True)
    quantity = Quantity(required=True)
    unit = fields.String(required=True)
    due_on = fields.String(required=True, allow_none=True)


class ExtensionRequestSchema(BaseSchema):
    """A later date that was asked and is not decided."""

    new_due_on = fields.String(required=True)
    reason = fields.String(required=True)
    unit = fields.String(required=True)
    asked_at = fields.String(required=True)


class DisputeSchema(BaseSchema):
    """A disagreement that is not ruled on."""

    unit = fields.String(required=True)
    with_units = fields.List(fields.String(), required=True)
    about = fields.String(required=True)
    coordination = fields.String(required=True, allow_none=True)
    solution = fields.String(required=True, allow_none=True)


TaskSchema = shown(
    "TaskSchema",
    TasksView,
    hidden=(
        "target_metric",
        "target_unit",
        "target_value",
        "assigned_because",
        "accepted_by",
        "returned",
        "under_way",
        "granted",
        "completed",
        "pauses",
        "ended",
        "suspended",
        "claim_entered_on",
        "given_to",
        "case_id",
        "version",
        "led_since",
        "term_since",
        "term_due_on",
        "returned_at",
        "reported_at",
        "waits",
        "instructed_at",
        "completed_at",
        "suspended_on",
    ),
    overdue=fields.Boolean(
        required=True, metadata={"description": "at the moment of asking, by the date as it stands"}
    ),
    accepted=fields.Boolean(required=True, metadata={"description": "by the lead"}),
    supporters=fields.List(fields.Nested(SupporterSchema), required=True),
    target=fields.Nested(TargetSchema, required=True),
    milestones=fields.List(fields.Nested(MilestoneShownSchema), required=True),
    breakdown=fields.List(fields.Nested(PieceShownSchema), required=True),
    extension_request=fields.Nested(ExtensionRequestSchema, required=True, allow_none=True),
    dispute=fields.Nested(DisputeSchema, required=True, allow_none=True),
    secrecy=SecrecyField(required=True),
)
OneTaskSchema = TaskSchema.from_dict({"may": on_task.may_field()}, name="OneTaskSchema")


class TasksArgs(PageArgs):
    """Filters of /tasks; ``unit`` is lead or supporter."""

    list_id = Id()
    directive_id = Id()
    state = Choice(Status)
    lead_unit = Text(40)
    unit = Text(40)
    leader_post = Text(80)
    key_task = Flag()
    overdue = Flag()
    due_before = Day()
    sort = Sort("due_on", "-due_on", "number", "last_progress_at", "-last_progress_at")


class ExportArgs(BaseSchema):
    """What to export, as what."""

    format = fields.String(validate=validate.OneOf(list(FILE_TYPES)), load_default="xlsx")
    list_id = Id()


class HistorySchema(BaseSchema):
    """A fact of a task's life."""

    number = fields.Integer(required=True)
    what = fields.String(required=True)
    zh = fields.String(required=True)
    text = fields.String(required=True)
    unit = fields.String(required=True)
    post = fields.String(required=True)
    happened_at = fields.DateTime(required=True)
    recorded_at = fields.DateTime(required=True)


class HistoryArgs(PageArgs):
    """From the first fact to the last, or back."""

    sort = Sort("number", "-number")


# -- reads --------------------------------------------------------------------------------------------------------


@blueprint.get("/tasks")
@allow(*READERS)
@blueprint.arguments(TasksArgs, location="query")
@blueprint.response(200, PageSchema.of(TaskSchema))
def list_tasks(args: dict[str, Any]) -> Any:
    """任务查询: Tasks by due date"""
    today = local_day(context().now)
    where = []
    if "unit" in args:
        where.append(lambda table: table.c.concerned.contains(f",{args['unit']},", autoescape=True))
    if "overdue" in args:
        where.append(lambda table: overdue(table, today) == args["overdue"])
    if "due_before" in args:
        where.append(lambda table: table.c.due_on < args["due_before"])
    columns = ("list_id", "directive_id", "state", "lead_unit", "leader_post", "key_task")
    page = many(with_their_dates, args, *columns, where=where)
    return {**page, "items": [_shown(row, today) for row in page["items"]]}


@blueprint.get("/tasks/export")
@allow(*READERS)
@blueprint.arguments(ExportArgs, location="query")
@blueprint.response(200)
@blueprint.doc(  # type: ignore[untyped-decorator]  # flask-smorest has no types
    responses={
        "200": {
            "description": "The file, with the columns that an import reads",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}} for kind in FILE_TYPES.values()
            },
        }
    }
)
def export_tasks(args: dict[str, Any]) -> Any:
    """导出任务: The tasks that one may see, as a spreadsheet; never a secret one"""
    identity, kind = g.identity, args["format"]
    with reading():
        pass  # waits for the position that is asked for
    data = application(Assignment).export_tasks(
        kind,
        where=lambda table: (
            may_see(identity, table) & (table.c.list_id == str(args["list_id"]))
            if "list_id" in args
            else may_see(identity, table)
        ),
    )
    headers = {"Content-Disposition": f'attachment; filename="tasks.{kind}"', "Cache-Control": "no-store"}
    return Response(data, 200, headers, content_type=FILE_TYPES[kind])


@blueprint.get("/tasks/<uuid:task_id>")
@allow(*READERS)
@blueprint.response(200, OneTaskSchema)
def get_task(task_id: UUID) -> Any:
    """任务: One task, and what its reader may do with it"""
    row, headers = one(with_their_dates, task_id, kind="Task")
    asked = context()
    may = on_task.open_to(asked.identity, application(Assignment), TasksView.state_of(row), asked.now)
    return {**_shown(row, local_day(asked.now)), "may": may}, headers


@blueprint.get("/tasks/<uuid:task_id>/history")
@allow(*READERS)
@blueprint.arguments(HistoryArgs, location="query")
@blueprint.response(200, PageSchema.of(HistorySchema))
def get_task_history(args: dict[str, Any], task_id: UUID) -> Any:
    """办理经过: What happened to a task, for whoever may see the task"""
    one("tasks", task_id, kind="Task")
    of_task = [lambda table: table.c.task_id == str(task_id)]
    return many("task_history", args, where=of_task, all_see=True)


def _shown(row: Row, today: date) -> Row:
    accepted = row["accepted_by"]
    return {
        **row,
        "overdue": is_overdue(row, today),
        "accepted": row["lead_unit"] in accepted,
        "supporters": [
            {"unit": unit, **part, "accepted": unit in accepted} for unit, part in row["supporters"].items()
        ],
        "milestones": [
            {**vars(step), "state": step.state(today)} for step in TasksView.state_of(row).milestones
        ],
        "target": {
            "metric": row["target_metric"],
            "unit": row["target_unit"],
            "value": row["target_value"],
        },
    }
