"""/units and /posts (measure 6)."""

from collections.abc import Sequence
from typing import Any

from flask import g
from marshmallow import fields, validate
from sqlalchemy import select

from services.assignment.api.common import blueprint
from services.assignment.application import Assignment
from services.assignment.domain import Post, Unit
from shared.application.application import NoSuchThing
from shared.domain.roles import CLERKS, EVERYBODY, GOVERNMENT
from shared.events import assignment
from shared.readmodels.reference import PostsView, UnitsView
from shared.readmodels.rows import Row
from shared.web.auth import allow
from shared.web.commands import Commands, HappenedBody
from shared.web.fields import Choice, UnitId
from shared.web.http import Day, Flag, PageArgs, PageSchema, Sort, Text, context
from shared.web.lists import many, reading
from shared.web.request import application
from shared.web.shown import shown

SEE_HOLDERS = frozenset(GOVERNMENT)
"""Who sees by name who holds a post: it is personal data (domain.md §8)."""

IN_PATH = {
    name: {
        "in": "path",
        "name": name,
        "required": True,
        "schema": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,40}$"},
        "description": meaning,
    }
    for name, meaning in (("unit", "the unit's id"), ("name", "what follows the unit in the post's id"))
}

# -- commands -----------------------------------------------------------------------------------------------------

units = Commands[Assignment, Unit](blueprint, "/units", Assignment)
on_unit = Commands(
    blueprint,
    "/units/<unit>/",
    Assignment,
    Unit,
    load=Assignment.unit_at,
    parameters=[IN_PATH["unit"]],
)
posts = Commands[Assignment, Post](blueprint, "/posts", Assignment)
on_post = Commands(
    blueprint,
    "/posts/<unit>/<name>/",
    Assignment,
    Post,
    load=Assignment.post_at,
    keys=2,
    parameters=[IN_PATH["unit"], IN_PATH["name"]],
)


class NamesSchema(HappenedBody):
    """What a unit is called."""

    name = Text(60, required=True)
    short_names = fields.List(Text(60), load_default=list, validate=validate.Length(max=20))


@units("", Assignment.register_unit, *CLERKS, status=201)
class RegisterUnit(NamesSchema):
    """单位登记 Register a unit under the clerk's id."""

    unit = Text(31, data_key="id", required=True)
    kind = Choice(assignment.UnitKind, required=True)


@on_unit("rename", Assignment.rename_unit, *CLERKS, guarded=Unit.rename)
class RenameUnit(NamesSchema):
    """单位更名 Give a unit another name."""


@on_unit("dissolve", Unit.dissolve, *CLERKS)
class DissolveUnit(HappenedBody):
    """单位撤销 Dissolve a unit; its successor takes what is open."""

    successor = UnitId()


@posts("", Assignment.create_post, *CLERKS, status=201)
class CreatePost(HappenedBody):
    """岗位设立 Create a post; its id is its unit's, a slash, and a short name."""

    post = Text(80, data_key="id", required=True)
    title = Text(100, required=True)
    role = Choice(assignment.PostRole, required=True)


@on_post("appoint-holder", Post.appoint, *CLERKS, personal=True)
class AppointHolder(HappenedBody):
    """任职 Somebody holds the post since a day."""

    holder = Text(100, required=True)
    since = Day(required=True)


@on_post("vacate", Post.vacate, *CLERKS)
class VacatePost(HappenedBody):
    """离任 Nobody holds the post from a day on."""

    on = Day(required=True)


@on_post("assign-portfolio", Assignment.assign_portfolio, *CLERKS, guarded=Post.assign_portfolio)
class AssignPortfolio(HappenedBody):
    """领导分工 Put units and fields of work in a leader's charge."""

    units = fields.List(UnitId(), required=True, validate=validate.Length(max=200))
    fields_ = fields.List(
        Text(100), data_key="fields", attribute="fields", load_default=list, validate=validate.Length(max=50)
    )


