"""Units and posts (measure 6): who there is to answer for a task, and who held the post at the time."""

import re
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from shared.domain.aggregate import Aggregate, Change, CommandContext, Creation, stable_id
from shared.domain.clock import local_day
from shared.domain.refusal import Refusal
from shared.events import assignment

LEADERS = ("main_leader", "vice_leader")
"""The roles of posts that lead the government: a list's owner, the one who decides above the units."""

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


class UnitIsNamedSo(Refusal):
    """单位 {unit} 本来就叫“{name}”，没有变化
    The unit {unit} has exactly this name and these short names already: {name}"""


class UnitKindIsFixed(Refusal):
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


class Unit(Aggregate):
    """单位: a department, town, zone or office by the id that people gave it."""

    TOPIC = "assignment.unit"
    unit: str
    name: str
    short_names: tuple[str, ...]
    kind: str
    dissolved: bool

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
        short_names: Sequence[str],
        kind: assignment.UnitKind,
    ) -> "Unit":
        """Register a unit. Raises UnitIdMalformed, NameStandsTwice."""
        if not _UNIT_ID.fullmatch(unit):
            raise UnitIdMalformed(unit=unit)
        _no_name_twice(name, short_names)
        return cls.begin(
            cls.Registered,
            act,
            cls.id_of(unit),
            unit=unit,
            name=name,
            short_names=tuple(short_names),
            kind=kind,
        )

    class Registered(assignment.UnitRegistered, Creation):
        def apply(self, unit: "Unit") -> None:
            unit.unit, unit.name, unit.short_names = self.unit, self.name, self.short_names
            unit.kind, unit.dissolved = self.kind, False

    def rename(self, act: CommandContext, *, name: str, short_names: Sequence[str]) -> None:
        """Give it another name. Raises UnitIsDissolved, UnitIsNamedSo, NameStandsTwice."""
        if self.dissolved:
            raise UnitIsDissolved(unit=self.unit)
        if self.is_named(name, short_names):
            raise UnitIsNamedSo(unit=self.unit, name=name)
        _no_name_twice(name, short_names)
        self.record(self.Renamed, act, unit=self.unit, name=name, short_names=tuple(short_names))

    class Renamed(assignment.UnitRenamed, Change):
        def apply(self, unit: "Unit") -> None:
            unit.name, unit.short_names = self.name, self.short_names

    def dissolve(self, act: CommandContext, *, successor: str | None) -> None:
        """It takes no new tasks from now on. Raises UnitIsDissolved, SuccessorIsTheUnitItself."""
        if self.dissolved:
            raise UnitIsDissolved(unit=self.unit)
        if successor == self.unit:
            raise SuccessorIsTheUnitItself(unit=self.unit)
        self.record(self.Dissolved, act, unit=self.unit, successor=successor)

    class Dissolved(assignment.UnitDissolved, Change):
        def apply(self, unit: "Unit") -> None:
            unit.dissolved = True

    def is_named(self, name: str, short_names: Sequence[str]) -> bool:
        """Whether it has exactly these names."""
        return (self.name, self.short_names) == (name, tuple(short_names))

    @property
    def status(self) -> str:
        """``registered`` or ``dissolved``."""
        return "dissolved" if self.dissolved else "registered"

    @property
    def number(self) -> str:
        """The unit's own id."""
        return self.unit


def _no_name_twice(name: str, short_names: Sequence[str]) -> None:
    names = [name, *short_names]
    for one in names:
        if names.count(one) > 1:
            raise NameStandsTwice(name=one)


class Post(Aggregate):
    """岗位: a post in a unit with its dated holder; responsibility is the post's, not the person's (measure 6)."""

    TOPIC = "assignment.post"
    post: str
    unit: str
    title: str
    role: str
    holder: str | None
    since: date | None
    units: tuple[str, ...]
    """A leader's portfolio (分管单位)."""

    @staticmethod
    def id_of(post: str) -> UUID:
        """The aggregate that stands for this post."""
        return stable_id("post", post)

    @classmethod
    def create(cls, act: CommandContext, *, post: str, title: str, role: assignment.PostRole) -> "Post":
        """Create a post; its id begins with its unit's, like ``fgw/head``. Raises PostIdMalformed."""
        unit, _, name = post.partition("/")
        if not _UNIT_ID.fullmatch(unit) or not _POST_ID.fullmatch(name):
            raise PostIdMalformed(post=post)
        return cls.begin(cls.Created, act, cls.id_of(post), post=post, unit=unit, title=title, role=role)

    class Created(assignment.PostCreated, Creation):
        def apply(self, post: "Post") -> None:
            post.post, post.unit, post.title, post.role = self.post, self.unit, self.title, self.role
            post.holder, post.since, post.units = None, None, ()

    def appoint(self, act: CommandContext, *, holder: str, since: date) -> None:
        """Somebody holds the post since a day, in place of whoever held it.

        Raises DayIsInTheFuture, AppointedBeforePredecessor.
        """
        if since > local_day(act.recorded_at):
            raise DayIsInTheFuture(day=since)
        if self.since is not None and since < self.since:
            raise AppointedBeforePredecessor(since=since, present=self.since)
        self.record(self.HolderAppointed, act, post=self.post, unit=self.unit, holder=holder, since=since)

    class HolderAppointed(assignment.PostHolderAppointed, Change):
        def apply(self, post: "Post") -> None:
            post.holder, post.since = self.holder, self.since

    def vacate(self, act: CommandContext, *, on: date) -> None:
        """Nobody holds the post from a day on. Raises PostIsVacantAlready, DayIsInTheFuture, VacatedBeforeAppointed."""
        if self.holder is None or self.since is None:
            raise PostIsVacantAlready(post=self.post)
        if on > local_day(act.recorded_at):
            raise DayIsInTheFuture(day=on, at_field="on")
        if on < self.since:
            raise VacatedBeforeAppointed(on=on, since=self.since)
        self.record(self.Vacated, act, post=self.post, unit=self.unit, on=on)

    class Vacated(assignment.PostVacated, Change):
        def apply(self, post: "Post") -> None:
            post.holder, post.since = None, None

    def assign_portfolio(self, act: CommandContext, *, units: Sequence[str], fields: Sequence[str]) -> None:
        """Put units and fields of work in a leader's charge, in place of what was before. Raises NoLeadersPost."""
        if not self.is_leader:
            raise NoLeadersPost(post=self.post, at_field="post")
        self.record(
            self.PortfolioAssigned,
            act,
            post=self.post,
            units=tuple(dict.fromkeys(units)),
            fields=tuple(dict.fromkeys(fields)),
        )

    class PortfolioAssigned(assignment.PortfolioAssigned, Change):
        def apply(self, post: "Post") -> None:
            post.units = self.units

    @property
    def is_leader(self) -> bool:
        """Whether it is the main leader's or a vice leader's post."""
        return self.role in LEADERS

    @property
    def is_vacant(self) -> bool:
        """Whether nobody holds it."""
        return self.holder is None

    @property
    def status(self) -> str:
        """``held`` or ``vacant``."""
        return "vacant" if self.is_vacant else "held"

    @property
    def number(self) -> str:
        """The post's own id."""
        return self.post
