"""Cases, and through whose hands they went."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Column, Connection, Date, FromClause, Integer, String, select

from services.supervision.domain.state import CaseState, evolve
from services.supervision.views.clocks import ClocksView
from services.supervision.views.rounds import RoundsView
from shared.database.columns import MomentColumn
from shared.domain.clock import local_day
from shared.domain.lifecycle import replace
from shared.events import supervision
from shared.events.base import Message
from shared.readmodels.concerned import concerned
from shared.readmodels.lifecycle import LifecycleView
from shared.readmodels.rows import Row, Rows
from shared.readmodels.view import View
from shared.readmodels.views import Views
from shared.web.lists import Source, reading


class CasesView(LifecycleView):
    """督查事项: each case as it stands."""

    name = "cases"
    version = 5
    lifecycle = evolve
    derived = ("number_key",)
    indexed = (
        "kind",
        "duty",
        "subject_id",
        "number",
        "number_key",
        "unit",
        "leader_post",
        "custodian",
        "state",
    )


class CustodyView(View):
    """经手时段: which unit had a case in hand, from when until when; working days are counted when it is read."""

    name = "custody"

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """One row per stay; the first row of a case also knows which stay is the present one."""
        return [
            Column("case_id", String, nullable=False, info={"index": True}),
            Column("number", String, nullable=False),
            Column("unit", String, nullable=False, info={"index": True}),
            Column("post", String),
            Column("leads", Boolean, nullable=False),
            Column("since", MomentColumn, nullable=False),
            Column("since_day", Date, nullable=False, info={"index": True}),
            Column("until", MomentColumn),
            Column("stay", Integer, nullable=False),
            Column("stays", Integer, nullable=False),
            Column("concerned", String, nullable=False),
            Column("secrecy", String, nullable=False),
            Column("version", Integer, nullable=False),
        ]

    def on_case_opened(self, rows: Rows, fact: supervision.CaseOpened, message: Message) -> None:
        rows.put(
            _stay(message, 1),
            case_id=str(message.aggregate_id),
            number=fact.number,
            unit=fact.unit,
            post=fact.post,
            leads=True,
            since=fact.happened_at,
            since_day=local_day(fact.happened_at),
            stay=1,
            stays=1,
            concerned=concerned(fact.unit),
            secrecy=fact.secrecy,
            version=message.version,
        )

    def on_custody_moved(self, rows: Rows, fact: supervision.CustodyMoved, message: Message) -> None:
        first = rows.get(_stay(message, 1))
        if first is None:
            return
        stay = first["stays"] + 1
        rows.change(_stay(message, stay - 1), until=fact.happened_at, version=message.version)
        rows.change(first["id"], stays=stay)
        rows.put(
            _stay(message, stay),
            case_id=first["case_id"],
            number=first["number"],
            unit=fact.to_unit,
            post=fact.to_post,
            leads=fact.leads,
            since=fact.happened_at,
            since_day=local_day(fact.happened_at),
            stay=stay,
            stays=stay,
            concerned=concerned(fact.to_unit),
            secrecy=first["secrecy"],
            version=message.version,
        )

    def on_case_closed(self, rows: Rows, fact: supervision.CaseClosed, message: Message) -> None:
        self._last(rows, message, until=fact.happened_at)

    def on_case_reopened(self, rows: Rows, fact: supervision.CaseReopened, message: Message) -> None:
        self._last(rows, message, until=None)

    @staticmethod
    def _last(rows: Rows, message: Message, until: Any) -> None:
        first = rows.get(_stay(message, 1))
        if first is not None:
            rows.change(_stay(message, first["stays"]), until=until, version=message.version)


def _stay(message: Message, stay: int) -> str:
    return f"{message.aggregate_id}/{stay:04d}"


# -- queries ------------------------------------------------------------------------------------------------------


def with_their_cases(parts: str, *columns: str) -> Source:
    """The rows of this view of parts of cases, each with these columns of its case, looked up when read."""

    def joined(connection: Connection, views: Views) -> FromClause:
        of, cases = views.table(connection, parts), views.table(connection, "cases")
        found = select(of, *(cases.c[name] for name in columns))
        return found.join(cases, cases.c.id == of.c.case_id).subquery(parts)

    return joined


CLOCKS = with_their_cases("clocks", "kind", "number", "concerned", "secrecy")
ROUNDS = with_their_cases("rounds", "number", "secrecy")


class Parts(NamedTuple):
    """The rows of one case's clocks and rounds, with what they take from the case."""

    clocks: Sequence[Row]
    rounds: Sequence[Row]


def parts_of(case: Row) -> Parts:
    """The clocks and the rounds of this case, in order."""
    with reading() as (connection, views):
        found = []
        for source in (CLOCKS, ROUNDS):
            rows = source(connection, views)
            query = select(rows).where(rows.c.case_id == case["id"]).order_by(rows.c.id)
            found.append([dict(row._mapping) for row in connection.execute(query)])
    return Parts(*found)


def with_parts(row: Row, parts: Parts) -> CaseState:
    """The state of a case with its clocks and rounds that these rows hold."""
    clocks, rounds = map(ClocksView.state_of, parts.clocks), map(RoundsView.state_of, parts.rounds)
    case: CaseState = CasesView.state_of(row)
    return replace(
        case,
        clocks={clock.key: clock for clock in clocks},
        issued={one.round: one for one in rounds},
    )
