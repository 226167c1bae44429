"""/tasks: the board and every command on a task (measure 7)."""

from datetime import date
from typing import Any
from uuid import UUID

from flask import Response, g
from marshmallow import fields, validate

from services.assignment.api.common import (
    LEADERS,
    ON_TASK,
    READERS,
    Happened,
    Quantity,
    Reasoned,
    SecrecyField,
    blueprint,
    done,
)
from services.assignment.api.lists import TargetSchema
from services.assignment.application import Assignment
from services.assignment.views.tasks import is_overdue, overdue
from shared.domain.clock import local_day
from shared.domain.roles import Role
from shared.readmodels.rows import Row
from shared.web.auth import allow
from shared.web.http import (
    BaseSchema,
    CommandResultSchema,
    Day,
    Flag,
    Id,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    context,
)
from shared.web.lists import many, may_see, one, reading
from shared.web.request import application

STATES = (
    "assigned",
    "accepted",
    "returned",
    "in_progress",
    "claimed",
    "awaiting_leader",
    "suspended",
    "closed",
    "cancelled",
    "superseded",
)
JUDGES = (Role.supervision_office, *LEADERS)
FILE_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}


class SupporterSchema(BaseSchema):
    """A supporting unit, its part, and how far that is."""

    unit = fields.String(required=True)
    part = fields.String(required=True)
    required = fields.Boolean(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["open", "done", "waived"]))
    accepted = fields.Boolean(required=True)


class MilestoneShownSchema(BaseSchema):
    """A dated step on the way."""

    on = fields.String(required=True)
    what = fields.String(required=True)
    value = Quantity(required=True, allow_none=True)


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


class TaskSchema(BaseSchema):
    """A task as it stands; ``overdue`` is derived at the moment of asking, by the task's own date."""

    id = fields.UUID(required=True)
    list_id = fields.UUID(required=True)
    directive_id = fields.UUID(required=True, allow_none=True)
    number = fields.String(required=True)
    title = fields.String(required=True)
    category = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    overdue = fields.Boolean(required=True)
    lead_unit = fields.String(required=True)
    accepted = fields.Boolean(required=True, metadata={"description": "by the lead"})
    post = fields.String(required=True)
    supporters = fields.List(fields.Nested(SupporterSchema), required=True)
    leader_post = fields.String(required=True)
    target = fields.Nested(TargetSchema, required=True)
    progress_value = Quantity(required=True, allow_none=True)
    progress_percent = fields.Float(required=True, allow_none=True)
    last_progress_at = fields.DateTime(required=True, allow_none=True)
    due_on = fields.Date(required=True)
    original_due_on = fields.Date(required=True)
    due_text = fields.String(required=True)
    milestones = fields.List(fields.Nested(MilestoneShownSchema), required=True)
    breakdown = fields.List(fields.Nested(PieceShownSchema), required=True)
    weight = fields.Integer(required=True)
    key_task = fields.Boolean(required=True)
    from_leader_instruction = fields.Boolean(required=True)
    remark = fields.String(required=True)
    assigned_at = fields.DateTime(required=True)
    returns = fields.Integer(required=True)
    referred_to = fields.String(required=True, allow_none=True)
    extensions = fields.Integer(required=True)
    extension_request = fields.Nested(ExtensionRequestSchema, required=True, allow_none=True)
    dispute = fields.Nested(DisputeSchema, required=True, allow_none=True)
    claimed_at = fields.DateTime(required=True, allow_none=True)
    ended_at = fields.DateTime(required=True, allow_none=True)
    superseded_by = fields.UUID(required=True, allow_none=True)
    secrecy = SecrecyField(required=True)
    secrecy_ground = fields.String(required=True)


class TasksArgs(PageArgs):
    """Filters of /tasks; ``unit`` is lead or supporter."""

    list_id = Id()
    directive_id = Id()
    state = fields.String(validate=validate.OneOf(STATES))
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


class ReturnSchema(Reasoned):
    """Why, and who should do it."""

    suggested_unit = Text(40, required=True)


class ReassignSchema(Reasoned):
    """Who leads from now on; by default its main head answers for it."""

    lead_unit = Text(40, required=True)
    post = Text(80)


class PieceSchema(BaseSchema):
    """A piece at project, post and person."""

    project = Text(300, required=True)
    post = Text(80, required=True)
    quantity = Quantity(required=True)
    unit = Text(40, required=True)
    due_on = Day(load_default=None)


class BreakDownSchema(Happened):
    """All pieces, in place of those before."""

    items = fields.List(fields.Nested(PieceSchema), required=True, validate=validate.Length(min=1, max=200))


def Evidence() -> fields.List[str]:  # noqa: N802 - reads as the field that it makes
    """Where the proof is: names or addresses of documents."""
    return fields.List(Text(500), load_default=list, validate=validate.Length(max=50))


class ProgressSchema(Happened):
    """How far, in the target's unit of measure."""

    value = Quantity(required=True)
    narrative = Text(4000, lines=True, required=True)
    problems = Text(4000, lines=True, load_default="")
    next_steps = Text(4000, lines=True, load_default="")
    evidence = Evidence()


