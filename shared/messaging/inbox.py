"""The inbox of a consumer: which facts it has received, which it awaits, which it could not handle.

At least once in, exactly once in effect. A fact counts as received by its aggregate's version, so that redelivery
and re-publication are harmless; every fact also says what its partition held before it, so that one that is gone from
the broker is noticed. All of it is written in the transaction that writes the effect.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Literal, NamedTuple

from eventsourcing.persistence import IntegrityError, Notification

from shared.database.execute import Execute
from shared.process import logs

log = logs.log("inbox")

Kind = Literal["gap", "waiting", "fault", "behind"]
"""Why a message is parked: earlier facts of its aggregate are missing; it needs what has not arrived yet; it cannot be
handled; or an earlier fact of its aggregate is parked."""


TOO_MANY_IN_A_ROW = 10
"""So many messages one after the other that cannot be handled mean that the fault is here, not in the messages."""


class ConsumerStopped(Exception):
    """The consumer stopped loudly: too many messages in a row could not be handled."""


class Backoff:
    """When parked messages are tried again: soon at first, then ever more rarely, at most once a minute.

    ``first``: seconds. It runs on the machine's monotonic clock: it paces work and decides nothing.
    """

    LONGEST = 60.0

    def __init__(self, first: float) -> None:
        self._first = self._pause = first
        self._next: float | None = 0.0  # a new process tries at once: it may be the repaired one

    def due(self) -> bool:
        """Whether to try now."""
        return self._next is not None and time.monotonic() >= self._next

    def wanted(self) -> None:
        """Something is parked."""
        if self._next is None:
            self._pause = self._first
            self._next = time.monotonic() + self._pause

    def tried(self, healed: int, remaining: int) -> None:
        """What came of it."""
        self._pause = self._first if healed else min(self._pause * 2, self.LONGEST)
        self._next = time.monotonic() + self._pause if remaining else None


class ConcurrencyConflict(IntegrityError):
    """Another worker has handled this meanwhile: nothing was written, begin again at the stored positions."""


@dataclass(frozen=True)
class Batch:
    """Facts of one source and partition, in the order in which the transport holds them."""

    source: str
    partition: int
    rows: Sequence[Notification]
    """A record that is none of ours has a negative position."""
    offsets: Sequence[int]
    """Where the transport holds each of them: the offset on Kafka, the position in a log."""
    before: Sequence[int]
    """For each the sender's last position in this partition before it."""
    sent: Sequence[str]
    """The same in every partition: ``"12 0 33"``."""

    def part(self, start: int, stop: int) -> "Batch":
        """Some of it, in order."""
        return Batch(
            self.source,
            self.partition,
            self.rows[start:stop],
            self.offsets[start:stop],
            self.before[start:stop],
            self.sent[start:stop],
        )


def portions(batches: Sequence[Batch], size: int) -> Iterator[list[Batch]]:
    """The same facts in portions of at most so many."""
    portion: list[Batch] = []
    held = 0
    for batch in batches:
        for start in range(0, len(batch.rows), size):
            part = batch.part(start, start + size)
            if held + len(part.rows) > size:
                yield portion
                portion, held = [], 0
            portion.append(part)
            held += len(part.rows)
    if portion:
        yield portion


