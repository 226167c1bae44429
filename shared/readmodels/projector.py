"""Folds what a consumer has received into the read models."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import psycopg
from eventsourcing.persistence import Notification
from sqlalchemy import Connection, Table
from sqlalchemy.exc import OperationalError

from shared.database.engine import execute_on, pipelined
from shared.database.unavailable import UNAVAILABLE
from shared.domain.clock import Clock
from shared.events.base import VOCABULARY, Message
from shared.log.codec import read
from shared.messaging import inbox_store
from shared.messaging.batch import Batch, portions
from shared.messaging.inbox import Inbox
from shared.messaging.inbox_store import ConcurrencyConflict
from shared.messaging.parked import TOO_MANY_IN_A_ROW, Backoff, ConsumerStopped, Parked, parked_from
from shared.messaging.receipt import Receipt
from shared.process.metrics import count
from shared.readmodels.generations import LIVE
from shared.readmodels.rows import Rows
from shared.readmodels.store import CONSUMER, ViewStore
from shared.readmodels.view import View

RETRY_SECONDS = 5.0
"""Seconds after which parked messages are tried again at first."""
CONFLICTS = 20
"""How often a message is folded anew when another worker folded into the same rows. Of several, the halves are tried
one after the other: the shorter a transaction, the less it meets."""
CONFLICT = ("40001", "40P01")
"""SQLSTATE: of two transactions that cannot be put in an order, or wait for each other, this one is to begin again."""
LOST = (OperationalError, psycopg.OperationalError)
"""The database is away, or another transaction came first: by SQLAlchemy's name, or by the driver's own."""
T = TypeVar("T")
Folding = Callable[[Connection, Sequence[tuple[Receipt, Notification]], Mapping[str, Table]], list[Rows]]


class Projector:
    """Folds batches into the views: rows, received versions and positions in one transaction."""

    def __init__(self, store: ViewStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        # On PostgreSQL the BEGIN is ours, sent with the first statements: the driver would wait for its own.
        self._engine = store.writer.execution_options(
            **({"isolation_level": "AUTOCOMMIT"} if store.is_postgres else {})
        )
        self.inbox = Inbox(CONSUMER)
        self.retry = Backoff(RETRY_SECONDS)
        self._folded_into: Mapping[str, Table] = {}
        self._faults_in_a_row = 0

    def fold(self, batches: Sequence[Batch]) -> None:
        """Fold batches: rows, received versions and marks in one transaction.

        Raises ConcurrencyConflict if another worker folds them, ConsumerStopped.
        """
        try:
            self._fold(batches, self._fold_quickly)
        except (*UNAVAILABLE, ConcurrencyConflict):
            raise  # the database's trouble, not the batch's: the worker tries again
        except Exception:  # noqa: BLE001 - whatever a fold raises is found and parked with its message
            self.inbox.forget()
            for batch in batches:
                self._fold([batch], self._fold_one_by_one)
        if self._faults_in_a_row >= TOO_MANY_IN_A_ROW:
            raise ConsumerStopped(f"{self._faults_in_a_row} messages in a row could not be folded")

    def _fold(self, batches: Sequence[Batch], how: Folding) -> None:
        number = sum(len(batch.rows) for batch in batches)
        try:
            receipts = self.in_transaction(
                partial(self._fold_in, batches, how), CONFLICTS if number == 1 else 1
            )
        except LOST as error:
            if number == 1 or not _is_conflict(error):
                raise
            self.inbox.forget()
            for portion in portions(batches, (number + 1) // 2):
                self._fold(portion, how)
            return
        for receipt in receipts:
            count(CONSUMER, receipt.source, receipt.saved())
            if receipt.parked:
                self.retry.wanted()

    def in_transaction(
        self, work: Callable[[Connection, Mapping[str, Table]], T], tries: int = CONFLICTS
    ) -> T:
        """Do this in a transaction, again after a conflict with another one."""
        for attempt in range(tries):
            try:
                with self._engine.begin() as connection:
                    return work(connection, self._tables_to_fold_into(connection))
            except LOST as error:
                if attempt == tries - 1 or not _is_conflict(error):
                    raise
                self.inbox.forget()  # what was accepted is to be accepted again
        raise AssertionError("unreachable")

    def _tables_to_fold_into(self, connection: Connection) -> dict[str, Table]:
        with pipelined(connection) as execute:
            if self._store.is_postgres:
                # Two workers may fold into one row: of two that cannot be put in an order, one begins again.
                execute("BEGIN ISOLATION LEVEL SERIALIZABLE", ())
                execute("LOCK TABLE views IN ROW SHARE MODE", ())  # a swap waits for us
            live = execute(LIVE, ())
        return self._store.generations.tables(live)

    def _fold_in(
        self,
        batches: Sequence[Batch],
        how: Folding,
        connection: Connection,
        tables: Mapping[str, Table],
    ) -> list[Receipt]:
        if tables != self._folded_into:  # a rebuild has also written which messages of its view are parked
            self.inbox.forget()
            self._folded_into = tables
        execute = execute_on(connection)
        receipts = self.inbox.receive(execute, batches)
        accepted: list[tuple[Receipt, Notification]] = []
        for receipt, batch in zip(receipts, batches, strict=True):
            for message in receipt.accept(batch, self._clock()):
                if message.topic in VOCABULARY:
                    accepted.append((receipt, message))
                else:
                    receipt.park(
                        parked_from(receipt.origin, message, "fault", "unknown event", self._clock())
                    )
        sources = {batch.source for batch in batches}
        folded = how(
            connection,
            accepted,
            {
                name: tables[name]
                for name, view in self._store.views.items()
                if name in tables and sources.intersection(view.sources)
            },
        )
        with pipelined(connection) as execute:
            for rows in folded:
                rows.flush()
            inbox_store.save(execute, receipts)
            if self._store.is_postgres:
                execute("COMMIT", ())  # here, with the rest: what comes later then has nothing to do
        return receipts

    def _fold_quickly(
        self,
        connection: Connection,
        accepted: Sequence[tuple[Receipt, Notification]],
        tables: Mapping[str, Table],
    ) -> list[Rows]:
        """All of it in memory; the rows, not yet written. Any exception undoes it all."""
        read_once: dict[int, Message] = {}
        folded = []
        receipts = dict.fromkeys(receipt for receipt, _ in accepted)
        for name, table in tables.items():
            view = self._store.views[name]
            rows = Rows(connection, table, {}, complete=False)
            blocked = {receipt: ids for receipt in receipts if (ids := receipt.blocked(name))}
            messages = []
            for at, (receipt, message) in enumerate(accepted):
                if message.topic not in view.handlers:
                    continue
                if blocked and str(message.originator_id) in blocked.get(receipt, ()):
                    receipt.park(parked_behind(receipt, message, name, self._clock()))
                    continue
                if at not in read_once:
                    read_once[at] = read(receipt.source, receipt.partition, message)
                messages.append(read_once[at])
            if len(messages) > 1:
                rows.expect({view.row_id(message) for message in messages})
            for found in messages:
                view.fold(rows, found)
            folded.append(rows)
        if read_once:
            self._faults_in_a_row = 0
        return folded

    def _fold_one_by_one(
        self,
        connection: Connection,
        accepted: Sequence[tuple[Receipt, Notification]],
        tables: Mapping[str, Table],
    ) -> list[Rows]:
        """Message by message and view by view, so that what cannot be folded is parked and nothing else."""
        for receipt, message in accepted:
            for name, table in tables.items():
                if message.topic not in self._store.views[name].handlers:
                    continue
                if str(message.originator_id) in receipt.blocked(name):
                    receipt.park(parked_behind(receipt, message, name, self._clock()))
                    continue
                reason = self.fold_one(connection, self._store.views[name], table, receipt.origin, message)
                if reason is None:
                    self._faults_in_a_row = 0
                    continue
                self._faults_in_a_row += 1
                receipt.park(parked_from(receipt.origin, message, "fault", reason, self._clock(), name))
        return []

    def fold_one(
        self, connection: Connection, view: View, table: Table, origin: tuple[str, int], message: Notification
    ) -> str | None:
        """Fold one message into one view; why it cannot be, or None."""
        try:
            with connection.begin_nested():
                rows = Rows(connection, table, {}, complete=False)
                view.fold(rows, read(*origin, message))
                rows.flush()
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a fold raises, its message is parked with it
            return f"{type(error).__name__}: {error}"
        return None


def _is_conflict(error: Exception) -> bool:
    return getattr(getattr(error, "orig", error), "sqlstate", None) in CONFLICT


def parked_behind(receipt: Receipt, message: Notification, handler: str, now: datetime) -> Parked:
    return parked_from(
        receipt.origin, message, "behind", "an earlier fact of the same aggregate is parked", now, handler
    )
