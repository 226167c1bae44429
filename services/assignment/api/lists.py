"""/task-lists and what fills them (measure 7)."""

from typing import Any
from uuid import UUID

from flask_smorest.fields import Upload
from marshmallow import ValidationError, fields, validate
from werkzeug.datastructures import FileStorage

from services.assignment.api.common import SecrecyField, blueprint
from services.assignment.application import Assignment
from services.assignment.domain import TaskList
from services.assignment.views import TaskListsView
from services.assignment.views.lists import task_list_for_caller, task_lists_for_caller
from shared.domain.roles import GOVERNMENT, READERS
from shared.events import assignment
from shared.web.auth import allow
from shared.web.body import max_body
from shared.web.commands import Commands, HappenedBody
from shared.web.fields import Part, Parts, PostId, Quantity, Title, UnitId
from shared.web.http import (
    BaseSchema,
    Day,
    DueDay,
    Flag,
    Id,
    PageArgs,
    PageSchema,
    Sort,
    Text,
    Whole,
    context,
    written_headers,
)
from shared.web.openapi import LeftOutSchema
from shared.web.request import application, command_context
from shared.web.shown import shown

LARGEST_FILE = 10 * 1024 * 1024
AROUND_A_FILE = 64 * 1024
"""What the other parts of a form may take beside the file."""

# -- commands -----------------------------------------------------------------------------------------------------

lists = Commands[Assignment, TaskList](blueprint, "/task-lists", Assignment)
on_list = Commands[Assignment, TaskList](blueprint, "/task-lists/<uuid:list_id>/", Assignment)


@lists("", Assignment.open_list, *GOVERNMENT, status=201)
class OpenTaskList(HappenedBody):
    """任务清单 Open a task list; its leader is its directive's, else the main leader, unless named."""

    title = Title(required=True)
    dated = Day(required=True)
    leader_post = PostId()
    directive_id = Id()
    secrecy = SecrecyField()
    secrecy_ground = Text(300)


class TargetSchema(Part):
    """How much of what, in which unit of measure."""

    makes = assignment.Target
    metric = Text(200, required=True)
    unit = Text(40, required=True)
    value = Quantity(required=True)


class SupportSchema(Part):
    """A supporting unit and its own part."""

    makes = assignment.Support
    unit = UnitId(required=True)
    part = Text(500, load_default="")
    required = Flag(load_default=True)


class MilestoneSchema(Part):
    """A dated step on the way."""

    makes = assignment.Milestone
    on = Day(required=True)
    what = Text(300, required=True)
    value = Quantity()


@on_list("tasks", Assignment.assign_task, *GOVERNMENT, status=201)
class AssignTask(HappenedBody):
    """任务交办 Assign a task of the list; by default to the lead's main head, under the leader in charge of it."""

    number = Text(40, required=True)
    title = Text(1000, lines=True, required=True)
    category = Title()
    lead_unit = UnitId(required=True)
    post = PostId()
    supporters = Parts(SupportSchema, most=200, load_default=list)
    leader_post = PostId()
    target = fields.Nested(TargetSchema, required=True)
    due_on = DueDay(required=True)
    due_text = Text(100)
    milestones = Parts(MilestoneSchema, most=50, load_default=list)
    weight = Whole(1, 100, load_default=1)
    secrecy = SecrecyField()
    secrecy_ground = Text(300)
    key_task = Flag(load_default=False)
    from_leader_instruction = Flag()
    remark = Text(1000, lines=True)


# -- what is shown ------------------------------------------------------------------------------------------------


TaskListSchema = shown(
    "TaskListSchema",
    TaskListsView,
    hidden=("opened_by", "version"),
    tasks=fields.Integer(required=True),
    secrecy=SecrecyField(required=True),
)
OneTaskListSchema = TaskListSchema.from_dict({"may": on_list.may_field()}, name="OneTaskListSchema")


