"""Commands are declared once: route, who may, body, what they decide, and what they refuse.

A declaration stands above the schema of the command's body::

    on_whistle = Commands(blueprint, "/whistles/<uuid:whistle_id>/", EnterpriseApplication, Whistle)

    @on_whistle("return", Whistle.return_it, *ON_WHISTLE)
    class ReturnWhistle(Body):
        \"\"\"退单 The lead gives it back to the desk and suggests another unit.\"\"\"

        reason = Reason(required=True)
        suggested_unit = UnitId(required=True)

The target is a decision of the aggregate, if loading, deciding and committing is all there is, or else a use case of
the application. Its parameters are the body's fields, the path's further parts, and what the application supplies. A
field that the target does not know, a parameter that nobody gives, or another type of value stops the start.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property, partial
from inspect import Parameter, signature
from types import MappingProxyType, UnionType
from typing import (
    Any,
    Concatenate,
    Generic,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from marshmallow import fields, missing, validate

from shared.application.result import CommandResult
from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.guards import open_to
from shared.domain.moments import BeforeWhatItRestsOn
from shared.domain.refusal import Refusal
from shared.domain.refusals_of import refusals_of
from shared.domain.roles import Role
from shared.events.base import Actor
from shared.service.application import ServiceApplication
from shared.web.auth import Identity, allow
from shared.web.body import personal as holds_personal_data
from shared.web.fields import Referring
from shared.web.http import BaseSchema, Blueprint, CommandResultSchema, Moment, answer
from shared.web.request import application, perform

App = TypeVar("App", bound=ServiceApplication)
A = TypeVar("A", bound=Aggregate)
BodyType = TypeVar("BodyType", bound="type[Body]")

Target = (
    Callable[Concatenate[A, CommandContext, ...], None]
    | Callable[Concatenate[App, CommandContext, ...], CommandResult]
)
"""A decision of the aggregate, or a use case of the application."""

HAPPENED = "happened_at"


class Body(BaseSchema):
    """The body of a command; its docstring begins with the command's Chinese name, then says what it does."""


class HappenedBody(Body):
    """The body of a command about something that may have happened before it is recorded."""

    happened_at = Moment(allow_none=True, metadata={"description": "when it became true; now, unless given"})


