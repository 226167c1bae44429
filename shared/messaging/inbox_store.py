"""The stored inbox: its SQL, for every database."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from eventsourcing.persistence import IntegrityError

from shared.database.execute import Execute
from shared.messaging.batch import Position
from shared.messaging.parked import Parked
from shared.messaging.receipt import Receipt

CHUNK = 500
PARKED_COLUMNS = tuple(field.name for field in fields(Parked))
"""The columns of inbox_parked after ``consumer``, in the table's order."""


class ConcurrencyConflict(IntegrityError):
    """Another worker has handled this: nothing was written, begin again at the stored positions."""


def position_of(execute: Execute, consumer: str, source: str, partition: int) -> Position:
    """The consumer's position in a partition."""
    rows = execute(
        "SELECT position, place, sent FROM inbox_marks WHERE consumer=? AND source=? AND partition=?",
        (consumer, source, partition),
    )
    return Position(*rows[0]) if rows else Position()


def positions(execute: Execute, consumer: str) -> dict[tuple[str, int], Position]:
    """The consumer's position in every partition from which it has received anything."""
    rows = execute(
        "SELECT source, partition, position, place, sent FROM inbox_marks WHERE consumer=?", (consumer,)
    )
    return {(source, partition): Position(*rest) for source, partition, *rest in rows}


def holes(execute: Execute, consumer: str) -> list[tuple[str, int, int, int]]:
    """Source, partition, and the positions between which facts have not been received."""
    return [
        tuple(row)
        for row in execute(
            "SELECT source, partition, after, before FROM inbox_holes WHERE consumer=? ORDER BY 1, 2, 3",
            (consumer,),
        )
    ]


def reached(execute: Execute, consumer: str, source: str, position: int) -> bool:
    """Whether *all* facts of ``source`` up to ``position`` have been received, in every partition."""
    return received_upto(execute, consumer, source) >= position


def received_upto(execute: Execute, consumer: str, source: str) -> int:
    """The last position of ``source`` up to which *all* its facts have been received, in every partition; 0 for none.

    The position of a partition without new facts does not move. The facts of other partitions prove that it misses
    nothing: each says what had been sent to every partition before it.
    """
    known = {partition: at for (of, partition), at in positions(execute, consumer).items() if of == source}

    def proven_by(at: Position) -> int:
        sent = enumerate(map(int, at.sent.split()))
        others = ((known.get(other, Position()).position, before) for other, before in sent)
        return min([at.position, *(position for position, before in others if position < before)])

    missing = [after for of, _, after, _ in holes(execute, consumer) if of == source]
    return min([max(map(proven_by, known.values()), default=0), *missing])


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
    """Parked messages, by position."""
    rows = execute(
        f"SELECT {', '.join(PARKED_COLUMNS)} FROM inbox_parked WHERE consumer=? "
        + ("" if source is None else "AND source=? ")
        + "ORDER BY handler, source, partition, position",
        (consumer,) if source is None else (consumer, source),
    )
    found = [dict(zip(PARKED_COLUMNS, row, strict=True)) for row in rows]
    return [
        Parked(**{**row, "state": bytes(row["state"]), "since": datetime.fromisoformat(row["since"])})
        for row in found
    ]


def keep(execute: Execute, consumer: str, row: Parked) -> None:
    """Insert a parked message, or update its reason."""
    values = {**vars(row), "since": row.since.isoformat()}
    execute(
        f"INSERT INTO inbox_parked VALUES {_tuples(12, 1)} "
        "ON CONFLICT (consumer, handler, source, partition, position) DO UPDATE "
        "SET kind=excluded.kind, reason=excluded.reason RETURNING 1",
        (consumer, *(values[name] for name in PARKED_COLUMNS)),
    )


def remove(execute: Execute, consumer: str, row: Parked) -> None:
    """Delete a parked message. Raises ConcurrencyConflict if another worker was first."""
    gone = execute(
        "DELETE FROM inbox_parked WHERE consumer=? AND handler=? AND source=? AND partition=? AND position=? "
        "RETURNING 1",
        (consumer, row.handler, row.source, row.partition, row.position),
    )
    if not gone:
        raise ConcurrencyConflict(f"position {row.position} of {row.source} is parked no longer")


def save(execute: Execute, receipts: Collection[Receipt]) -> None:
    """Write the receipts' changes, in the transaction of the effect and before it.

    Raises ConcurrencyConflict if another worker has received any of these facts.
    """
    # One order for all workers, or two could deadlock.
    ordered = sorted(dict.fromkeys(receipts), key=lambda receipt: receipt.origin)
    updates = [
        *_write_positions(
            execute, [receipt for receipt in ordered if receipt.next_position != receipt.position]
        ),
        *_write_versions(execute, ordered),
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
    for one in updates:
        if len(one.rows) < one.expected:
            raise ConcurrencyConflict(one.conflict)


class _Update(NamedTuple):
    """The rows of an update, the expected number of them, and the conflict if fewer were updated."""

    rows: Sequence[Sequence[Any]]
    expected: int
    conflict: str


def _write_positions(execute: Execute, receipts: Sequence[Receipt]) -> Iterator[_Update]:
    first, later = [], []
    for receipt in receipts:
        row = (receipt.consumer, *receipt.origin, *receipt.next_position)
        if receipt.position == Position():
            first.append(row)
        else:
            later.append((*row, receipt.position.position))
    gone = "the stored position has moved"
    if first:
        put = f"INSERT INTO inbox_marks VALUES {_tuples(6, len(first))} ON CONFLICT DO NOTHING RETURNING 1"
        yield _Update(execute(put, [*chain.from_iterable(first)]), len(first), gone)
    if later:
        # Never inserted: a missing position was undone by a crash of the database, together with its effects.
        put = (
            "UPDATE inbox_marks SET position=new.column4, place=new.column5, sent=new.column6 "
            f"FROM (VALUES {_tuples(7, len(later))}) AS new "
            "WHERE inbox_marks.consumer=new.column1 AND inbox_marks.source=new.column2 "
            "AND inbox_marks.partition=new.column3 AND inbox_marks.position=new.column7 RETURNING 1"
        )
        yield _Update(execute(put, [*chain.from_iterable(later)]), len(later), gone)


def _write_versions(execute: Execute, receipts: Sequence[Receipt]) -> Iterator[_Update]:
    new: list[Sequence[Any]] = []
    known: list[Sequence[Any]] = []
    for receipt in receipts:
        for key, version in sorted(receipt.new_versions.items()):
            moving = new if key in receipt.first_seen else known
            moving.append((receipt.consumer, receipt.source, key, version))
    # First facts are inserted only: an upsert would let a duplicate pass together with the next fact.
    yield from _put_versions(execute, new, "DO NOTHING")
    yield from _put_versions(
        execute,
        known,
        "(consumer, source, aggregate_id) DO UPDATE SET version=excluded.version "
        "WHERE inbox_versions.version<excluded.version",
    )


def _put_versions(execute: Execute, rows: Sequence[Sequence[Any]], on_conflict: str) -> Iterator[_Update]:
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        put = (
            f"INSERT INTO inbox_versions VALUES {_tuples(4, len(some))} ON CONFLICT {on_conflict} RETURNING 1"
        )
        yield _Update(
            execute(put, [*chain.from_iterable(some)]),
            len(some),
            "another worker has received a fact",
        )


def _tuples(width: int, number: int) -> str:
    return ",".join(["(" + ",".join("?" * width) + ")"] * number)
