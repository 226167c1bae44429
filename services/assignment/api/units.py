"""/units and /posts (measure 6)."""

from collections.abc import Sequence
from typing import Any

from flask import g
from marshmallow import fields, validate
from sqlalchemy import select

from services.assignment.api.common import EVERYBODY, LEADERS, OFFICES, Choice, Happened, blueprint, done
from services.assignment.application import Assignment
from shared.application.application import NoSuchThing
from shared.domain.roles import Role
from shared.events import assignment
from shared.personal_data.keystore import KeyStore
from shared.readmodels.rows import Row
from shared.web.auth import allow
from shared.web.body import personal
from shared.web.http import BaseSchema, CommandResultSchema, Day, Flag, PageArgs, PageSchema, Sort, Text
from shared.web.lists import many, reading
from shared.web.request import application

CLERKS = (Role.government_office, Role.operator)
"""Who keeps the register of units and posts."""
SEE_HOLDERS = frozenset({*LEADERS, *OFFICES})
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


class UnitSchema(BaseSchema):
    """A unit."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    short_names = fields.List(fields.String(), required=True)
    kind = Choice(assignment.UnitKind, required=True)
    dissolved = fields.Boolean(required=True)
    successor = fields.String(required=True, allow_none=True)


class UnitsArgs(PageArgs):
    """Filters of /units."""

    kind = Choice(assignment.UnitKind)
    dissolved = Flag()
    sort = Sort("id", "name", "-name")


class NamesSchema(Happened):
    """What a unit is called."""

    name = Text(60, required=True)
    short_names = fields.List(Text(60), load_default=list, validate=validate.Length(max=20))


class NewUnitSchema(NamesSchema):
    """A unit to be registered under the clerk's id."""

    unit = Text(31, data_key="id", required=True)
    kind = Choice(assignment.UnitKind, required=True)


class DissolveSchema(Happened):
    """Who takes what is open."""

    successor = Text(40)


class PostSchema(BaseSchema):
    """A post; ``holder`` is null for those who do not see names."""

    id = fields.String(required=True)
    unit = fields.String(required=True)
    title = fields.String(required=True)
    role = Choice(assignment.PostRole, required=True)
    vacant = fields.Boolean(required=True)
    holder = fields.String(required=True, allow_none=True)
    since = fields.Date(required=True, allow_none=True)
    units = fields.List(fields.String(), required=True, metadata={"description": "a leader's portfolio"})


class PostsArgs(PageArgs):
    """Filters of /posts."""

    unit = Text(40)
    role = Choice(assignment.PostRole)
    sort = Sort("id", "title")


class NewPostSchema(Happened):
    """A post to be created; its id is its unit's, a slash, and a short name."""

    post = Text(80, data_key="id", required=True)
    title = Text(100, required=True)
    role = Choice(assignment.PostRole, required=True)


class AppointSchema(Happened):
    """Who holds the post, since which day."""

    holder = Text(100, required=True)
    since = Day(required=True)


class VacateSchema(Happened):
    """From which day on nobody holds it."""

    on = Day(required=True)


class PortfolioSchema(Happened):
    """Units and fields of work in a leader's charge."""

    units = fields.List(Text(40), required=True, validate=validate.Length(max=200))
    fields_ = fields.List(
        Text(100), data_key="fields", attribute="fields", load_default=list, validate=validate.Length(max=50)
    )


@blueprint.get("/units")
@allow(*EVERYBODY)
@blueprint.arguments(UnitsArgs, location="query")
@blueprint.response(200, PageSchema.of(UnitSchema))
def list_units(args: dict[str, Any]) -> Any:
    """Units by id"""
    return many("units", args, "kind", "dissolved", all_see=True)


@blueprint.get("/units/<unit>", parameters=[IN_PATH["unit"]])
@allow(*EVERYBODY)
@blueprint.response(200, UnitSchema)
def get_unit(unit: str) -> Any:
    """One unit"""
    return _entry("units", unit, "Unit")


