"""The inbox as it is stored: its statements, for every database."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from eventsourcing.persistence import IntegrityError

from shared.database.execute import Execute
from shared.messaging.batch import Position
from shared.messaging.parked import Parked
from shared.messaging.receipt import Receipt

CHUNK = 500


class ConcurrencyConflict(IntegrityError):
    """Another worker has handled this meanwhile: nothing was written, begin again at the stored positions."""


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


def holes_of(execute: Execute, here: tuple[str, str, int]) -> Sequence[Sequence[Any]]:
    return execute(
        "SELECT after, before FROM inbox_holes WHERE consumer=? AND source=? AND partition=?", here
    )


def versions_of(
    execute: Execute, consumer: str, source: str, keys: Collection[str]
) -> Iterator[Sequence[Any]]:
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


def save(execute: Execute, receipts: Collection[Receipt]) -> None:
    """Write what was accepted. Call it in the transaction that writes the effect, before the effect.

    Raises ConcurrencyConflict if another worker has received any of it meanwhile.
    """
    # In one order for all, or two workers could wait for each other.
    ordered = sorted(dict.fromkeys(receipts), key=lambda receipt: receipt.origin)
    moved = [
        *_move_positions(
            execute, [receipt for receipt in ordered if receipt.next_position != receipt.position]
        ),
        *_move_versions(execute, ordered),
    ]
    for receipt in ordered:
        here = (receipt.consumer, receipt.source, receipt.partition)
        for after in receipt.holes.keys() - receipt.next_holes.keys():
            execute(
                "DELETE FROM inbox_holes WHERE consumer=? AND source=? AND partition=? AND after=? "
                "RETURNING 1",
                (*here, after),
            )
        for after in receipt.next_holes.keys() - receipt.holes.keys():
            execute(
                "INSERT INTO inbox_holes VALUES (?,?,?,?,?) RETURNING 1",
                (*here, after, receipt.next_holes[after]),
            )
        for row in receipt.to_unpark:
            remove(execute, receipt.consumer, row)
        for row in receipt.to_park:
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
        row = (receipt.consumer, *receipt.origin, *receipt.next_position)
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
        for key, version in sorted(receipt.new_versions.items()):
            moving = new if key in receipt.first_seen else known
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
