"""The base of every service's application: load, decide, commit, once per idempotency key."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from eventsourcing.application import Application as EventSourcedApplication
from eventsourcing.persistence import ApplicationRecorder, IntegrityError, StoredEvent

from shared.application.result import CommandResult
from shared.domain.aggregate import Aggregate, CommandContext
from shared.domain.clock import Clock
from shared.domain.hidden import is_hidden_from
from shared.domain.moments import not_before
from shared.domain.refusal import Refusal
from shared.domain.words import THINGS
from shared.log.codec import WireMapper
from shared.log.recorder import Answered, Basis, First, LogRecorder
from shared.process.metrics import SAVED

A = TypeVar("A", bound=Aggregate)

ATTEMPTS = 12
"""How often a command is decided after a conflict, the first time included."""
LONGEST_PAUSE = 0.05
"""Longest backoff between two attempts, in seconds; it is random, so that competing processes spread out."""
LONGEST_WAIT = 1.0
"""Seconds that a request waits at most for the lock of an aggregate whose writers are serialised."""


class _Attempt(threading.local):
    """This thread's attempt to carry out a request."""

    runs = False
    has_lock = False
    """Whether it holds the lock of the aggregates whose writers are serialised."""
    expected: Mapping[UUID, type[Aggregate]] = MappingProxyType({})
    read: Mapping[UUID, Sequence[StoredEvent]] = MappingProxyType({})
    """The streams of the expected aggregates, once they have been read."""


class NoSuchThing(Refusal, kind=THINGS):
    """没有找到编号为 {id} 的{kind}。
    There is no {kind} with the id {id}."""

    status = 404


class VersionIsStale(Refusal):
    """您看到的是第 {expected} 版，现在已是第 {actual} 版，请重新查看后再操作。
    You have seen version {expected}, but it is at version {actual} now: look again before you change it."""

    status = 412


class ChangedMeanwhile(Refusal):
    """他人同时进行了修改，现在已是第 {version} 版，请重新查看后再操作。
    Others changed it at the same moment, it is at version {version} now: look again before you change it."""


class AlreadyExists(Refusal, kind=THINGS):
    """{kind} {name} 已存在，不能重复登记。
    The {kind} {name} exists already and is not registered twice."""


class IdempotencyKeyReused(Refusal):
    """该 Idempotency-Key 已用于另一个内容不同的请求。
    This Idempotency-Key was used for another request with different content."""

    status = 422
    field = "Idempotency-Key"


_subject: ContextVar[tuple[type[Aggregate], UUID]] = ContextVar("subject")
"""The aggregate that the present request last tried to write."""

UseCase = Callable[[CommandContext], CommandResult]