@blueprint.post("/units")
@allow(*CLERKS)
@blueprint.arguments(NewUnitSchema)
@blueprint.response(201, CommandResultSchema)
def register_unit(body: dict[str, Any]) -> Any:
    """Register a unit"""
    return done(application(Assignment).register_unit, body, status=201)


@blueprint.post("/units/<unit>/rename", parameters=[IN_PATH["unit"]])
@allow(*CLERKS)
@blueprint.arguments(NamesSchema)
@blueprint.response(200, CommandResultSchema)
def rename_unit(body: dict[str, Any], unit: str) -> Any:
    """Give a unit another name"""
    return done(application(Assignment).rename_unit, body, unit)


@blueprint.post("/units/<unit>/dissolve", parameters=[IN_PATH["unit"]])
@allow(*CLERKS)
@blueprint.arguments(DissolveSchema)
@blueprint.response(200, CommandResultSchema)
def dissolve_unit(body: dict[str, Any], unit: str) -> Any:
    """Dissolve a unit"""
    return done(application(Assignment).dissolve_unit, body, unit)


@blueprint.get("/posts")
@allow(*EVERYBODY)
@blueprint.arguments(PostsArgs, location="query")
@blueprint.response(200, PageSchema.of(PostSchema))
def list_posts(args: dict[str, Any]) -> Any:
    """Posts by id"""
    page = many("posts", args, "unit", "role", all_see=True)
    return {**page, "items": _shown(page["items"])}


@blueprint.get("/posts/<unit>/<name>", parameters=[IN_PATH["unit"], IN_PATH["name"]])
@allow(*EVERYBODY)
@blueprint.response(200, PostSchema)
def get_post(unit: str, name: str) -> Any:
    """One post"""
    row, headers = _entry("posts", f"{unit}/{name}", "Post")
    return _shown([row])[0], headers


@blueprint.post("/posts")
@allow(*CLERKS)
@blueprint.arguments(NewPostSchema)
@blueprint.response(201, CommandResultSchema)
def create_post(body: dict[str, Any]) -> Any:
    """Create a post"""
    return done(application(Assignment).create_post, body, status=201)


@blueprint.post("/posts/<unit>/<name>/appoint-holder", parameters=[IN_PATH["unit"], IN_PATH["name"]])
@allow(*CLERKS)
@personal
@blueprint.arguments(AppointSchema)
@blueprint.response(200, CommandResultSchema)
def appoint_holder(body: dict[str, Any], unit: str, name: str) -> Any:
    """Somebody holds the post since a day"""
    return done(application(Assignment).appoint_holder, body, f"{unit}/{name}")


@blueprint.post("/posts/<unit>/<name>/vacate", parameters=[IN_PATH["unit"], IN_PATH["name"]])
@allow(*CLERKS)
@blueprint.arguments(VacateSchema)
@blueprint.response(200, CommandResultSchema)
def vacate_post(body: dict[str, Any], unit: str, name: str) -> Any:
    """Nobody holds the post from a day on"""
    return done(application(Assignment).vacate_post, body, f"{unit}/{name}")


@blueprint.post("/posts/<unit>/<name>/assign-portfolio", parameters=[IN_PATH["unit"], IN_PATH["name"]])
@allow(*CLERKS)
@blueprint.arguments(PortfolioSchema)
@blueprint.response(200, CommandResultSchema)
def assign_portfolio(body: dict[str, Any], unit: str, name: str) -> Any:
    """Put units in a leader's charge"""
    return done(application(Assignment).assign_portfolio, body, f"{unit}/{name}")


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
    shown = [
        {
            **row,
            "vacant": row["holder"] is None,
            "holder": row["holder"] if named else None,
            "units": row["portfolio"] or [],
        }
        for row in rows
    ]
    people: KeyStore = application(Assignment).personal_data
    return people.revealed(shown, "id", "holder")