class NoteSchema(Happened):
    """A remark, if any."""

    note = Text(2000, lines=True, load_default="")


class WaiveSchema(Reasoned):
    """Whose part, and why."""

    unit = Text(40, required=True)


class ClaimSchema(Happened):
    """What was reached."""

    note = Text(4000, lines=True, required=True)
    evidence = Evidence()


class InstructionSchema(Happened):
    """The leader's words."""

    text = Text(2000, lines=True, required=True)


class ExtensionSchema(Reasoned):
    """Until when, and why."""

    new_due_on = Day(required=True)


class RaiseDisputeSchema(Happened):
    """With whom, about what."""

    with_units = fields.List(Text(40), required=True, validate=validate.Length(min=1, max=50))
    about = Text(2000, lines=True, required=True)


class SolutionSchema(Happened):
    """How it was coordinated, and what is proposed."""

    coordination = Text(4000, lines=True, required=True)
    solution = Text(4000, lines=True, required=True)


class RulingSchema(Happened):
    """The leader's ruling."""

    ruling = Text(4000, lines=True, required=True)


class ResumeSchema(Happened):
    """Why it goes on, if that is to be said."""

    reason = Text(2000, lines=True, load_default="")


class SupersedeSchema(Reasoned):
    """Which task stands in its place."""

    by_task = Id(required=True)


@blueprint.get("/tasks")
@allow(*READERS)
@blueprint.arguments(TasksArgs, location="query")
@blueprint.response(200, PageSchema.of(TaskSchema))
def list_tasks(args: dict[str, Any]) -> Any:
    """Tasks by due date"""
    today = local_day(context().now)
    where = []
    if "unit" in args:
        where.append(lambda table: table.c.concerned.contains(f",{args['unit']},", autoescape=True))
    if "overdue" in args:
        where.append(lambda table: overdue(table, today) == args["overdue"])
    if "due_before" in args:
        where.append(lambda table: table.c.due_on < args["due_before"])
    columns = ("list_id", "directive_id", "state", "lead_unit", "leader_post", "key_task")
    page = many("tasks", args, *columns, where=where)
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
    """The tasks that one may see, as a spreadsheet; never a secret one"""
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
@blueprint.response(200, TaskSchema)
def get_task(task_id: UUID) -> Any:
    """One task"""
    row, headers = one("tasks", task_id, kind="Task")
    return _shown(row, local_day(context().now)), headers


@blueprint.get("/tasks/<uuid:task_id>/history")
@allow(*READERS)
@blueprint.arguments(HistoryArgs, location="query")
@blueprint.response(200, PageSchema.of(HistorySchema))
def get_task_history(args: dict[str, Any], task_id: UUID) -> Any:
    """What happened to a task, for whoever may see the task"""
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
        "target": {
            "metric": row["target_metric"],
            "unit": row["target_unit"],
            "value": row["target_value"],
        },
    }


