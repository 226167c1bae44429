"""Reactions: facts of other services in, own decisions out, each fact once.

A reaction is a method ``when_…_then_…`` and never replays. Its new events and the inbox are saved in one transaction:
a crash repeats a message, never its effect. Messages that arrive together are handled in one transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from eventsourcing.persistence import IntegrityError, Notification

from shared.application.application import Application
from shared.database.execute import Execute
from shared.database.unavailable import UNAVAILABLE
from shared.domain.aggregate import SUITE_UNIT, Aggregate, CommandContext
from shared.domain.refusal import Refusal
from shared.events.base import VOCABULARY, Actor, Message
from shared.log.codec import EventTooLarge, read
from shared.log.recorder import First
from shared.messaging import inbox_store
from shared.messaging.batch import Batch, Position, portions
from shared.messaging.handlers import handlers_of, sources_of
from shared.messaging.inbox import Inbox
from shared.messaging.inbox_store import ConcurrencyConflict
from shared.messaging.parked import TOO_MANY_IN_A_ROW, Backoff, ConsumerStopped, Kind, Parked, parked_from
from shared.messaging.receipt import Receipt
from shared.messaging.transport import Follower
from shared.process.metrics import count

A = TypeVar("A", bound=Aggregate)
App = TypeVar("App", bound=Application)

CONSUMER = "react"
RETRY_SECONDS = 0.1
"""Seconds until the first retry of parked messages: most wait for a fact of another log that is on its way."""
BATCH = 200
"""Messages in one transaction at most."""
CONFLICTS = 5
"""How often a reaction is decided again after a concurrent write."""


class NotYet(Exception):
    """A reaction needs a fact that has not arrived yet; like a refusal, its message is parked and retried."""


class Reactions(Generic[App]):
    """A service's reactions. Subclasses hold the ``when_…(self, fact: SomeFact, message: Message)`` methods.

    Inside one, ``get`` and ``find`` load own aggregates, ``add`` takes a new one, ``act`` says who and why. Changed
    aggregates are saved after all reactions to the message.
    """

    handlers: ClassVar[dict[str, list[str]]] = {}
    THROUGHPUT_MODE: ClassVar[bool] = False
    """Whether nothing here is urgent: busy sources are then polled less often (decision 8)."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = handlers_of(cls, "when_")

    def __init__(self, app: App) -> None:
        self.app = app
        self._seen: dict[UUID, Aggregate] = {}
        self._in_bulk = False
        self.act: CommandContext

    @property
    def sources(self) -> tuple[str, ...]:
        """The services whose facts are reacted to."""
        return sources_of(self.handlers)

    def is_urgent(self, batch: Batch) -> bool:
        """Whether the batch holds a fact that is reacted to, or one that is no event of this suite."""
        if self.THROUGHPUT_MODE:
            return False
        return any(row.topic in self.handlers or row.topic not in VOCABULARY for row in batch.rows)

    def likely(self, message: Message) -> tuple[type[Aggregate], UUID] | None:
        """The own aggregate that this message probably needs: those of a batch are read together.

        A wrong guess costs time only.
        """
        return None

    def get(self, kind: type[A], id: UUID) -> A:  # noqa: A002
        """An own aggregate, to be changed. Raises NotYet if there is none."""
        found = self.find(kind, id)
        if found is None:
            raise NotYet(f"no {kind.__name__} {id}")
        return found

    def find(self, kind: type[A], id: UUID) -> A | None:  # noqa: A002
        """An own aggregate, to be changed, or None."""
        known = self._seen.get(id)
        if known is None:
            known = self.app.find(kind, id)
            if known is not None:
                self._seen[id] = known
        return known if isinstance(known, kind) else None

    def is_new(self, kind: type[A], id: UUID) -> bool:  # noqa: A002
        """Whether there is no aggregate yet under an id that is derived from this first fact of another one.

        In bulk this is assumed without a query: if the log then refuses a second first event, the messages are handled
        one by one.
        """
        return id not in self._seen and (self._in_bulk or self.find(kind, id) is None)

    def add(self, aggregate: A) -> A:
        """Add a new aggregate, to be saved with the others."""
        self._seen[aggregate.id] = aggregate
        return aggregate

    def react(self, messages: Sequence[Message], *, in_bulk: bool = False) -> list[Aggregate]:
        """Call every reaction to the messages, in order; the changed aggregates, not yet saved."""
        self._seen, self._in_bulk = {}, in_bulk
        now = self.app.clock()  # events of one transaction are recorded at one moment
        with self.app.expecting([*filter(None, map(self.likely, messages))]):
            for message in messages:
                self.act = CommandContext(
                    by=Actor(unit=SUITE_UNIT, post=self.app.name),
                    because=f"event:{message.id}",
                    recorded_at=now,
                    happened_at=message.fact.happened_at,
                )
                for name in self.handlers.get(message.fact.TOPIC, ()):
                    getattr(self, name)(message.fact, message)
        return [aggregate for aggregate in self._seen.values() if aggregate.pending_events]


