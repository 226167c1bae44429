"""The one scheduler: a view holds the moments that a service waits for, a worker's step fires what is due.

Its cost follows what is due, not what is open: the index on the moment is read from its beginning up to now. After a
downtime it catches up. It is idempotent as far as the decisions are: a view may lag, so that a row is read again whose
decision was made already, and the decision then finds nothing to do.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, and_, or_, select

from shared.database.columns import MomentColumn
from shared.readmodels.rows import Row
from shared.readmodels.store import ViewStore
from shared.readmodels.view import View

AT_ONCE = 500
"""How many due rows are read at once."""


class Timers(View):
    """Moments that a service waits for: subclasses put a row while there is something to wait for, and drop it."""

    by: ClassVar[str] = "due_at"
    """The column of the moment; on rows without one nothing is due."""
    nullable: ClassVar[bool] = False

    @classmethod
    def columns(cls) -> list[Column[Any]]:
        """The moment, by index, and what is due then."""
        moment: Column[Any] = Column(cls.by, MomentColumn, nullable=cls.nullable, info={"index": True})
        return [moment, *cls.what()]

    @classmethod
    def what(cls) -> Sequence[Column[Any]]:
        """The columns that say what is due."""
        raise NotImplementedError


def fire_due(
    views: ViewStore,
    view: type[View],
    now: datetime,
    fire: Callable[[Sequence[Row]], bool],
    *,
    by: str = "due_at",
    read: Sequence[str] = (),
    to_the_end: bool = False,
) -> bool:
    """Fire what is due by ``now``, the longest past first; whether anything was fired.

    ``fire`` gets batches of rows, of which only ``id``, the moment ``by`` and the columns in ``read`` are read, and
    says whether any had something to do. One call ends with the first batch that had, so that a backlog does not keep
    a worker's other steps waiting, unless it is to go on ``to_the_end``.
    """
    fired = False
    for batch in _due(views, view.name, now, by, read):
        fired = fire(batch) or fired
        if fired and not to_the_end:
            break
    return fired


def _due(views: ViewStore, name: str, now: datetime, by: str, read: Sequence[str]) -> Iterator[Sequence[Row]]:
    last: Row | None = None
    while True:
        with views.reading() as connection:
            timers = views.table(connection, name)
            moment, key = timers.c[by], timers.c.id
            query = select(key, moment, *(timers.c[column] for column in read)).where(moment <= now)
            if last is not None:
                beyond = and_(moment == last[by], key > last["id"])
                query = query.where(moment >= last[by], or_(moment > last[by], beyond))
            found = connection.execute(query.order_by(moment, key).limit(AT_ONCE)).mappings().all()
        rows = [dict(row) for row in found]
        if rows:
            yield rows
        if len(rows) < AT_ONCE:
            return
        last = rows[-1]
