"""The engine of reactions: facts of other services in, own decisions out, each fact once.

A reaction is a sentence, ``when_…_then_…``, and never replays. Its new events and its mark are saved in one
transaction, so that a crash repeats a message but never its effect.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from eventsourcing.persistence import IntegrityError, Notification
from eventsourcing.persistence import OperationalError as LogTrouble
from sqlalchemy.exc import OperationalError as ViewTrouble

from shared import logs
from shared.aggregate import SUITE_UNIT, Act, Aggregate
from shared.application import Application
from shared.events.base import Actor, Message
from shared.handlers import handlers_of, sources_of
from shared.recorder import Parked
from shared.refusal import Refusal
from shared.transport import Stream
from shared.wire import Unreadable, read

A = TypeVar("A", bound=Aggregate)
App = TypeVar("App", bound=Application)

log = logs.log("reactions")

BATCH = 200
CONSUMER = "react"
PATIENCE = 30
"""So many rounds of polling a message may wait for what it needs before it is parked."""
TOO_MANY_IN_A_ROW = 10
"""So many parked messages one after the other mean that the fault is here, not in the messages."""


class ConsumerStopped(Exception):
    """The consumer stopped loudly: too many messages in a row could not be handled."""


class NotYet(Exception):
    """A reaction needs something that has not arrived; like a refusal, it is tried again before it is parked."""


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
    """Follows the streams that a service reacts to."""

    def __init__(self, reactions: Reactions[Any], streams: Sequence[Stream]) -> None:
        self.reactions = reactions
        self.app: Application = reactions.app
        self.streams = [stream for stream in streams if stream.source in reactions.sources]
        self._parked_in_a_row = 0
        self._waited: dict[tuple[str, int], int] = {}

    @property
    def waiting(self) -> bool:
        """Whether a message waits for what it needs, to be tried again at the next step."""
        return bool(self._waited)

    def step(self) -> bool:
        """Handle what has come; whether there was anything. Raises ConsumerStopped."""
        did = False
        for stream in self.streams:
            for partition in stream.partitions:
                mark = self.app.mark(CONSUMER, stream.source, partition)
                batch = stream.read(partition, after=mark, limit=BATCH)
                did = (bool(batch) and self.handle(stream.source, partition, batch)) or did
        return did

    def handle(self, source: str, partition: int, batch: Sequence[Notification]) -> bool:
        """Handle a batch in order; what was delivered before has no effect. Whether it got anywhere.

        Raises ConsumerStopped.
        """
        blocked = {(row.source, row.aggregate_id) for row in self.app.log.parked(CONSUMER)}
        mark = self.app.mark(CONSUMER, source, partition)
        passed: int | None = None
        for notification in batch:
            if notification.id <= mark:
                continue  # delivered before
            if notification.topic not in self.reactions.handlers:
                passed = notification.id
                continue
            aggregate_id = UUID(str(notification.originator_id))
            if (source, aggregate_id) in blocked:
                self._park(source, partition, notification, "an earlier fact of the same aggregate is parked")
                continue
            try:
                reason = self._handle(source, partition, notification)
            except (NotYet, Refusal) as error:
                # Reference data (a unit's head, a calendar) come by another log and may be on their way still.
                self._waited[source, notification.id] = self._waited.get((source, notification.id), 0) + 1
                if self._waited[source, notification.id] < PATIENCE:
                    break
                reason = f"{type(error).__name__}: {error}"
            self._waited.pop((source, notification.id), None)
            passed = None
            if reason is None:
                self._parked_in_a_row = 0
                continue
            self._park(source, partition, notification, reason)
            blocked.add((source, aggregate_id))
            self._parked_in_a_row += 1
            if self._parked_in_a_row >= TOO_MANY_IN_A_ROW:
                raise ConsumerStopped(f"{self.app.name}: {self._parked_in_a_row} in a row, last: {reason}")
        if passed is not None:
            self.app.save_handled([], consumer=CONSUMER, source=source, partition=partition, position=passed)
        return self.app.mark(CONSUMER, source, partition) > mark

    def _handle(
        self, source: str, partition: int, notification: Notification, unpark: Parked | None = None
    ) -> str | None:
        """Handle one message; why it could not be, or None.

        Raises NotYet and Refusal, which may pass, and database trouble, which is nobody's fault.
        """
        position = None if unpark else notification.id
        for _ in range(5):
            try:
                message = read(source, partition, notification)
                changed = self.reactions.react(message)
            except Unreadable as error:
                return str(error)
            except (LogTrouble, ViewTrouble, NotYet, Refusal):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a reaction raises, its message is parked with it
                return f"{type(error).__name__}: {error}"
            try:
                self.app.save_handled(
                    changed,
                    consumer=CONSUMER,
                    source=source,
                    partition=partition,
                    position=position,
                    unpark=unpark,
                )
                return None
            except IntegrityError:
                if position is not None and self.app.mark(CONSUMER, source, partition) >= position:
                    return None  # delivered before
        return "an aggregate kept being changed by others"

    def _park(self, source: str, partition: int, notification: Notification, reason: str) -> None:
        parked = Parked(
            consumer=CONSUMER,
            source=source,
            partition=partition,
            position=notification.id,
            aggregate_id=UUID(str(notification.originator_id)),
            reason=reason,
            since=self.app.clock(),
        )
        log.error(
            "message_parked", service=self.app.name, source=source, position=notification.id, reason=reason
        )
        self.app.save_handled(
            [],
            consumer=CONSUMER,
            source=source,
            partition=partition,
            position=notification.id,
            park=parked,
        )

    def retry_parked(self) -> tuple[int, int]:
        """Handle parked messages again, in order; how many are healed and how many remain.

        The first that fails again keeps the rest of its aggregate parked.
        """
        healed, failed = 0, set[tuple[str, UUID]]()
        rows = self.app.log.parked(CONSUMER)
        streams = {stream.source: stream for stream in self.streams}
        for row in rows:
            if (row.source, row.aggregate_id) in failed:
                continue
            batch = streams[row.source].read(row.partition, after=row.position - 1, limit=1)
            reason = "the log no longer holds it"
            if batch and batch[0].id == row.position:
                try:
                    reason = self._handle(row.source, row.partition, batch[0], unpark=row) or ""
                except (NotYet, Refusal) as error:
                    reason = f"{type(error).__name__}: {error}"
            if reason:
                failed.add((row.source, row.aggregate_id))
                self.app.save_handled(
                    [],
                    consumer=CONSUMER,
                    source=row.source,
                    partition=row.partition,
                    position=None,
                    park=Parked(**{**vars(row), "reason": reason}),
                )
            else:
                healed += 1
        return healed, len(rows) - healed