class Command(Generic[App]):
    """One declared command."""

    def __init__(
        self,
        of: "Commands[App, Any]",
        name: str,
        target: Callable[..., Any],
        body: type[Body],
        roles: Sequence[Role],
        guarded: Callable[..., Any] | None,
        *,
        begins: bool,
    ) -> None:
        self.of, self.name, self.target, self.body = of, name, target, body
        self.begins = begins
        """Whether something begins with it: what it records rests on nothing."""
        self.roles = frozenset(roles)
        self.operation = re.sub(r"(?<!^)(?=[A-Z])", "_", body.__name__).lower()
        self.direct = of.kind is not None and getattr(of.kind, target.__name__, None) is target
        self.decision = target if self.direct else guarded
        """Whose guards tell whether the command is open to somebody."""
        title, _, does = (body.__doc__ or "").strip().partition(" ")
        if not re.match(r"[\u4e00-\u9fff]", title) or not does:
            raise TypeError(f"{body.__name__}: its docstring does not begin with the command's Chinese name")
        self.title, self.title_en = title, re.sub(r"(?<!^)(?=[A-Z])", " ", body.__name__).capitalize()
        self.summary = " ".join(does.split())
        self._check()
        parameters = signature(target).parameters
        self._supplied = [name for name in of.supply if self.direct and name in parameters]
        self._references = [
            (made.attribute or name, *found)
            for name, made in body._declared_fields.items()
            for found in _references(made)
        ]

    def run(self, app: App, act: CommandContext, *path: Any, **asked: Any) -> CommandResult:
        """Carry it out, once loaded and decided; ``path`` and ``asked`` are the request's parts and its body.

        Raises NoSuchThing, VersionIsStale, and what the target refuses.
        """
        if not self.direct:
            result: CommandResult = self.target(app, act, *path, **asked)
            return result
        keys = self.of.keys
        found = self.of.load(app, act, *path[:keys])
        for field, check, ids in self._references:
            for one in ids(asked.get(field)):
                check(app.reference, one, field)
        supplied = {name: self.of.supply[name](app, found.state, act) for name in self._supplied}
        further = dict(zip(self.of.path[keys:], path[keys:], strict=True))
        self.target(found, act, **further, **supplied, **asked)
        return app.commit(act, found)

    def is_open_to(self, app: App, state: Any, act: CommandContext, further: Mapping[str, Any]) -> bool:
        """Whether role and state let this actor carry it out now; what the body says may still be refused."""
        if act.role not in self.roles:
            return False
        if self.decision is None:
            return True
        needed = {name for guard in getattr(self.decision, "guards", ()) for name in guard.needs}
        known = {name: self.of.supply[name](app, state, act) for name in needed & self.of.supply.keys()}
        return open_to(self.decision, state, act, {**known, **further})

    @cached_property
    def refusals(self) -> list[type[Refusal]]:
        """What it can refuse, by name: found in the code of the target and of what is called around it.

        What every write can refuse is not among them: that of the body, the token, the headers and the log.
        """
        found = refusals_of(self.target, self.of.kind if self.direct else self.of.app)
        asked: list[Callable[..., Any]] = [check for _, check, _ in self._references]
        if self.direct:
            asked += [self.of.load, *(self.of.supply[name] for name in self._supplied)]
        if HAPPENED in self.body._declared_fields:
            asked.append(CommandContext.at)
        if not self.direct:
            found -= {BeforeWhatItRestsOn}  # every use case commits; what counts is its decision
        if not self.direct and self.decision is not None:
            found |= refusals_of(self.decision, self.of.kind) & {BeforeWhatItRestsOn}
        found = found.union(*map(refusals_of, asked))
        if HAPPENED in self.body._declared_fields and not self.begins:
            found |= {BeforeWhatItRestsOn}
        return sorted(found, key=lambda refusal: refusal.__name__)

    def _check(self) -> None:
        """Raises TypeError if body, path and supplies are not what the target takes."""
        hints = get_type_hints(self.target)
        takes = {
            name: parameter
            for name, parameter in signature(self.target).parameters.items()
            if name not in ("self", "act")
        }
        open_ended = any(one.kind is Parameter.VAR_KEYWORD for one in takes.values())
        declared = self.body._declared_fields
        given = {made.attribute or name: made for name, made in declared.items() if name != HAPPENED}
        by_position = () if self.direct else self.of.path
        for name, made in given.items():
            if name not in takes:
                if not open_ended:
                    raise TypeError(
                        f"{self.body.__name__}.{name}: {self.target.__qualname__} takes no {name}"
                    )
                continue
            if not made.required and made.load_default is missing and takes[name].default is Parameter.empty:
                raise TypeError(
                    f"{self.body.__name__}.{name} may be missing, {self.target.__qualname__} needs it"
                )
            wanted, gives = _plain(hints.get(name, Any)), _gives(made)
            if Any not in (wanted, gives) and not _fits(gives, wanted):
                raise TypeError(
                    f"{self.body.__name__}.{name} gives {gives}, {self.target.__qualname__} takes {wanted}"
                )
        for name, parameter in takes.items():
            if parameter.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL) or name in given:
                continue
            if (
                name in by_position
                or name in self.of.path[self.of.keys :]
                or (self.direct and name in self.of.supply)
            ):
                continue
            if parameter.default is Parameter.empty:
                raise TypeError(f"{self.body.__name__}: nobody gives {self.target.__qualname__} its {name}")