@blueprint.post("/tasks/<uuid:task_id>/accept")
@allow(*ON_TASK)
@blueprint.arguments(Happened)
@blueprint.response(200, CommandResultSchema)
def accept_task(body: dict[str, Any], task_id: UUID) -> Any:
    """One's own unit, lead or supporter, accepts the task"""
    return done(application(Assignment).accept_task, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/return")
@allow(*ON_TASK)
@blueprint.arguments(ReturnSchema)
@blueprint.response(200, CommandResultSchema)
def return_task(body: dict[str, Any], task_id: UUID) -> Any:
    """The lead returns the task and suggests another unit"""
    return done(application(Assignment).return_task, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/reassign")
@allow(Role.government_office, *LEADERS)
@blueprint.arguments(ReassignSchema)
@blueprint.response(200, CommandResultSchema)
def reassign_task(body: dict[str, Any], task_id: UUID) -> Any:
    """Another unit leads; after a third return only a leader may"""
    return done(application(Assignment).reassign_task, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/break-down")
@allow(*ON_TASK)
@blueprint.arguments(BreakDownSchema)
@blueprint.response(200, CommandResultSchema)
def break_down_task(body: dict[str, Any], task_id: UUID) -> Any:
    """The lead breaks it down to project, post and person"""
    return done(application(Assignment).break_down_task, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/report-progress")
@allow(*ON_TASK)
@blueprint.arguments(ProgressSchema)
@blueprint.response(200, CommandResultSchema)
def report_progress(body: dict[str, Any], task_id: UUID) -> Any:
    """How far one's own unit has come"""
    return done(application(Assignment).report_progress, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/support-done")
@allow(*ON_TASK)
@blueprint.arguments(NoteSchema)
@blueprint.response(200, CommandResultSchema)
def finish_support(body: dict[str, Any], task_id: UUID) -> Any:
    """One's own unit, a supporter, finished its part"""
    return done(application(Assignment).finish_support, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/waive-support")
@allow(*JUDGES)
@blueprint.arguments(WaiveSchema)
@blueprint.response(200, CommandResultSchema)
def waive_support(body: dict[str, Any], task_id: UUID) -> Any:
    """A supporting unit's part is waived"""
    return done(application(Assignment).waive_support, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/claim-completion")
@allow(*ON_TASK)
@blueprint.arguments(ClaimSchema)
@blueprint.response(200, CommandResultSchema)
def claim_completion(body: dict[str, Any], task_id: UUID) -> Any:
    """The lead says that the target is reached"""
    return done(application(Assignment).claim_completion, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/accept-completion")
@allow(*JUDGES)
@blueprint.arguments(NoteSchema)
@blueprint.response(200, CommandResultSchema)
def accept_completion(body: dict[str, Any], task_id: UUID) -> Any:
    """The completion is accepted"""
    return done(application(Assignment).accept_completion, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/send-back")
@allow(*JUDGES)
@blueprint.arguments(Reasoned)
@blueprint.response(200, CommandResultSchema)
def send_back(body: dict[str, Any], task_id: UUID) -> Any:
    """The completion is not accepted"""
    return done(application(Assignment).send_back, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/no-new-instruction")
@allow(*LEADERS)
@blueprint.arguments(Happened)
@blueprint.response(200, CommandResultSchema)
def no_new_instruction(body: dict[str, Any], task_id: UUID) -> Any:
    """The leader gives no new instruction: closed"""
    return done(application(Assignment).no_new_instruction, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/new-instruction")
@allow(*LEADERS)
@blueprint.arguments(InstructionSchema)
@blueprint.response(200, CommandResultSchema)
def new_instruction(body: dict[str, Any], task_id: UUID) -> Any:
    """The leader gives a new instruction: stays open"""
    return done(application(Assignment).new_instruction, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/request-extension")
@allow(*ON_TASK)
@blueprint.arguments(ExtensionSchema)
@blueprint.response(200, CommandResultSchema)
def request_extension(body: dict[str, Any], task_id: UUID) -> Any:
    """The lead asks for a later date, before the due date"""
    return done(application(Assignment).request_extension, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/grant-extension")
@allow(*LEADERS)
@blueprint.arguments(Happened)
@blueprint.response(200, CommandResultSchema)
def grant_extension(body: dict[str, Any], task_id: UUID) -> Any:
    """The leader in charge grants the later date"""
    return done(application(Assignment).grant_extension, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/refuse-extension")
@allow(*LEADERS)
@blueprint.arguments(Reasoned)
@blueprint.response(200, CommandResultSchema)
def refuse_extension(body: dict[str, Any], task_id: UUID) -> Any:
    """The leader in charge refuses the later date"""
    return done(application(Assignment).refuse_extension, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/raise-dispute")
@allow(*ON_TASK)
@blueprint.arguments(RaiseDisputeSchema)
@blueprint.response(200, CommandResultSchema)
def raise_dispute(body: dict[str, Any], task_id: UUID) -> Any:
    """One's own unit disagrees with others"""
    return done(application(Assignment).raise_dispute, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/propose-solution")
@allow(*ON_TASK)
@blueprint.arguments(SolutionSchema)
@blueprint.response(200, CommandResultSchema)
def propose_solution(body: dict[str, Any], task_id: UUID) -> Any:
    """The lead writes down a proposed solution"""
    return done(application(Assignment).propose_solution, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/rule-on-dispute")
@allow(*LEADERS)
@blueprint.arguments(RulingSchema)
@blueprint.response(200, CommandResultSchema)
def rule_on_dispute(body: dict[str, Any], task_id: UUID) -> Any:
    """The leader in charge rules on it"""
    return done(application(Assignment).rule_on_dispute, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/suspend")
@allow(*JUDGES)
@blueprint.arguments(Reasoned)
@blueprint.response(200, CommandResultSchema)
def suspend_task(body: dict[str, Any], task_id: UUID) -> Any:
    """The task rests"""
    return done(application(Assignment).suspend_task, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/resume")
@allow(*JUDGES)
@blueprint.arguments(ResumeSchema)
@blueprint.response(200, CommandResultSchema)
def resume_task(body: dict[str, Any], task_id: UUID) -> Any:
    """The task goes on"""
    return done(application(Assignment).resume_task, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/cancel")
@allow(*LEADERS)
@blueprint.arguments(Reasoned)
@blueprint.response(200, CommandResultSchema)
def cancel_task(body: dict[str, Any], task_id: UUID) -> Any:
    """The task is no longer to be done"""
    return done(application(Assignment).cancel_task, body, task_id)


@blueprint.post("/tasks/<uuid:task_id>/supersede")
@allow(Role.government_office, *LEADERS)
@blueprint.arguments(SupersedeSchema)
@blueprint.response(200, CommandResultSchema)
def supersede_task(body: dict[str, Any], task_id: UUID) -> Any:
    """Another task stands in its place"""
    return done(application(Assignment).supersede_task, body, task_id)
