"""A worker with a deliberate defect: ``python -m tests.faults.defective SERVICE ROLE``, which FAULTS_… variables name.

The product has no switch for any of this: the engine is changed from outside, and then the role's own main runs.

- FAULTS_MARK=later | earlier: the inbox is written in a transaction of its own, after that of the effect or before it.
- FAULTS_DIE=PATH: ``kill -9`` of itself between the two (without FAULTS_MARK: before the only one), once: PATH, which
  is made then, does not exist yet. Only if the effect is that of a task reassigned, which it would be wrong to repeat.
- FAULTS_STOP=read | written: SIGSTOP of itself with such an effect in hand, before its transaction or at the end of it.
- FAULTS_DROP=ID: the relay does not send the event with this CloudEvents id and takes it for acknowledged.
- FAULTS_BUG=AGGREGATE: what handles a fact of this aggregate raises an exception.
- FAULTS_UNKNOWN=TOPIC: this event is not in the vocabulary.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eventsourcing.persistence import Notification
from sqlalchemy import Connection

from shared import rulebook
from shared.application.application import Application
from shared.database.engine import execute_on
from shared.database.execute import Execute
from shared.domain.aggregate import Aggregate
from shared.events.base import VOCABULARY, Message
from shared.log.recorder import First
from shared.messaging import inbox_store
from shared.messaging.batch import Batch
from shared.messaging.reactions import Reactions
from shared.messaging.receipt import Receipt
from shared.messaging.transport.kafka.publisher import KafkaPublisher
from shared.readmodels.projector import Folding, Projector
from shared.readmodels.rows import Rows
from shared.readmodels.view import View
from shared.runtime.roles import main
from shared.runtime.service import Service

MARK = os.environ.get("FAULTS_MARK")
DIE = os.environ.get("FAULTS_DIE")
STOP = os.environ.get("FAULTS_STOP")
DROP = os.environ.get("FAULTS_DROP")
BUG = os.environ.get("FAULTS_BUG")
UNKNOWN = os.environ.get("FAULTS_UNKNOWN")

REASSIGNED = "supervision.custody_moved"
"""What a reassigned task leads to: neither the reaction to it nor its fold may happen twice."""


def die() -> None:
    """Once."""
    if DIE is not None and not Path(DIE).exists():
        Path(DIE).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def stop(where: str) -> None:
    """Once, until SIGCONT."""
    global STOP
    if where == STOP:
        STOP = None
        os.kill(os.getpid(), signal.SIGSTOP)


# --- reactions -------------------------------------------------------------------------------------------

save_with = Application.save_with


def save_with_a_defect(self: Application, first: First, aggregates: Sequence[Aggregate] = ()) -> None:
    """In place of Application.save_with."""
    if not any(event.TOPIC == REASSIGNED for one in aggregates for event in one.pending_events):
        save_with(self, first, aggregates)
        return
    stop("read")
    if MARK == "later":
        save_with(self, lambda execute: None, aggregates)
        die()
        save_with(self, first)
    elif MARK == "earlier":
        save_with(self, first)
        die()
        save_with(self, lambda execute: None, aggregates)
    else:
        die()
        save_with(self, lambda execute: _and_stop(first, execute), aggregates)


def _and_stop(first: First, execute: Execute) -> None:
    first(execute)
    stop("written")


# --- views -----------------------------------------------------------------------------------------------

fold = Projector._fold
in_transaction = Projector.in_transaction
save = inbox_store.save
held: list[Receipt] = []
special = False
"""Whether the batches in hand hold a task reassigned."""


def fold_with_a_defect(self: Projector, batches: Sequence[Batch], how: Folding) -> None:
    """In place of Projector._fold."""
    global special
    special = any(row.topic == REASSIGNED for batch in batches for row in batch.rows)

    def folding(
        connection: Connection, accepted: Sequence[tuple[Receipt, Notification]], tables: Any
    ) -> list[Rows]:
        if special and MARK == "earlier":
            with self._store.writer.begin() as before:
                save(execute_on(before), [receipt for receipt, _ in accepted])
            die()
        folded = how(connection, accepted, tables)
        if special and MARK is None:
            die()
            for rows in folded:
                rows.flush()  # what is flushed again afterwards is nothing
            stop("written")
        return folded

    if special:
        stop("read")
    fold(self, batches, folding)


def save_later(execute: Execute, receipts: Sequence[Receipt]) -> None:
    """In place of inbox_store.save: nothing is written with the view."""
    held.extend(receipts)


def save_nothing(execute: Execute, receipts: Sequence[Receipt]) -> None:
    """In place of inbox_store.save: it has been written already."""
    if not special:
        save(execute, receipts)


def in_two_transactions(self: Projector, work: Callable[..., Any], *tries: int) -> Any:
    """In place of Projector.in_transaction."""
    held.clear()
    result = in_transaction(self, work, *tries)
    if held:
        if special:
            die()
        with self._store.writer.begin() as connection:
            save(execute_on(connection), held)
    return result


# --- the rest --------------------------------------------------------------------------------------------


class _Acknowledged:
    """What the producer gives for a message that it has not sent."""

    def succeeded(self) -> bool:
        """At once."""
        return True


send = KafkaPublisher.send


def send_all_but_one(self: KafkaPublisher, row: Notification, partition: int, sent: str) -> Any:
    """In place of KafkaPublisher.send."""
    if f"{self._service}/{row.originator_id}/{row.originator_version}" == DROP:
        return _Acknowledged()
    return send(self, row, partition, sent)


react, fold_one = Reactions.react, View.fold


def _check(message: Message) -> None:
    if str(message.aggregate_id) == BUG:
        raise RuntimeError("a bug that concerns one aggregate")


def react_with_a_bug(
    self: Reactions[Any], messages: Sequence[Message], *, in_bulk: bool = False
) -> list[Aggregate]:
    """In place of Reactions.react."""
    for message in messages:
        _check(message)
    return react(self, messages, in_bulk=in_bulk)


def fold_with_a_bug(self: View, rows: Rows, message: Message) -> None:
    """In place of View.fold."""
    _check(message)
    fold_one(self, rows, message)


def install(role: str) -> None:
    """Put the defects that the environment names in place of the engine's own."""
    if MARK or DIE or STOP:
        Application.save_with = save_with_a_defect  # type: ignore[method-assign]
        Projector._fold = fold_with_a_defect  # type: ignore[method-assign]
    if role == "project" and MARK == "later":
        inbox_store.save = save_later  # type: ignore[assignment]
        Projector.in_transaction = in_two_transactions  # type: ignore[method-assign]
    if role == "project" and MARK == "earlier":
        inbox_store.save = save_nothing  # type: ignore[assignment]
    if DROP:
        KafkaPublisher.send = send_all_but_one  # type: ignore[method-assign]
    if BUG:
        Reactions.react = react_with_a_bug  # type: ignore[method-assign]
        View.fold = fold_with_a_bug  # type: ignore[method-assign]
    if UNKNOWN:
        rulebook.VOCABULARY = dict(VOCABULARY)  # which may name it
        del VOCABULARY[UNKNOWN]


if __name__ == "__main__":
    name = sys.argv.pop(1)
    service: Service = importlib.import_module(f"services.{name}.__main__").SERVICE
    install(sys.argv[1])
    main(service)