class Commands(Generic[App, A]):
    """The commands on one resource.

    ``load`` reads the aggregate that a direct command decides on, by the path's first ``keys`` parts (default: by its
    id); ``supply`` says where a decision's further parameters come from: functions of the application, the state and
    the context. ``parameters`` documents parts of the path.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        path: str,
        app: type[App],
        kind: type[A] | None = None,
        *,
        load: Callable[Concatenate[App, CommandContext, ...], A] | None = None,
        keys: int = 1,
        supply: Mapping[str, Callable[[App, Any, CommandContext], Any]] = MappingProxyType({}),
        parameters: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.blueprint, self.prefix, self.app, self.kind, self.supply = blueprint, path, app, kind, supply
        self.path: tuple[str, ...] = tuple(re.findall(r"<(?:\w+:)?(\w+)>", path))
        self.load, self.keys, self.parameters = load or self._load, keys, list(parameters)
        self.declared: list[Command[App]] = []

    def _load(self, app: App, act: CommandContext, id: UUID) -> A:  # noqa: A002 - the library's name
        assert self.kind is not None
        return app.load(self.kind, id, act)

    def __call__(
        self,
        name: str,
        target: Target[A, App],
        *roles: Role,
        guarded: Callable[..., Any] | None = None,
        status: int = 200,
        personal: bool = False,
        tag: str | None = None,
    ) -> Callable[[BodyType], BodyType]:
        """Declare the command ``name``.

        ``guarded``: the decision whose guards the use case ``target`` asks. ``status``: 201 for what is created.
        ``personal``: the body holds personal data. ``tag``: of the operation, if it is not the blueprint's. Raises
        TypeError if the declaration does not fit its target.
        """

        def declare(body: BodyType) -> BodyType:
            command = Command(self, name, target, body, roles, guarded, begins=status == 201)
            self.declared.append(command)
            OPERATIONS[command.operation] = command
            self._route(command, status, personal, tag)
            return body

        return declare

    def _route(self, command: Command[App], status: int, personal: bool, tag: str | None) -> None:
        def view(asked: dict[str, Any] | None = None, **path: Any) -> Any:
            body = {} if asked is None else asked
            happened_at = body.pop(HAPPENED, None)
            app = application(self.app)
            ids = [path[part] for part in self.path]
            carried_out = perform(lambda act: command.run(app, act, *ids, **body), happened_at=happened_at)
            return answer(carried_out, status)

        view.__name__, view.__doc__ = command.operation, f"{command.title} {command.summary}"
        made: Any = self.blueprint.response(status, CommandResultSchema)(view)
        if command.body._declared_fields:
            made = self.blueprint.arguments(command.body)(made)
        if personal:
            made = holds_personal_data(made)
        made = allow(*command.roles)(made)
        made = self.blueprint.doc(**{"x-title": command.title, "x-title-en": command.title_en})(made)
        if tag is not None:
            made = self.blueprint.doc(tags=[tag])(made)
        made.duban_command = command
        self.blueprint.post(f"{self.prefix}{command.name}", parameters=self.parameters)(made)

    def may_field(self) -> "fields.Field[Any]":
        """The field of an answer about one thing that lists what its reader may do with it now."""
        names = [command.operation for command in self.declared]
        return fields.List(fields.String(validate=validate.OneOf(names)), required=True)

    def open_to(self, identity: Identity, app: App, state: Any, now: datetime, **further: Any) -> list[str]:
        """``may``: the names of the commands that this reader may carry out now on the thing in this state."""
        act = CommandContext(
            by=Actor(unit=identity.unit, post=identity.post),
            because="",
            recorded_at=now,
            happened_at=now,
            role=identity.role,
        )
        return [
            command.operation for command in self.declared if command.is_open_to(app, state, act, further)
        ]


OPERATIONS: dict[str, Command[Any]] = {}
"""Every declared command by its operation id."""


def command_of(view: object) -> Command[Any] | None:
    """The command that the view carries out, if it was declared."""
    return cast("Command[Any] | None", getattr(view, "duban_command", None))


def carry_out(
    operation: str, app: ServiceApplication, act: CommandContext, *path: Any, **asked: Any
) -> CommandResult:
    """Carry out a declared command without HTTP, as an import or a test does."""
    return app.perform(act, partial(_run, OPERATIONS[operation], app, path, asked))


def _run(
    command: Command[Any],
    app: ServiceApplication,
    path: Sequence[Any],
    asked: dict[str, Any],
    act: CommandContext,
) -> CommandResult:
    return command.run(app, act, *path, **asked)


# -- the ids of reference data in a body ---------------------------------------------------------------------------

Check = Callable[[Any, Any, str], None]
"""Asks reference data for the id that a field holds. Raises its refusal."""


def _references(made: "fields.Field[Any]") -> Iterator[tuple[Check, Callable[[Any], Iterable[Any]]]]:
    """What a field refers to, itself or in its parts: who checks it, and how its ids are found in the value."""
    if isinstance(made, Referring):
        if made.known:
            yield made.reference, lambda value: () if value is None else (value,)
    elif isinstance(made, fields.List):
        for check, ids in _references(made.inner):
            yield check, partial(_of_each, ids)
    elif isinstance(made, fields.Nested):
        for name, part in made.schema._declared_fields.items():
            for check, ids in _references(part):
                yield check, partial(_of_member, ids, name)


def _of_each(ids: Callable[[Any], Iterable[Any]], values: Iterable[Any] | None) -> Iterable[Any]:
    return [one for value in values or () for one in ids(value)]


def _of_member(ids: Callable[[Any], Iterable[Any]], name: str, value: Any) -> Iterable[Any]:
    return () if value is None else ids(getattr(value, name))


# -- whether a field gives what a parameter takes -----------------------------------------------------------------

_VALUES: Mapping[type[fields.Field[Any]], Any] = {
    fields.String: str,
    fields.UUID: UUID,
    fields.DateTime: datetime,
    fields.Date: date,
    fields.Boolean: bool,
    fields.Integer: int,
    fields.Decimal: Decimal,
    fields.List: Sequence,
}


def _gives(field: "fields.Field[Any]") -> Any:
    return next((value for kind, value in _VALUES.items() if isinstance(field, kind)), Any)


def _plain(hint: Any) -> Any:
    """The hint without None; a Literal of strings is a string, a collection its own kind."""
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not type(None)]
        return _plain(parts[0]) if len(parts) == 1 else Any
    if get_origin(hint) is Literal:
        return str
    return get_origin(hint) or hint


def _fits(gives: Any, wanted: Any) -> bool:
    if gives is Sequence:
        return wanted in (tuple, list) or (isinstance(wanted, type) and issubclass(Sequence, wanted))
    return gives is wanted