class TaskListsArgs(PageArgs):
    """Filters of /task-lists."""

    leader_post = Text(80)
    directive_id = Id()
    sort = Sort("dated", "-dated")


def _is_file(value: object) -> None:
    """A part of the form without a file name is text, not a file."""
    if not isinstance(value, FileStorage):
        raise ValidationError("不是文件\nNot a file")


class ImportSchema(BaseSchema):
    """The list as a file of at most 10 MiB, and what it is."""

    file = Upload(
        required=True,
        validate=_is_file,
        metadata={"type": "string", "format": "binary", "description": "XLSX or CSV, at most 10 MiB"},
    )
    title = Text(200, required=True)
    dated = Day(load_default=None, metadata={"description": "the list's own date; today, unless given"})
    leader_post = Text(80)
    directive_id = Id()
    accept_valid = Flag(load_default=False)
    dry_run = Flag(load_default=False)


class AcceptedRowSchema(BaseSchema):
    """A row that became a task, would become one, or stood as one."""

    row = fields.Integer(required=True)
    number = fields.String(required=True)
    task = fields.String(required=True)
    task_id = fields.UUID(required=True)
    lead = fields.String(required=True)
    supporters = fields.List(fields.String(), required=True)
    due = fields.Date(required=True)
    due_text = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(["assigned", "unchanged"]))


class RejectedRowSchema(BaseSchema):
    """Why a row was refused."""

    row = fields.Integer(required=True)
    field = fields.String(required=True)
    value = fields.String(required=True)
    reason = fields.String(required=True)


class ImportedSchema(BaseSchema):
    """What an import did; with ``dry_run`` what it would do, and there is no list yet."""

    id = fields.UUID(required=True, allow_none=True)
    version = fields.Integer(required=True, allow_none=True)
    position = fields.Integer(required=True, allow_none=True)
    assigned = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    accepted = fields.List(fields.Nested(AcceptedRowSchema), required=True)
    rejected = fields.List(fields.Nested(RejectedRowSchema), required=True)
    ignored_columns = fields.List(fields.String(), required=True)
    left_out = fields.List(fields.Nested(LeftOutSchema), required=True)


@blueprint.get("/task-lists")
@allow(*READERS)
@blueprint.arguments(TaskListsArgs, location="query")
@blueprint.response(200, PageSchema.of(TaskListSchema))
def list_task_lists(args: dict[str, Any]) -> Any:
    """任务清单目录: Task lists by their date"""
    return task_lists_for_caller(args)


@blueprint.get("/task-lists/<uuid:list_id>")
@allow(*READERS)
@blueprint.response(200, OneTaskListSchema)
def get_task_list(list_id: UUID) -> Any:
    """任务清单详情: One task list; its tasks are at /tasks?list_id="""
    row, headers = task_list_for_caller(list_id)
    asked, state = context(), TaskListsView.state_of(row)
    may = on_list.open_to(asked.identity, application(Assignment), state, asked.now)
    return {**row, "may": may}, headers


@blueprint.post("/task-lists/import")
@allow(*GOVERNMENT)
@max_body(LARGEST_FILE + AROUND_A_FILE)
@blueprint.arguments(ImportSchema, location="files")
@blueprint.response(200, ImportedSchema)
def import_task_list(form: dict[str, Any]) -> Any:
    """导入任务清单: Import a list from a spreadsheet, all or nothing unless accept_valid"""
    file, this = form.pop("file"), command_context()
    form["dated"] = form["dated"] or application(Assignment).today()
    written, report = application(Assignment).import_file(this, file.read(), file.filename or "", **form)
    report["rejected"] = [
        {**vars(problem), "reason": problem.reason(context().language)} for problem in report["rejected"]
    ]
    report["left_out"] = [one.to_json(context().language) for one in report["left_out"]]
    if written is None:
        return {**report, "id": None, "version": None, "position": None}
    return {**report, **vars(written)}, 200, written_headers(written)
