"""The engine of reactions: facts of other services in, own decisions out, each fact once.

A reaction is a sentence, ``when_…_then_…``, and never replays. Its new events and its mark are saved in one
transaction, so that a crash repeats a message but never its effect.
"""

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from eventsourcing.persistence import IntegrityError, Notification

from shared import inbox
from shared.aggregate import SUITE_UNIT, Act, Aggregate
from shared.application import Application
from shared.events.base import VOCABULARY, Actor, Message
from shared.handlers import handlers_of, sources_of
from shared.inbox import (
    TOO_MANY_IN_A_ROW,
    Backoff,
    Batch,
    ConsumerStopped,
    Execute,
    Kind,
    Mark,
    Overtaken,
    Parked,
    Receipt,
    parked_from,
)
from shared.metrics import DUPLICATES, HANDLED
from shared.recorder import First
from shared.refusal import Refusal
from shared.transport import Follower
from shared.trouble import TROUBLE
from shared.wire import read

A = TypeVar("A", bound=Aggregate)
App = TypeVar("App", bound=Application)

CONSUMER = "react"
RETRY_SECONDS = 0.1
"""Seconds after which parked messages are tried again at first: most wait for what is on its way in another log."""
CONFLICTS = 5
"""How often a reaction is decided anew when somebody else wrote first."""


class NotYet(Exception):
    """A reaction needs something that has not arrived; like a refusal, it is tried again and again."""


