"""The stored tree of a log: tiles in the log's own database, beside the events.

Level 0 of the tiles holds leaf hashes, level 1 the roots of full tiles of level 0, and so on; the last tile of a level
is rewritten as it grows. The position moves in the transaction that writes tiles.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.audit import merkle
from shared.audit.checkpoint import Checkpoint, PublicKey, Shown
from shared.audit.merkle import HASH, TILE
from shared.database.execute import Execute
from shared.log.recorder import LeafRow, LogRecorder


@dataclass(frozen=True)
class TreePosition:
    """The size of the tree, and the log position of its last event."""

    size: int
    position: int


@dataclass(frozen=True)
class Tile:
    """At most 256 hashes of one level of the tree."""

    level: int
    index: int
    first_position: int
    hashes: bytes


@dataclass(frozen=True)
class Signed:
    """A stored checkpoint; ids run from 1."""

    id: int
    size: int
    made_at: datetime
    note: str


class Tree:
    """One log's tree. Every method raises the database's errors."""

    def __init__(self, log: "LogRecorder") -> None:
        self._log = log

    def position(self) -> TreePosition:
        """Its size and position."""
        with self._log.reading() as execute:
            return _stored_position(execute)

    def tile(self, level: int, index: int) -> Tile | None:
        """A stored tile."""
        with self._log.reading() as execute:
            return _tile(execute, level, index)

    def tiles(self, level: int, start: int = 0, limit: int | None = None) -> Iterator[Tile]:
        """A level's tiles from ``start`` on, in order; at most ``limit``."""
        left = limit or 2**62
        while left > 0:
            at_once = min(left, 256)
            with self._log.reading() as execute:
                rows = execute(
                    "SELECT idx, first_position, hashes FROM seal_tiles "
                    "WHERE level=? AND idx>=? ORDER BY idx LIMIT ?",
                    (level, start, at_once),
                )
            for index, first, hashes in rows:
                yield Tile(level, index, first, bytes(hashes))
            if len(rows) < at_once:
                return
            start, left = rows[-1][0] + 1, left - len(rows)

    def nodes(self) -> merkle.Nodes:
        """The tree's nodes, for roots and proofs; each tile is read once. Raise ValueError where one is missing."""

        def hashes_of(level: int, index: int) -> bytes:
            found = self.tile(level, index)
            if found is None:
                raise ValueError(f"tile {level}/{index} is missing")
            return found.hashes

        return merkle.nodes_of_tiles(hashes_of)

    def index_of(self, position: int) -> int | None:
        """The index of the event at this position, or None."""
        with self._log.reading() as execute:
            if position > _stored_position(execute).position:
                return None
            rows = execute(
                "SELECT idx, first_position FROM seal_tiles WHERE level=0 AND first_position<=? "
                "ORDER BY idx DESC LIMIT 1",
                (position,),
            )
        if not rows:
            return None
        index, first = rows[0]
        positions = [row[0] for row in self._log.leaf_rows(first - 1, TILE)]
        return index * TILE + positions.index(position) if position in positions else None

    def rows_after(self, position: TreePosition, limit: int) -> list[LeafRow]:
        """The events of the log after ``position``."""
        return self._log.leaf_rows(position.position, limit)

    def extend(self, position: TreePosition, rows: Sequence[LeafRow]) -> TreePosition | None:
        """Add the events after ``position``; the new position, or None if another process has moved it.

        Raises what merkle.leaf_hash raises for a row that cannot be an event.
        """
        if not rows:
            return position
        changed = list(self._changed(position, merkle.leaf_hashes(rows), [row[0] for row in rows]))
        new = TreePosition(position.size + len(rows), rows[-1][0])
        with self._log.writing() as execute:
            # The position first: a SQLite transaction that read before it wrote could fail for another writer.
            moved = execute(
                "UPDATE seal_mark SET size=?, position=? WHERE one=1 AND size=? AND position=? RETURNING size",
                (new.size, new.position, position.size, position.position),
            )
            if not moved:
                return None
            for tile in changed:
                execute(
                    "INSERT INTO seal_tiles VALUES (?,?,?,?) "
                    "ON CONFLICT (level, idx) DO UPDATE SET hashes=excluded.hashes",
                    (tile.level, tile.index, tile.first_position, tile.hashes),
                )
        return new

    def _changed(self, position: TreePosition, hashes: list[bytes], positions: list[int]) -> Iterator[Tile]:
        """The tiles that the new leaf hashes change, level by level."""
        level, size = 0, position.size
        while hashes:
            index, used = divmod(size, TILE)
            first = positions[0]
            if used:
                last = self.tile(level, index)
                if last is None or len(last.hashes) != used * HASH:
                    raise ValueError(f"tile {level}/{index} does not hold the {used} hashes that it should")
                hashes = merkle.cut(last.hashes) + hashes
                positions = [last.first_position] * used + positions
            above: list[bytes] = []
            above_first: list[int] = []
            for start in range(0, len(hashes), TILE):
                part = hashes[start : start + TILE]
                first = positions[start]
                yield Tile(level, index + start // TILE, first, b"".join(part))
                if len(part) == TILE:
                    above.append(merkle.tile_root(part))
                    above_first.append(first)
            hashes, positions, size, level = above, above_first, size // TILE, level + 1

    # --- checkpoints and keys ---

    def last(self) -> Signed | None:
        """The latest checkpoint."""
        return next(iter(self.checkpoints(newest=1)), None)

    def checkpoints(
        self, *, after: int = 0, newest: int | None = None, limit: int | None = None
    ) -> list[Signed]:
        """Checkpoints in order; or the ``newest``, latest first."""
        order = f"ORDER BY id{'' if newest is None else ' DESC'} LIMIT ?"
        return self._signed(f"id>? {order}", after, newest or limit or 1_000_000_000)

    def at_size(self, size: int) -> Signed | None:
        """The latest checkpoint of exactly that size."""
        return next(iter(self._signed("size=? ORDER BY id DESC LIMIT 1", size)), None)

    def _signed(self, which: str, *values: int) -> list[Signed]:
        with self._log.reading() as execute:
            rows = execute(f"SELECT id, size, made_at, note FROM seal_checkpoints WHERE {which}", values)
        return [Signed(row[0], row[1], datetime.fromisoformat(row[2]), row[3]) for row in rows]

    def shown(self) -> list[Shown]:
        """The database's checkpoints, for verification."""
        return [Shown(f"database {one.id}", one.note) for one in self.checkpoints()]

    def keys(self) -> list[PublicKey]:
        """The public keys in order. Raises BadNote."""
        with self._log.reading() as execute:
            return [PublicKey.parse(row[0]) for row in execute("SELECT vkey FROM seal_keys ORDER BY id", ())]

    def add_checkpoint(self, checkpoint: Checkpoint, note: str, keys: Iterable[PublicKey] = ()) -> None:
        """Store a signed checkpoint, and the keys that it introduces, in one transaction.

        Raises IntegrityError if another process has kept one at the same moment.
        """
        with self._log.writing() as execute:
            execute(
                "INSERT INTO seal_checkpoints "
                "SELECT coalesce(max(id), 0) + 1, CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT) "
                "FROM seal_checkpoints",
                (checkpoint.size, checkpoint.time.astimezone(UTC).isoformat(), note),
            )
            for key in keys:
                execute(
                    "INSERT INTO seal_keys SELECT coalesce(max(id), 0) + 1, CAST(? AS TEXT) FROM seal_keys",
                    (str(key),),
                )

    # --- deliveries ---

    def delivered(self, target: str) -> int:
        """The id of the last checkpoint delivered to a target."""
        with self._log.reading() as execute:
            rows = execute("SELECT checkpoint FROM seal_deliveries WHERE target=?", (target,))
        return int(rows[0][0]) if rows else 0

    def has_delivered(self, target: str, checkpoint: int) -> None:
        """Record that a target has the checkpoints up to this id."""
        with self._log.writing() as execute:
            execute(
                "INSERT INTO seal_deliveries VALUES (?,?) "
                "ON CONFLICT (target) DO UPDATE SET checkpoint=excluded.checkpoint",
                (target, checkpoint),
            )


def _stored_position(execute: Execute) -> TreePosition:
    rows = execute("SELECT size, position FROM seal_mark WHERE one=1", ())
    return TreePosition(*rows[0]) if rows else TreePosition(0, 0)


def _tile(execute: "Execute", level: int, index: int) -> Tile | None:
    rows = execute("SELECT first_position, hashes FROM seal_tiles WHERE level=? AND idx=?", (level, index))
    return Tile(level, index, rows[0][0], bytes(rows[0][1])) if rows else None
