"""Units and posts (measure 6): who there is to answer for a task, and who held the post at the time."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from shared.domain.aggregate import Aggregate, CommandContext, stable_id
from shared.domain.clock import local_day
from shared.domain.guards import requires
from shared.domain.moments import not_before
from shared.domain.refusal import Refusal
from shared.domain.roles import Role
from shared.domain.text import identity
from shared.domain.units import PostState, UnitState, evolve_post, evolve_unit
from shared.domain.words import Enumerated
from shared.events import assignment

_UNIT_ID = re.compile(r"[a-z][a-z0-9-]{1,30}")
_POST_ID = re.compile(r"[a-z][a-z0-9-]{0,40}")


class UnitIdMalformed(Refusal):
    """单位编号“{unit}”应以小写字母开头，由小写字母、数字和连字符组成，2 至 31 字
    The unit id "{unit}" must start with a lower-case letter and hold 2 to 31 lower-case letters, digits or hyphens"""

    status = 422
    field = "id"


class PostIdMalformed(Refusal):
    """岗位编号“{post}”应写成 单位编号/岗位代号，例如 fgw/head
    The post id "{post}" must be the unit's id, a slash and a short name, like fgw/head"""

    status = 422
    field = "id"


class NameStandsTwice(Refusal):
    """名称“{name}”在该单位的名称和简称中出现了两次
    The name "{name}" stands twice among the unit's name and short names"""

    status = 422
    field = "short_names"


class NameOfAnotherUnit(Refusal):
    """名称“{name}”是单位 {unit} 的名称或简称
    The name "{name}" is the name or a short name of the unit {unit}"""

    field = "name"


class UnitIsNamedSo(Refusal):
    """单位 {unit} 本来就叫“{name}”，没有变化
    The unit {unit} has exactly this name and these short names already: {name}"""


class UnitKindIsFixed(Refusal, kind=Enumerated(assignment.UnitKind)):
    """单位 {unit} 已登记为 {kind}，类型不能通过导入更改
    The unit {unit} is registered as {kind}; an import does not change a unit's kind"""

    field = "kind"


class UnitIsDissolved(Refusal):
    """单位 {unit} 已撤销
    The unit {unit} has been dissolved"""


class SuccessorIsTheUnitItself(Refusal):
    """单位 {unit} 不能由自己承接
    The unit {unit} cannot be its own successor"""

    status = 422
    field = "successor"


class DayIsInTheFuture(Refusal):
    """日期 {day} 尚未到来，不能登记尚未发生的任免
    The day {day} has not come yet: what has not happened cannot be recorded"""

    status = 422
    field = "since"


class AppointedBeforePredecessor(Refusal):
    """任职日期 {since} 早于现任者的任职日期 {present}
    The day {since} is before the day on which the present holder took office, {present}"""

    status = 422
    field = "since"


class VacatedBeforeAppointed(Refusal):
    """离任日期 {on} 早于任职日期 {since}
    The day {on} is before the holder took office, {since}"""

    status = 422
    field = "on"


class PostIsVacantAlready(Refusal):
    """岗位 {post} 本来就空缺
    The post {post} is vacant already"""


class NoLeadersPost(Refusal):
    """岗位 {post} 不是政府领导岗位
    The post {post} is not a leader's post"""

    status = 422
    field = "leader_post"


class SeveralLeadersInCharge(Refusal):
    """单位 {unit} 由不止一位领导分管（{leaders}），须写明由哪一位负责
    More than one leader is in charge of the unit {unit} ({leaders}): say which of them"""

    status = 422
    field = "leader_post"


# -- units --------------------------------------------------------------------------------------------------------


def is_there(unit: UnitState, act: CommandContext) -> None:
    """It has not been dissolved."""
    if unit.dissolved:
        raise UnitIsDissolved(unit=unit.unit)


class Unit(Aggregate, lifecycle=evolve_unit):
    """单位: a department, town, zone or office by the id that people gave it."""

    TOPIC = "assignment.unit"
    state: UnitState

    @staticmethod
    def id_of(unit: str) -> UUID:
        """The aggregate that stands for this unit."""
        return stable_id("unit", unit)

    @classmethod
    def register(
        cls,
        act: CommandContext,
        *,
        unit: str,
        name: str,
        short_names: Sequence[str] = (),
        kind: assignment.UnitKind,
    ) -> "Unit":
        """Register a unit."""
        if not _UNIT_ID.fullmatch(unit):
            raise UnitIdMalformed(unit=unit)
        _no_name_twice(name, short_names)
        return cls.begin(
            assignment.UnitRegistered,
            act,
            id=cls.id_of(unit),
            unit=unit,
            name=name,
            short_names=tuple(short_names),
            kind=kind,
        )

    @requires(is_there)
    def rename(self, act: CommandContext, *, name: str, short_names: Sequence[str] = ()) -> None:
        """Give it another name."""
        if self.state.is_named(name, tuple(short_names)):
            raise UnitIsNamedSo(unit=self.number, name=name)
        _no_name_twice(name, short_names)
        self.record(assignment.UnitRenamed, act, unit=self.number, name=name, short_names=tuple(short_names))

    @requires(is_there)
    def dissolve(self, act: CommandContext, *, successor: str | None = None) -> None:
        """It takes no new tasks from now on."""
        if successor == self.number:
            raise SuccessorIsTheUnitItself(unit=self.number)
        self.record(assignment.UnitDissolved, act, unit=self.number, successor=successor)