class Position(NamedTuple):
    """How far a consumer has come in one partition."""

    position: int = 0
    """The highest log position received."""
    offset: int = -1
    """Where the transport held it."""
    sent: str = ""
    """What the sender had sent to every partition before it."""


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A message that could not be handled (搁置), kept whole with its reason until it is."""

    handler: str
    """The view that could not fold it; empty: the whole consumer."""
    source: str
    partition: int
    position: int
    aggregate_id: str
    version: int
    topic: str
    state: bytes
    kind: Kind
    reason: str
    since: datetime

    @property
    def notification(self) -> Notification:
        """The message as it came."""
        return Notification(
            id=self.position,
            originator_id=self.aggregate_id,
            originator_version=self.version,
            topic=self.topic,
            state=self.state,
        )


def parked_from(
    batch_of: tuple[str, int],
    message: Notification,
    kind: Kind,
    reason: str,
    since: datetime,
    handler: str = "",
) -> Parked:
    """The message, to be parked; ``batch_of`` is its source and partition."""
    source, partition = batch_of
    return Parked(
        handler=handler,
        source=source,
        partition=partition,
        position=message.id,
        aggregate_id=str(message.originator_id),
        version=message.originator_version,
        topic=message.topic,
        state=message.state,
        kind=kind,
        reason=reason,
        since=since,
    )


Counts = tuple[int, int]
"""Facts received for the first time, and facts received again."""


@dataclass(eq=False)
class Receipt:
    """A partition's facts against the inbox: what is new of them; and what to write when that is handled.

    ``accept`` gives the facts to handle. ``save`` writes what was accepted since the last ``saved``.
    """

    consumer: str
    source: str
    partition: int
    position: Position = field(default_factory=Position)
    versions: dict[str, int] = field(default_factory=dict)
    """Of every aggregate in what is to be accepted, the version received: 0 for none."""
    holes: dict[int, int] = field(default_factory=dict)
    """after → before: positions of this partition in between have not been received."""
    parked: list[Parked] = field(default_factory=list)
    """Parked messages of the source, of all handlers."""
    trusted: bool = field(init=False, default=False)
    """Whether an aggregate's first fact is taken to be new without asking, since nothing came twice the last time. Who
    is wrong in that is ConcurrencyConflict when it saves, and asks."""
    _position: Position = field(init=False)
    _versions: dict[str, int] = field(init=False, default_factory=dict)
    _new: set[str] = field(init=False, default_factory=set)
    """Of these aggregates nothing had been received."""
    _holes: dict[int, int] = field(init=False)
    _park: list[Parked] = field(init=False, default_factory=list)
    _unpark: list[Parked] = field(init=False, default_factory=list)
    _first: int = field(init=False, default=0)
    _duplicates: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._position, self._holes = self.position, dict(self.holes)
        self._gaps = {(row.aggregate_id, row.version): row for row in self.parked if row.kind == "gap"}

    @property
    def origin(self) -> tuple[str, int]:
        """Source and partition."""
        return self.source, self.partition

    def blocked(self, handler: str = "") -> set[str]:
        """Aggregates of which ``handler`` has a received fact parked: their later facts wait behind it."""
        return {row.aggregate_id for row in self.parked if row.handler == handler and row.kind != "gap"}

    def accept(self, batch: Batch, now: datetime) -> Iterator[Notification]:
        """The facts to be handled now, each once and in the order of its aggregate's versions.

        A fact whose predecessors are missing is parked; it follows by itself when they have come.
        """
        for message, offset, before, sent in zip(
            batch.rows, batch.offsets, batch.before, batch.sent, strict=True
        ):
            if message.id < 0:
                row = parked_from(self.origin, message, "fault", "not an event of this suite", now)
                self._position = Position(self._position.position, offset, self._position.sent)
                self.park(row)
                continue
            self._move_position(message.id, offset, before, sent)
            key = str(message.originator_id)
            known = self.versions.get(key, 0)
            if message.originator_version <= known:
                self._duplicates += 1
            elif message.originator_version > known + 1:
                self._miss(message, known, now)
            else:
                self._received(key, message.originator_version)
                yield message
                if self._gaps:
                    yield from self._gap_closed(key)

    def _move_position(self, position: int, offset: int, before: int, sent: str) -> None:
        if position > self._position.position:
            if before > self._position.position:
                self._holes[self._position.position] = before
                log.error(
                    "messages_missing",
                    consumer=self.consumer,
                    source=self.source,
                    partition=self.partition,
                    after=self._position.position,
                    until=before,
                )
            self._position = Position(position, offset, sent)
            return
        self._position = Position(self._position.position, offset, self._position.sent)
        for after, until in list(self._holes.items()):
            if before <= after < position <= until:
                del self._holes[after]
                if position < until:
                    self._holes[position] = until

    def _received(self, key: str, version: int) -> None:
        if version == 1:
            self._new.add(key)
        self.versions[key] = self._versions[key] = version
        self._first += 1

    def _miss(self, message: Notification, known: int, now: datetime) -> None:
        reason = f"facts {known + 1} to {message.originator_version - 1} of this aggregate are missing"
        row = parked_from(self.origin, message, "gap", reason, now)
        if (row.aggregate_id, row.version) not in self._gaps:
            self._gaps[row.aggregate_id, row.version] = row
            self.park(row)

    def _gap_closed(self, key: str) -> Iterator[Notification]:
        while (row := self._gaps.pop((key, self.versions[key] + 1), None)) is not None:
            self.unpark(row)
            self._received(key, row.version)
            yield row.notification

    def park(self, row: Parked) -> None:
        """Keep a message that cannot be handled now."""
        if row.kind not in ("behind", "waiting"):
            log.error(
                "message_parked",
                consumer=self.consumer,
                handler=row.handler,
                source=row.source,
                partition=row.partition,
                position=row.position,
                kind=row.kind,
                reason=row.reason,
            )
        self.parked.append(row)
        self._park.append(row)

    def unpark(self, row: Parked) -> None:
        """A parked message that is handled now."""
        self.parked.remove(row)
        if row in self._park:
            self._park.remove(row)
        else:
            self._unpark.append(row)

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        return self._position != self.position or bool(self._versions or self._park or self._unpark)

    def saved(self) -> Counts:
        """What ``save`` wrote is committed; how many facts it was."""
        self.position, self.holes = self._position, dict(self._holes)
        self._versions.clear()
        self._new.clear()
        self._park.clear()
        self._unpark.clear()
        counts = self._first, self._duplicates
        if any(counts):
            self.trusted = not self._duplicates
        self._first = self._duplicates = 0
        return counts


def save(execute: Execute, receipts: Collection[Receipt]) -> None:
    """Write what was accepted. Call it in the transaction that writes the effect, before the effect.

    Raises ConcurrencyConflict if another worker has received any of it meanwhile.
    """
    # In one order for all, or two workers could wait for each other.
    ordered = sorted(dict.fromkeys(receipts), key=lambda receipt: receipt.origin)
    moved = [
        *_move_positions(execute, [receipt for receipt in ordered if receipt._position != receipt.position]),
        *_move_versions(execute, ordered),
    ]
    for receipt in ordered:
        here = (receipt.consumer, receipt.source, receipt.partition)
        for after in receipt.holes.keys() - receipt._holes.keys():
            execute(
                "DELETE FROM inbox_holes WHERE consumer=? AND source=? AND partition=? AND after=? "
                "RETURNING 1",
                (*here, after),
            )
        for after in receipt._holes.keys() - receipt.holes.keys():
            execute(
                "INSERT INTO inbox_holes VALUES (?,?,?,?,?) RETURNING 1",
                (*here, after, receipt._holes[after]),
            )
        for row in receipt._unpark:
            remove(execute, receipt.consumer, row)
        for row in receipt._park:
            keep(execute, receipt.consumer, row)
    for one in moved:
        if len(one.rows) < one.awaited:
            raise ConcurrencyConflict(one.otherwise)


class _Moved(NamedTuple):
    """Rows that were to be moved, one for each that was, and what it means if any is missing."""

    rows: Sequence[Sequence[Any]]
    awaited: int
    otherwise: str


def _move_positions(execute: Execute, receipts: Sequence[Receipt]) -> Iterator[_Moved]:
    first, later = [], []
    for receipt in receipts:
        row = (receipt.consumer, *receipt.origin, *receipt._position)
        if receipt.position == Position():
            first.append(row)
        else:
            later.append((*row, receipt.position.position))
    gone = "a mark is no longer where it was"
    if first:
        put = f"INSERT INTO inbox_marks VALUES {_tuples(6, len(first))} ON CONFLICT DO NOTHING RETURNING 1"
        yield _Moved(execute(put, [*chain.from_iterable(first)]), len(first), gone)
    if later:
        # Never put anew: a mark that is gone was taken back by the database's crash, with all that it stood for.
        put = (
            "UPDATE inbox_marks SET position=new.column4, place=new.column5, sent=new.column6 "
            f"FROM (VALUES {_tuples(7, len(later))}) AS new "
            "WHERE inbox_marks.consumer=new.column1 AND inbox_marks.source=new.column2 "
            "AND inbox_marks.partition=new.column3 AND inbox_marks.position=new.column7 RETURNING 1"
        )
        yield _Moved(execute(put, [*chain.from_iterable(later)]), len(later), gone)


def _move_versions(execute: Execute, receipts: Sequence[Receipt]) -> Iterator[_Moved]:
    new: list[Sequence[Any]] = []
    known: list[Sequence[Any]] = []
    for receipt in receipts:
        for key, version in sorted(receipt._versions.items()):
            moving = new if key in receipt._new else known
            moving.append((receipt.consumer, receipt.source, key, version))
    # Inserted and never moved: a first fact that was received would else be received again together with the next.
    yield from _put_versions(execute, new, "DO NOTHING")
    yield from _put_versions(
        execute,
        known,
        "(consumer, source, aggregate_id) DO UPDATE SET version=excluded.version "
        "WHERE inbox_versions.version<excluded.version",
    )


def _put_versions(execute: Execute, rows: Sequence[Sequence[Any]], on_conflict: str) -> Iterator[_Moved]:
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        put = (
            f"INSERT INTO inbox_versions VALUES {_tuples(4, len(some))} ON CONFLICT {on_conflict} RETURNING 1"
        )
        yield _Moved(
            execute(put, [*chain.from_iterable(some)]),
            len(some),
            "a fact has been received by another worker",
        )


def _tuples(width: int, number: int) -> str:
    return ",".join(["(" + ",".join("?" * width) + ")"] * number)


class Inbox:
    """What a process knows of its consumer's inbox, so that it need not be read again for every batch.

    Call ``forget`` where another worker may have written. A stale copy raises ConcurrencyConflict on save, and so does
    an inbox that holds less than was saved: a database crash took it back, and the transport has moved on.
    """

    MOST = 10_000
    """Aggregates of a partition whose versions are kept in mind."""

    def __init__(self, consumer: str) -> None:
        self.consumer = consumer
        self._receipts: dict[tuple[str, int], Receipt] = {}
        self._saved: dict[tuple[str, int], int] = {}
        """The last position that was saved of what is forgotten."""

    def receive(self, execute: Execute, batches: Sequence[Batch]) -> list[Receipt]:
        """Hold batches against the inbox: for each the receipt that will ``accept`` it."""
        found = [self._receipt(execute, batch) for batch in batches]
        asked: dict[str, dict[str, Receipt]] = {}
        for receipt, batch in zip(found, batches, strict=True):
            for row in batch.rows:
                key = str(row.originator_id)
                if key not in receipt.versions:
                    receipt.versions[key] = 0
                    if row.originator_version > 1 or not receipt.trusted:
                        asked.setdefault(batch.source, {})[key] = receipt
        for source, receipts in asked.items():
            for key, version in _versions(execute, self.consumer, source, receipts):
                receipts[key].versions[key] = version
        return found

    def _receipt(self, execute: Execute, batch: Batch) -> Receipt:
        here = batch.source, batch.partition
        known = self._receipts.get(here)
        if known is None:
            position = position_of(execute, self.consumer, *here)
            if position.position < self._saved.get(here, 0):
                raise ConcurrencyConflict(f"{batch.source}/{batch.partition} is back at {position.position}")
            known = self._receipts[here] = Receipt(
                consumer=self.consumer,
                source=batch.source,
                partition=batch.partition,
                position=position,
                holes={row[0]: row[1] for row in _own_holes(execute, (self.consumer, *here))},
                parked=parked(execute, self.consumer, batch.source),
            )
        elif len(known.versions) > self.MOST:
            known.versions.clear()
        return known

    def forget(self) -> None:
        """Read everything anew next time."""
        self._saved |= {where: receipt.position.position for where, receipt in self._receipts.items()}
        self._receipts.clear()

    def begin(self, execute: Execute, source: str, partition: int) -> Position:
        """How far the consumer has come in a partition, for who begins there: another worker may have been there."""
        self._receipts.pop((source, partition), None)
        self._saved.pop((source, partition), None)
        return position_of(execute, self.consumer, source, partition)


def _own_holes(execute: Execute, here: tuple[str, str, int]) -> Sequence[Sequence[Any]]:
    return execute(
        "SELECT after, before FROM inbox_holes WHERE consumer=? AND source=? AND partition=?", here
    )


def position_of(execute: Execute, consumer: str, source: str, partition: int) -> Position:
    """How far the consumer has come."""
    rows = execute(
        "SELECT position, place, sent FROM inbox_marks WHERE consumer=? AND source=? AND partition=?",
        (consumer, source, partition),
    )
    return Position(*rows[0]) if rows else Position()


def positions(execute: Execute, consumer: str) -> dict[tuple[str, int], Position]:
    """How far the consumer has come in every partition it has received anything from."""
    rows = execute(
        "SELECT source, partition, position, place, sent FROM inbox_marks WHERE consumer=?", (consumer,)
    )
    return {(source, partition): Position(*rest) for source, partition, *rest in rows}


def holes(execute: Execute, consumer: str) -> list[tuple[str, int, int, int]]:
    """Source, partition, and the positions after which and up to which facts have not been received."""
    return [
        tuple(row)
        for row in execute(
            "SELECT source, partition, after, before FROM inbox_holes WHERE consumer=? ORDER BY 1, 2, 3",
            (consumer,),
        )
    ]


def reached(execute: Execute, consumer: str, source: str, position: int) -> bool:
    """Whether *all* facts of ``source`` up to ``position`` have been received, in every partition.

    A partition that has nothing to bring stands still; that it misses nothing is known from the others' facts, each of
    which says what had been sent to every partition before it.
    """
    known = {partition: at for (of, partition), at in positions(execute, consumer).items() if of == source}
    if any(of == source and after < position for of, _, after, _ in holes(execute, consumer)):
        return False
    return any(
        at.position >= position
        and all(
            known.get(other, Position()).position >= min(position, int(sent))
            for other, sent in enumerate(at.sent.split(" "))
        )
        for at in known.values()
    )


CHUNK = 500


def _versions(execute: Execute, consumer: str, source: str, keys: Collection[str]) -> Iterator[Sequence[Any]]:
    wanted = sorted(keys)
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        yield from execute(
            "SELECT aggregate_id, version FROM inbox_versions "
            f"WHERE consumer=? AND source=? AND aggregate_id IN {_tuples(len(some), 1)}",
            (consumer, source, *some),
        )


def parked(execute: Execute, consumer: str, source: str | None = None) -> list[Parked]:
    """Parked messages, in the order of each log."""
    rows = execute(
        "SELECT handler, source, partition, position, aggregate_id, version, topic, state, kind, reason, since "
        "FROM inbox_parked WHERE consumer=? "
        + ("" if source is None else "AND source=? ")
        + "ORDER BY handler, source, partition, position",
        (consumer,) if source is None else (consumer, source),
    )
    return [
        Parked(
            handler=row[0],
            source=row[1],
            partition=row[2],
            position=row[3],
            aggregate_id=row[4],
            version=row[5],
            topic=row[6],
            state=bytes(row[7]),
            kind=row[8],
            reason=row[9],
            since=datetime.fromisoformat(row[10]),
        )
        for row in rows
    ]


def keep(execute: Execute, consumer: str, row: Parked) -> None:
    """Write a parked message, or its new reason."""
    execute(
        "INSERT INTO inbox_parked VALUES (?,?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (consumer, handler, source, partition, position) DO UPDATE "
        "SET kind=excluded.kind, reason=excluded.reason RETURNING 1",
        (
            consumer,
            row.handler,
            row.source,
            row.partition,
            row.position,
            row.aggregate_id,
            row.version,
            row.topic,
            row.state,
            row.kind,
            row.reason,
            row.since.isoformat(),
        ),
    )


def remove(execute: Execute, consumer: str, row: Parked) -> None:
    """A parked message has been handled. Raises ConcurrencyConflict if another worker was first."""
    gone = execute(
        "DELETE FROM inbox_parked WHERE consumer=? AND handler=? AND source=? AND partition=? AND position=? "
        "RETURNING 1",
        (consumer, row.handler, row.source, row.partition, row.position),
    )
    if not gone:
        raise ConcurrencyConflict(f"position {row.position} of {row.source} is parked no longer")
