"""A service's read models: read, kept up to date, rebuilt.

A view has a version. A new version, or a rebuild, is built beside the live one from the whole log and then swapped in.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Table

from shared.database.engine import execute_on
from shared.database.postgres import TIMEOUT
from shared.domain.clock import Clock
from shared.events.base import VOCABULARY
from shared.messaging import inbox_store
from shared.messaging.batch import Position
from shared.messaging.inbox_store import ConcurrencyConflict
from shared.messaging.parked import Parked
from shared.messaging.transport import Follower
from shared.process import logs
from shared.readmodels.building import Building, Difference
from shared.readmodels.building import compare as compare_tables
from shared.readmodels.projector import Projector
from shared.readmodels.store import CONSUMER, ViewStore
from shared.readmodels.view import View

log = logs.log("views")


class Views(ViewStore):
    """A service's read models in one database, with the projector that keeps them up to date."""

    def __init__(
        self,
        place: str | Path,
        views: Sequence[View],
        clock: Clock,
        *,
        timeout: float = TIMEOUT,
        pool_size: int = 5,
    ) -> None:
        super().__init__(place, views, timeout, pool_size)
        self.clock = clock
        self._projector = Projector(self, clock)

    def position_of(self, source: str, partition: int) -> Position:
        """The stored position from which the follower starts."""
        with self.reading() as connection:
            return self._projector.inbox.begin(execute_on(connection), source, partition)

    def project(self, follower: Follower) -> bool:
        """Fold the next batches into the views; whether there were any. Raises ConsumerStopped."""
        try:
            batches = follower.poll(self.position_of)
            if batches:
                self._projector.fold(batches)
            for batch in batches:
                follower.handled(batch)
        except ConcurrencyConflict:
            self._restart(follower)
            return True
        except BaseException:
            self._restart(follower)
            raise
        if self._projector.retry.due():
            handled, remaining = self.retry_parked()
            self._projector.retry.tried(handled, remaining)
        return bool(batches)

    def _restart(self, follower: Follower) -> None:
        self._projector.inbox.forget()
        follower.rewind()

    def retry_parked(self) -> tuple[int, int]:
        """Retry parked messages in order; how many were folded and how many remain.

        After the first failure the rest of that aggregate remains parked. Gaps are not closed here.
        """
        failed: set[tuple[str, str, str]] = set()
        handled = 0
        rows = self.parked()
        for row in sorted(rows, key=lambda row: (row.source, row.partition, row.position)):
            names = [row.handler] if row.handler else list(self.views)
            of_it = {(row.source, row.aggregate_id, name) for name in names}
            if row.kind == "gap" or row.position < 0 or of_it & failed:
                continue
            if self._projector.in_transaction(partial(self._retry_one, row)):
                handled += 1
            else:
                failed |= of_it
        if rows:
            self._projector.inbox.forget()
        return handled, len(rows) - handled

    def discard(self, row: Parked) -> None:
        """Discard a parked message for good. Raises ConcurrencyConflict if it is no longer parked."""
        self._projector.in_transaction(
            lambda connection, _: inbox_store.remove(execute_on(connection), CONSUMER, row)
        )

    def _retry_one(self, row: Parked, connection: Connection, tables: Mapping[str, Table]) -> bool:
        reason = None if row.topic in VOCABULARY else "unknown event"
        for name in [row.handler] if row.handler else tables:
            if reason is None and name in tables and row.topic in self.views[name].handlers:
                origin = (row.source, row.partition)
                reason = self._projector.fold_one(
                    connection, self.views[name], tables[name], origin, row.notification
                )
        execute = execute_on(connection)
        if reason is None:
            inbox_store.remove(execute, CONSUMER, row)
        elif reason != row.reason:
            inbox_store.keep(execute, CONSUMER, replace(row, reason=reason))
        return reason is None

    def build_missing(self, follower: Follower) -> None:
        """Build every view whose current version is not live yet, from the whole log."""
        missing = self.being_built()
        if missing:
            log.info("views_are_built", views=missing)
            self.rebuild(missing, follower)
        self.retire()

    def rebuild(
        self,
        names: Sequence[str],
        follower: Follower,
        *,
        progress: Callable[[int], None] | None = None,
        compare: bool = False,
    ) -> list[Difference]:
        """Build views beside the live ones and swap them in at the same positions.

        ``progress`` gets the number of facts folded so far. With ``compare``, returns the rows that differ. Faulty
        messages are parked. The old tables remain until ``retire``, for readers that have just looked one up. Raises
        LogIncomplete.
        """
        building = Building(self.clock, follower, progress)
        generations: dict[str, int] = {}
        try:
            with self.writer.begin() as connection:
                for name in names:
                    view = self.views[name]
                    generations[name] = self.generations.next_number(connection, view)
                    table = self.generations.add(connection, view, generations[name], live=False)
                    building.add(view, table)
            while building.fold(self.writer.begin) > inbox_store.CHUNK:
                pass  # the live views have moved on
            with self.writer.begin() as connection:
                if self.is_postgres:
                    connection.exec_driver_sql("LOCK TABLE views IN EXCLUSIVE MODE")
                building.fold(lambda: nullcontext(connection))
                building.complete(connection)
                live = self.generations.all_live(connection)
                differences: list[Difference] = []
                for name in names:
                    view = self.views[name]
                    if compare and name in live:
                        beside = self.generations.table(view, generations[name])
                        differences += compare_tables(connection, view, live[name], beside)
                    self.generations.make_live(connection, view, generations[name])
                building.hand_over(connection)
        finally:
            building.close()
        return differences
