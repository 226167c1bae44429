"""Folding received facts into the read models."""

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
"""Seconds until the first retry of parked messages."""
ATTEMPTS = 20
"""Attempts at a single message whose transaction conflicts with another worker's. A conflicting batch is halved:
shorter transactions conflict less."""
SERIALIZATION_ERRORS = ("40001", "40P01")
"""SQLSTATE of a serialization failure and of a deadlock: the transaction must be retried."""
DATABASE_ERRORS = (OperationalError, psycopg.OperationalError)
"""The database is unavailable or the transaction conflicts: SQLAlchemy's exception and the driver's."""
T = TypeVar("T")
Folding = Callable[[Connection, Sequence[tuple[Receipt, Notification]], Mapping[str, Table]], list[Rows]]


class Projector:
    """Folds batches into the views: rows, received versions and positions in one transaction."""

    def __init__(self, store: ViewStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        # On PostgreSQL BEGIN is pipelined with the first statements: the driver would wait for its own.
        self._engine = store.writer.execution_options(
            **({"isolation_level": "AUTOCOMMIT"} if store.is_postgres else {})
        )
        self.inbox = Inbox(CONSUMER)
        self.retry = Backoff(RETRY_SECONDS)
        self._folded_into: Mapping[str, Table] = {}
        self._faults_in_a_row, self._last_fault = 0, ""

    def fold(self, batches: Sequence[Batch]) -> None:
        """Fold batches; rows and inbox in one transaction. Raises ConcurrencyConflict, ConsumerStopped."""
        try:
            self._fold(batches, self._fold_in_bulk)
        except (*UNAVAILABLE, ConcurrencyConflict):
            raise  # not a fault of the batch: the worker retries
        except Exception:  # noqa: BLE001 - the faulty message is found below and parked
            self.inbox.forget()
            for batch in batches:
                self._fold([batch], self._fold_one_by_one)
        if self._faults_in_a_row >= TOO_MANY_IN_A_ROW:
            raise ConsumerStopped(number=self._faults_in_a_row, reason=self._last_fault)

    def _fold(self, batches: Sequence[Batch], how: Folding) -> None:
        number = sum(len(batch.rows) for batch in batches)
        try:
            receipts = self.in_transaction(
                partial(self._fold_in, batches, how), ATTEMPTS if number == 1 else 1
            )
        except DATABASE_ERRORS as error:
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
        self, work: Callable[[Connection, Mapping[str, Table]], T], tries: int = ATTEMPTS
    ) -> T:
        """Run ``work`` in a transaction, again after a serialization failure."""
        for attempt in range(tries):
            try:
                with self._engine.begin() as connection:
                    return work(connection, self._begin(connection))
            except DATABASE_ERRORS as error:
                if attempt == tries - 1 or not _is_conflict(error):
                    raise
                self.inbox.forget()  # the batch will be accepted again
        raise AssertionError("unreachable")

    def _begin(self, connection: Connection) -> dict[str, Table]:
        with pipelined(connection) as execute:
            if self._store.is_postgres:
                # Two workers may fold into the same row: after a serialization failure one of them retries.
                execute("BEGIN ISOLATION LEVEL SERIALIZABLE", ())
                execute(
                    "LOCK TABLE views IN ROW SHARE MODE", ()
                )  # the swap after a rebuild waits for this transaction
            live = execute(LIVE, ())
        return self._store.generations.tables(live)

    def _fold_in(
        self,
        batches: Sequence[Batch],
        how: Folding,
        connection: Connection,
        tables: Mapping[str, Table],
    ) -> list[Receipt]:
        if tables != self._folded_into:  # a rebuild has also written the parked messages of its view
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
                execute("COMMIT", ())  # in the same pipeline; the driver's COMMIT then does nothing
        return receipts

    def _fold_in_bulk(
        self,
        connection: Connection,
        accepted: Sequence[tuple[Receipt, Notification]],
        tables: Mapping[str, Table],
    ) -> list[Rows]:
        """Fold all in memory; the rows, not yet written. An exception undoes all of it."""
        decoded: dict[int, Message] = {}
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
                if at not in decoded:
                    decoded[at] = read(receipt.source, receipt.partition, message)
                messages.append(decoded[at])
            if len(messages) > 1:
                rows.expect({view.row_id(message) for message in messages})
            for found in messages:
                view.fold(rows, found)
            folded.append(rows)
        if decoded:
            self._faults_in_a_row = 0
        return folded

    def _fold_one_by_one(
        self,
        connection: Connection,
        accepted: Sequence[tuple[Receipt, Notification]],
        tables: Mapping[str, Table],
    ) -> list[Rows]:
        """Fold each message into each view by itself, so that only faulty ones are parked."""
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
                self._faults_in_a_row, self._last_fault = self._faults_in_a_row + 1, reason
                receipt.park(parked_from(receipt.origin, message, "fault", reason, self._clock(), name))
        return []

    def fold_one(
        self, connection: Connection, view: View, table: Table, origin: tuple[str, int], message: Notification
    ) -> str | None:
        """Fold one message into one view; None, or why it must be parked."""
        try:
            with connection.begin_nested():
                rows = Rows(connection, table, {}, complete=False)
                view.fold(rows, read(*origin, message))
                rows.flush()
        except DATABASE_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - the message is parked with the reason
            return f"{type(error).__name__}: {error}"
        return None


def _is_conflict(error: Exception) -> bool:
    return getattr(getattr(error, "orig", error), "sqlstate", None) in SERIALIZATION_ERRORS


def parked_behind(receipt: Receipt, message: Notification, handler: str, now: datetime) -> Parked:
    return parked_from(
        receipt.origin, message, "behind", "an earlier fact of the same aggregate is parked", now, handler
    )