class Application(EventSourcedApplication[UUID]):
    """A service's use cases over its own event log.

    ``env`` chooses the recorder (composition root only); ``clock`` is the only source of time.
    """

    name = ""

    def __init__(self, env: Mapping[str, str], clock: Clock) -> None:
        self.clock = clock
        self._writer_lock = threading.Lock()
        self._attempt = _Attempt()
        super().__init__(dict(env))

    def construct_mapper(self) -> WireMapper:
        """Called by the library: the typed codec."""
        return WireMapper()

    def construct_recorder(self) -> ApplicationRecorder:
        """Called by the library: a recorder that keeps answers and the inbox with the events."""
        recorder = self.factory.application_recorder()
        if not isinstance(recorder, LogRecorder):
            raise TypeError(f"{recorder!r} does not keep answers and the inbox together with events")
        return recorder

    @property
    def log(self) -> LogRecorder:  # type: ignore[override]  # the library's deprecated alias of notification_log
        """The service's log."""
        assert isinstance(self.recorder, LogRecorder)
        return self.recorder

    def load(self, kind: type[A], id: UUID, act: CommandContext | None = None) -> A:  # noqa: A002
        """The aggregate as it stands.

        Raises NoSuchThing if there is none of that kind, or none that the actor may know of; VersionIsStale if ``act``
        expected another version.
        """
        found = self.find(kind, id, act)
        if found is None:
            raise NoSuchThing(kind=kind.__name__, id=id)
        if act is not None and act.expected_version not in (None, found.version):
            raise VersionIsStale(expected=act.expected_version, actual=found.version)
        return found

    def hidden(self, found: Aggregate, act: CommandContext) -> bool:
        """Whether the actor is not to know of it: then it is as if it were not there."""
        return is_hidden_from(act, getattr(found, "state", None))

    def find(self, kind: type[A], id: UUID, act: CommandContext | None = None) -> A | None:  # noqa: A002
        """The aggregate as it stands, or None if there is none of that kind under this id, or none for this actor."""
        found = self._find(kind, id)
        return None if found is None or (act is not None and self.hidden(found, act)) else found

    def _find(self, kind: type[A], id: UUID) -> A | None:  # noqa: A002
        events: list[Any] = [self.mapper.to_domain_event(stored) for stored in self._stored(kind, id)]
        if kind.latest_event_only:
            last = events[-1] if events else None
            return kind.as_left_by(last) if type(last) in vars(kind).values() else None
        found: Any = None
        for (
            event
        ) in events:  # not the library's loop, whose check of each event takes longer (tests/bench/sweep.py)
            found = event.mutate(found)
        return found if isinstance(found, kind) else None

    def expect(self, *wanted: tuple[type[Aggregate], UUID]) -> None:
        """Declare what this request will load: the first load reads all of them in one round trip."""
        if self._attempt.runs:
            self._attempt.expected = {id_: kind for kind, id_ in wanted}

    @contextmanager
    def expecting(self, wanted: Sequence[tuple[type[Aggregate], UUID]]) -> Iterator[None]:
        """Within this context the first load of one of these aggregates reads all of them in one round trip."""
        mine = self._attempt
        mine.expected = {id_: kind for kind, id_ in wanted}
        try:
            yield
        finally:
            mine.expected, mine.read = {}, {}

    def _stored(self, kind: type[Aggregate], id: UUID) -> Sequence[StoredEvent]:  # noqa: A002
        mine = self._attempt
        if id in mine.read:
            return mine.read[id]
        together = mine.expected if id in mine.expected else {id: kind}
        if mine.runs and not mine.has_lock and any(one.serialise_writers for one in together.values()):
            mine.has_lock = self._writer_lock.acquire(timeout=LONGEST_WAIT)
        found = self.log.streams([(one, kind.latest_event_only) for one, kind in together.items()])
        if together is not mine.expected:
            return found[0]
        mine.read = dict(zip(together, found, strict=True))
        return mine.read[id]

    def put(self, events: Sequence[Any], **beside: Any) -> None:
        """Save new events, with what belongs into their transaction (LogRecorder), and count them."""
        self.events.put(events, **beside)
        SAVED.labels(self.name).inc(len(events))

    def commit(
        self,
        act: CommandContext,
        *aggregates: Aggregate,
        location: str | None = None,
        basis: Basis | None = None,
    ) -> CommandResult:
        """Save the new events of ``aggregates`` and the answer to the request; the first one gives the answer.

        Raises BeforeWhatItRestsOn if it is said to have happened before that one began; IntegrityError if there are
        newer events than those on which the decision rests, also those of ``basis``.
        """
        changed = [event for aggregate in aggregates for event in aggregate.pending_events]
        subject = aggregates[0]
        if subject.began_at is not None:
            not_before(act, subject.lifecycle.begins, subject.began_at)
        _subject.set((type(subject), subject.id))
        written: list[CommandResult] = []

        def answer(positions: Sequence[int]) -> Answered:
            # Of each try: the library saves again, at other positions, when a connection was lost before the commit.
            written.append(
                CommandResult(
                    id=str(subject.id),
                    version=subject.version,
                    position=max(positions, default=0),
                    state=subject.status,
                    number=subject.number,
                    location=location,
                )
            )
            return Answered(
                key=act.key or act.because,
                fingerprint=act.fingerprint,
                answer=msgspec.json.encode(written[-1]),
            )

        self.put(changed, answer=answer, basis=basis)
        for aggregate in aggregates:
            aggregate.collect_events()
        return written[-1]

    def commit_new(
        self,
        act: CommandContext,
        new: Aggregate,
        otherwise: Refusal,
        *,
        location: str,
        basis: Basis | None = None,
    ) -> CommandResult:
        """Save an aggregate that must not exist yet: raises ``otherwise`` if it does.

        Nobody looks first: the log refuses a second first event.
        """
        try:
            return self.commit(act, new, location=location, basis=basis)
        except IntegrityError:
            if self.find(type(new), new.id) is None:
                raise  # something else clashed: the request's key, or what the decision rests on
            raise otherwise from None

    def perform(self, act: CommandContext, use_case: UseCase) -> CommandResult:
        """Carry out a request once: the same key and content get the first answer again, also after a crash.

        Raises IdempotencyKeyReused for the same key with other content, ChangedMeanwhile if others kept writing
        first, and whatever the use case refuses.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.002 * 2**attempt)))
            try:
                return self._attempt_with_lock(act, use_case)
            except (IntegrityError, Refusal) as error:
                # Done before under this key (the answer's row then refuses a second one), or somebody wrote first.
                before = self._answer_of(act)
                if before is not None:
                    return before
                if isinstance(error, Refusal):
                    raise
        kind, id_ = _subject.get()
        now = self.find(kind, id_)
        raise ChangedMeanwhile(version=0 if now is None else now.version)

    def attempt(self, act: CommandContext, use_case: UseCase) -> CommandResult:
        """Decide and save, once."""
        return use_case(act)

    def _attempt_with_lock(self, act: CommandContext, use_case: UseCase) -> CommandResult:
        mine = self._attempt
        mine.runs = True
        try:
            return self.attempt(act, use_case)
        finally:
            mine.runs, mine.expected, mine.read = False, {}, {}
            if mine.has_lock:
                mine.has_lock = False
                self._writer_lock.release()

    def _answer_of(self, act: CommandContext) -> CommandResult | None:
        row = self.log.answered(act.key or act.because)
        if row is None:
            return None
        if row.fingerprint != act.fingerprint:
            raise IdempotencyKeyReused()
        return replace(msgspec.json.decode(row.answer, type=CommandResult), replayed=True)

    def save_with(self, first: First, aggregates: Sequence[Aggregate] = ()) -> None:
        """Save a reaction's new events and what ``first`` writes (the inbox) in one transaction.

        Raises IntegrityError if an aggregate was changed meanwhile, ConcurrencyConflict if the message was handled
        meanwhile.
        """
        self.put([event for one in aggregates for event in one.pending_events], first=first)
        for aggregate in aggregates:
            aggregate.collect_events()