def _no_name_twice(name: str, short_names: Sequence[str]) -> None:
    names = [identity(one) for one in (name, *short_names)]
    for one, written in zip(names, (name, *short_names), strict=True):
        if names.count(one) > 1:
            raise NameStandsTwice(name=written)


def check_names(units: Mapping[str, UnitState], changed: Iterable[str]) -> None:
    """No unit of the register bears a name of a ``changed`` one, unless it is dissolved. Raises NameOfAnotherUnit."""
    bearers: dict[str, set[str]] = {}
    for unit in units.values():
        if not unit.dissolved:
            for name in unit.names:
                bearers.setdefault(identity(name), set()).add(unit.unit)
    for one in changed:
        for name in units[one].names:
            if others := bearers.get(identity(name), set()) - {one}:
                field = "name" if name == units[one].name else "short_names"
                raise NameOfAnotherUnit(name=name, unit=min(others), at_field=field)


# -- posts --------------------------------------------------------------------------------------------------------


def is_held(post: PostState, act: CommandContext) -> None:
    """Somebody holds it, who was appointed by then."""
    if post.holder is None:
        raise PostIsVacantAlready(post=post.post)
    not_before(act, assignment.PostHolderAppointed, post.appointed_at)


def is_a_leaders(post: PostState, act: CommandContext) -> None:
    """It is the main leader's or a vice leader's."""
    if not post.is_leader:
        raise NoLeadersPost(post=post.post, at_field="post")


def leader_in_charge(unit: str, leaders: Iterable[PostState], *, present: str | None = None) -> str | None:
    """分管领导: the vice leader whose portfolio holds the unit, the main leader if it is in his alone, or None.

    Of several the ``present`` one stays. Raises SeveralLeadersInCharge.
    """
    found = [post for post in leaders if post.is_in_charge_of(unit)]
    found = [post for post in found if post.role == Role.vice_leader] or found
    if len(found) > 1:
        found = [post for post in found if post.post == present] or found
    if len(found) > 1:
        raise SeveralLeadersInCharge(unit=unit, leaders="、".join(post.title for post in found))
    return found[0].post if found else None


class Post(Aggregate, lifecycle=evolve_post):
    """岗位: a post in a unit with its dated holder; responsibility is the post's, not the person's (measure 6)."""

    TOPIC = "assignment.post"
    state: PostState

    @staticmethod
    def id_of(post: str) -> UUID:
        """The aggregate that stands for this post."""
        return stable_id("post", post)

    @classmethod
    def create(cls, act: CommandContext, *, post: str, title: str, role: assignment.PostRole) -> "Post":
        """Create a post; its id begins with its unit's, like ``fgw/head``."""
        unit, _, name = post.partition("/")
        if not _UNIT_ID.fullmatch(unit) or not _POST_ID.fullmatch(name):
            raise PostIdMalformed(post=post)
        return cls.begin(
            assignment.PostCreated, act, id=cls.id_of(post), post=post, unit=unit, title=title, role=role
        )

    def appoint(self, act: CommandContext, *, holder: str, since: date) -> None:
        """Somebody holds the post since a day, in place of whoever held it."""
        if since > local_day(act.recorded_at):
            raise DayIsInTheFuture(day=since)
        if self.state.since is not None and since < self.state.since:
            raise AppointedBeforePredecessor(since=since, present=self.state.since)
        self.record(
            assignment.PostHolderAppointed,
            act,
            post=self.state.post,
            unit=self.state.unit,
            holder=holder,
            since=since,
        )

    @requires(is_held)
    def vacate(self, act: CommandContext, *, on: date) -> None:
        """Nobody holds the post from a day on."""
        if on > local_day(act.recorded_at):
            raise DayIsInTheFuture(day=on, at_field="on")
        if self.state.since is not None and on < self.state.since:
            raise VacatedBeforeAppointed(on=on, since=self.state.since)
        self.record(assignment.PostVacated, act, post=self.state.post, unit=self.state.unit, on=on)

    @requires(is_a_leaders)
    def assign_portfolio(
        self, act: CommandContext, *, units: Sequence[str], fields: Sequence[str] = ()
    ) -> None:
        """Put units and fields of work in a leader's charge, in place of what was before."""
        self.record(
            assignment.PortfolioAssigned,
            act,
            post=self.state.post,
            units=tuple(dict.fromkeys(units)),
            fields=tuple(dict.fromkeys(fields)),
        )