class Reactions(Generic[App]):
    """A service's reactions. Subclasses hold the ``when_…(self, fact: SomeFact, message: Message)`` methods.

    Inside one, ``get`` and ``find`` load own aggregates, ``add`` takes a new one, ``act`` says who and why;
    everything that changed is saved when all reactions to the message are done.
    """

    handlers: ClassVar[dict[str, list[str]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = handlers_of(cls, "when_")

    def __init__(self, app: App) -> None:
        self.app = app
        self._seen: dict[UUID, Aggregate] = {}
        self.act: Act

    @property
    def sources(self) -> tuple[str, ...]:
        """The services whose facts are reacted to."""
        return sources_of(self.handlers)

    def get(self, kind: type[A], id: UUID) -> A:  # noqa: A002
        """The own aggregate, to be changed. Raises NotYet if there is none."""
        found = self.find(kind, id)
        if found is None:
            raise NotYet(f"no {kind.__name__} {id}")
        return found

    def find(self, kind: type[A], id: UUID) -> A | None:  # noqa: A002
        """The own aggregate, to be changed, or None."""
        known = self._seen.get(id)
        if known is None:
            known = self.app.find(kind, id)
            if known is not None:
                self._seen[id] = known
        return known if isinstance(known, kind) else None

    def add(self, aggregate: A) -> A:
        """A new aggregate, to be saved with the rest."""
        self._seen[aggregate.id] = aggregate
        return aggregate

    def react(self, message: Message) -> list[Aggregate]:
        """Call every reaction to the message; the aggregates they changed, not yet saved."""
        self._seen = {}
        self.act = Act(
            by=Actor(unit=SUITE_UNIT, post=self.app.name),
            because=f"event:{message.id}",
            recorded_at=self.app.clock(),
            happened_at=message.fact.happened_at,
        )
        for name in self.handlers.get(message.fact.TOPIC, ()):
            getattr(self, name)(message.fact, message)
        return [aggregate for aggregate in self._seen.values() if aggregate.pending_events]


class Reactor:
    """Follows the logs that a service reacts to."""

    def __init__(self, reactions: Reactions[Any], follower: Follower) -> None:
        self.reactions, self.follower = reactions, follower
        self.app: Application = reactions.app
        self._faults_in_a_row = 0
        self._retry = Backoff(RETRY_SECONDS)

    def mark_of(self, source: str, partition: int) -> Mark:
        """How far the reactions have come."""
        with self.app.log.reading() as execute:
            return inbox.mark_of(execute, CONSUMER, source, partition)

    def parked(self) -> list[Parked]:
        """Messages that could not be handled yet, with reasons."""
        with self.app.log.reading() as execute:
            return inbox.parked(execute, CONSUMER)

    def holes(self) -> list[tuple[str, int, int, int]]:
        """Positions that have not been received though later ones have: see inbox.holes."""
        with self.app.log.reading() as execute:
            return inbox.holes(execute, CONSUMER)

    def step(self) -> bool:
        """Handle what has come; whether there was anything. Raises ConsumerStopped."""
        try:
            batches = self.follower.poll(self.mark_of)
            for batch in batches:
                self.handle(batch)
                self.follower.handled(batch)
        except Overtaken:
            self.follower.rewind()
            return True
        except BaseException:
            self.follower.rewind()
            raise
        if self._retry.due():
            self._retry.tried(*self.retry_parked())
        return bool(batches)

    def handle(self, batch: Batch) -> None:
        """Handle a batch in order; what was delivered before has no effect.

        Raises Overtaken if another worker handles it, ConsumerStopped.
        """
        with self.app.log.reading() as execute:
            receipt = inbox.receive(execute, CONSUMER, batch, self.app.clock())
        for message in receipt.accept():
            if message.topic in VOCABULARY and message.topic not in self.reactions.handlers:
                continue
            if str(message.originator_id) in receipt.blocked():
                self._park(receipt, message, "behind", "an earlier fact of the same aggregate is parked")
                continue
            failed = self._handle(receipt, message)
            if failed is None:
                self._faults_in_a_row = 0
                continue
            self._park(receipt, message, *failed)
            if failed[0] == "fault":
                self._faults_in_a_row += 1
            if self._faults_in_a_row >= TOO_MANY_IN_A_ROW:
                raise ConsumerStopped(
                    f"{self.app.name}: {self._faults_in_a_row} messages in a row, last: {failed[1]}"
                )
        if receipt.changed:
            self.app.save_with(receipt.save)
            receipt.saved()
        if receipt.parked:
            self._retry.wanted()
        DUPLICATES.labels(CONSUMER, batch.source).inc(receipt.duplicates)
        HANDLED.labels(CONSUMER, batch.source).inc(len(batch.rows) - receipt.duplicates)

    def _park(self, receipt: Receipt, message: Notification, kind: Kind, reason: str) -> None:
        receipt.park(parked_from(receipt.origin, message, kind, reason, self.app.clock()))
        self.app.save_with(receipt.save)
        receipt.saved()

    def _handle(self, receipt: Receipt, message: Notification) -> tuple[Kind, str] | None:
        """Handle one message; why it could not be, or None. Raises Overtaken, and database trouble: nobody's fault."""
        aggregate = str(message.originator_id)

        def first(execute: Execute) -> None:
            receipt.save(execute, handled=aggregate)

        failed = self._react(receipt.origin, message, first)
        if failed is None:
            receipt.saved()
        return failed

    def _react(self, origin: tuple[str, int], message: Notification, first: First) -> tuple[Kind, str] | None:
        for _ in range(CONFLICTS):
            try:
                changed = self.reactions.react(read(*origin, message))
            except TROUBLE:
                raise
            except (NotYet, Refusal) as error:
                return "waiting", f"{type(error).__name__}: {error}"
            except Exception as error:  # noqa: BLE001 - whatever a reaction raises, its message is parked with it
                return "fault", f"{type(error).__name__}: {error}"
            try:
                self.app.save_with(first, changed)
                return None
            except Overtaken:
                raise
            except IntegrityError:
                continue  # one of the aggregates was changed meanwhile: decide anew
        return "waiting", "an aggregate kept being changed by others"

    def retry_parked(self) -> tuple[int, int]:
        """Handle parked messages again, in order; how many are healed and how many remain.

        The first that fails again keeps the rest of its aggregate parked. Missing facts are not made up for here.
        """
        healed, failed = 0, set[tuple[str, str]]()
        rows = self.parked()
        for row in rows:
            if row.kind == "gap" or row.position < 0 or (row.source, row.aggregate_id) in failed:
                continue
            try:
                reason = self._react((row.source, row.partition), row.notification, partial(_unpark, row))
            except Overtaken:
                continue  # another worker has handled it
            if reason is None:
                healed += 1
                continue
            failed.add((row.source, row.aggregate_id))
            if reason != (row.kind, row.reason):
                self.app.save_with(partial(_keep, replace(row, kind=reason[0], reason=reason[1])))
        return healed, len(rows) - healed

    def discard(self, row: Parked) -> None:
        """Give up a parked message for good. Raises Overtaken if it is parked no longer."""
        self.app.save_with(partial(_unpark, row))


def _unpark(row: Parked, execute: Execute) -> None:
    inbox.remove(execute, CONSUMER, row)


def _keep(row: Parked, execute: Execute) -> None:
    inbox.keep(execute, CONSUMER, row)