class Reactor:
    """Consumes the logs that a service reacts to.

    ``snapshot``: a context in which reference data are read from one snapshot.
    """

    def __init__(
        self,
        reactions: Reactions[Any],
        follower: Follower,
        snapshot: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.reactions, self.follower = reactions, follower
        self.app: Application = reactions.app
        self._inbox = Inbox(CONSUMER)
        self._snapshot = snapshot
        self._faults_in_a_row = 0
        self._retry = Backoff(RETRY_SECONDS)

    def position_of(self, source: str, partition: int) -> Position:
        """The stored position from which the follower starts."""
        with self.app.log.reading() as execute:
            return self._inbox.begin(execute, source, partition)

    def parked(self) -> list[Parked]:
        """Messages that could not be handled, with reasons."""
        with self.app.log.reading() as execute:
            return inbox_store.parked(execute, CONSUMER)

    def holes(self) -> list[tuple[str, int, int, int]]:
        """Positions that have not been received: see inbox_store.holes."""
        with self.app.log.reading() as execute:
            return inbox_store.holes(execute, CONSUMER)

    def step(self) -> bool:
        """Handle the next batches; whether there were any. Raises ConsumerStopped."""
        try:
            batches = self.follower.poll(self.position_of)
            self.handle(batches)
            for batch in batches:
                self.follower.handled(batch)
        except ConcurrencyConflict:
            self.begin_again()
            return True
        except BaseException:
            self.begin_again()
            raise
        if self._retry.due():
            self._retry.tried(*self.retry_parked())
        return bool(batches)

    def begin_again(self) -> None:
        """Discard the cached inbox and follow from the stored positions."""
        self._inbox.forget()
        self.follower.rewind()

    def handle(self, batches: Sequence[Batch]) -> None:
        """Handle batches in order; duplicates have no effect. Raises ConcurrencyConflict, ConsumerStopped."""
        for portion in portions(batches, BATCH):
            if self._all_at_once(portion):
                continue
            for batch in portion:
                self._one_by_one(batch)

    def _receive(self, batches: Sequence[Batch]) -> list[Receipt]:
        with self.app.log.reading() as execute:
            return self._inbox.receive(execute, batches)

    def _accept(self, receipt: Receipt, batch: Batch) -> Iterator[Notification]:
        """The messages to react to now."""
        for message in receipt.accept(batch, self.app.clock()):
            if message.topic in VOCABULARY and message.topic not in self.reactions.handlers:
                continue
            if str(message.originator_id) in receipt.blocked():
                self._park(receipt, message, "behind", "an earlier fact of the same aggregate is parked")
                continue
            yield message

    def _park(self, receipt: Receipt, message: Notification, kind: Kind, reason: str) -> None:
        receipt.park(parked_from(receipt.origin, message, kind, reason, self.app.clock()))

    def _all_at_once(self, batches: Sequence[Batch]) -> bool:
        """Handle all of it in one transaction; False if that failed and nothing was saved."""
        receipts = self._receive(batches)
        try:
            messages = [
                read(*receipt.origin, message)
                for receipt, batch in zip(receipts, batches, strict=True)
                for message in self._accept(receipt, batch)
            ]
            with self._snapshot():
                changed = self.reactions.react(messages, in_bulk=True)
            self._save(receipts, changed)
        except (*UNAVAILABLE, ConcurrencyConflict):
            raise
        except Exception:  # noqa: BLE001 - it is raised again for its message alone
            self._inbox.forget()
            return False
        if messages:
            self._faults_in_a_row = 0
        return True

    def _save(self, receipts: Sequence[Receipt], changed: Sequence[Aggregate]) -> None:
        if any(receipt.changed for receipt in receipts):
            self.app.save_with(partial(inbox_store.save, receipts=receipts), changed)
        for receipt in receipts:
            self._saved(receipt)

    def _saved(self, receipt: Receipt) -> None:
        count(CONSUMER, receipt.source, receipt.saved())
        if receipt.parked:
            self._retry.wanted()

    def _one_by_one(self, batch: Batch) -> None:
        """Handle each message in its own transaction, so that only faulty ones are parked."""
        [receipt] = self._receive([batch])
        for message in self._accept(receipt, batch):
            failed = self._react(receipt.origin, message, partial(inbox_store.save, receipts=[receipt]))
            if failed is None:
                self._saved(receipt)
                self._faults_in_a_row = 0
                continue
            self._park(receipt, message, *failed)
            if failed[0] == "fault":
                self._faults_in_a_row += 1
            if self._faults_in_a_row >= TOO_MANY_IN_A_ROW:
                self._save([receipt], [])
                raise ConsumerStopped(number=self._faults_in_a_row, reason=failed[1])
        self._save([receipt], [])

    def _react(self, origin: tuple[str, int], message: Notification, first: First) -> tuple[Kind, str] | None:
        """Handle one message; None, or why it must be parked. Raises ConcurrencyConflict, UNAVAILABLE."""
        for _ in range(CONFLICTS):
            try:
                with self._snapshot():
                    changed = self.reactions.react([read(*origin, message)])
            except UNAVAILABLE:
                raise
            except (NotYet, Refusal) as error:
                return "waiting", f"{type(error).__name__}: {error}"
            except Exception as error:  # noqa: BLE001 - the message is parked with the reason
                return "fault", f"{type(error).__name__}: {error}"
            try:
                self.app.save_with(first, changed)
                return None
            except ConcurrencyConflict:
                raise
            except IntegrityError:
                continue  # an aggregate was changed concurrently: decide again
            except EventTooLarge as error:
                return "fault", f"{type(error).__name__}: {error}"
        return "waiting", "an aggregate kept being changed by others"

    def retry_parked(self) -> tuple[int, int]:
        """Retry parked messages in order; how many were handled and how many remain.

        After the first failure the rest of that aggregate remains parked. Gaps are not closed here.
        """
        healed, failed = 0, set[tuple[str, str]]()
        rows = self.parked()
        for row in rows:
            if row.kind == "gap" or row.position < 0 or (row.source, row.aggregate_id) in failed:
                continue
            try:
                reason = self._react((row.source, row.partition), row.notification, partial(_unpark, row))
            except ConcurrencyConflict:
                continue  # another worker has handled it
            if reason is None:
                healed += 1
                continue
            failed.add((row.source, row.aggregate_id))
            if reason != (row.kind, row.reason):
                self.app.save_with(partial(_keep, replace(row, kind=reason[0], reason=reason[1])))
        if rows:
            self._inbox.forget()
        return healed, len(rows) - healed

    def discard(self, row: Parked) -> None:
        """Discard a parked message for good. Raises ConcurrencyConflict if it is no longer parked."""
        self.app.save_with(partial(_unpark, row))


def _unpark(row: Parked, execute: Execute) -> None:
    inbox_store.remove(execute, CONSUMER, row)


def _keep(row: Parked, execute: Execute) -> None:
    inbox_store.keep(execute, CONSUMER, row)