# -- what is shown ------------------------------------------------------------------------------------------------

UnitSchema = shown(
    "UnitSchema", UnitsView, hidden=("unit", "dissolved_at", "version"), id=fields.String(required=True)
)
OneUnitSchema = UnitSchema.from_dict({"may": on_unit.may_field()}, name="OneUnitSchema")
PostSchema = shown(
    "PostSchema",
    PostsView,
    hidden=("post", "portfolio", "appointed_at", "held", "named", "version"),
    id=fields.String(required=True),
    vacant=fields.Boolean(required=True),
    holder=fields.String(
        required=True, allow_none=True, metadata={"description": "null for those who do not see names"}
    ),
    units=fields.List(fields.String(), required=True, metadata={"description": "a leader's portfolio"}),
)
OnePostSchema = PostSchema.from_dict({"may": on_post.may_field()}, name="OnePostSchema")


class UnitsArgs(PageArgs):
    """Filters of /units."""

    kind = Choice(assignment.UnitKind)
    dissolved = Flag()
    sort = Sort("id", "name", "-name")


class PostsArgs(PageArgs):
    """Filters of /posts."""

    unit = Text(40)
    role = Choice(assignment.PostRole)
    sort = Sort("id", "title")


@blueprint.get("/units")
@allow(*EVERYBODY)
@blueprint.arguments(UnitsArgs, location="query")
@blueprint.response(200, PageSchema.of(UnitSchema))
def list_units(args: dict[str, Any]) -> Any:
    """单位名录: Units by id"""
    return many("units", args, "kind", "dissolved", all_see=True)


@blueprint.get("/units/<unit>", parameters=[IN_PATH["unit"]])
@allow(*EVERYBODY)
@blueprint.response(200, OneUnitSchema)
def get_unit(unit: str) -> Any:
    """单位: One unit"""
    row, headers = _entry("units", unit, "Unit")
    asked, state = context(), UnitsView.state_of(row)
    may = on_unit.open_to(asked.identity, application(Assignment), state, asked.now)
    return {**row, "may": may}, headers


@blueprint.get("/posts")
@allow(*EVERYBODY)
@blueprint.arguments(PostsArgs, location="query")
@blueprint.response(200, PageSchema.of(PostSchema))
def list_posts(args: dict[str, Any]) -> Any:
    """岗位名录: Posts by id"""
    page = many("posts", args, "unit", "role", all_see=True)
    return {**page, "items": _shown(page["items"])}


@blueprint.get("/posts/<unit>/<name>", parameters=[IN_PATH["unit"], IN_PATH["name"]])
@allow(*EVERYBODY)
@blueprint.response(200, OnePostSchema)
def get_post(unit: str, name: str) -> Any:
    """岗位: One post"""
    row, headers = _entry("posts", f"{unit}/{name}", "Post")
    asked, state = context(), PostsView.state_of(row)
    may = on_post.open_to(asked.identity, application(Assignment), state, asked.now)
    return {**_shown([row])[0], "may": may}, headers


def _entry(view: str, id: str, kind: str) -> tuple[Row, dict[str, str]]:  # noqa: A002
    """One row of the register, which is nobody's secret."""
    with reading() as (connection, views):
        table = views.table(connection, view)
        row = connection.execute(select(table).where(table.c.id == id)).first()
    if row is None:
        raise NoSuchThing(kind=kind, id=id)
    return dict(row._mapping), {"ETag": f'"{row.version}"'}


def _shown(rows: Sequence[Row]) -> list[Row]:
    named = g.identity.role in SEE_HOLDERS
    rows_shown = [
        {
            **row,
            "vacant": row["holder"] is None,
            "holder": row["holder"] if named else None,
            "units": row["portfolio"],
        }
        for row in rows
    ]
    return application(Assignment).personal_data.revealed(rows_shown, "id", "holder")
