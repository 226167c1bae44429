"""The evidence that ``verification`` needs, from a log's database and from its copy outside."""

from collections.abc import Iterator, Sequence

from shared.audit.checkpoint import PublicKey, Shown
from shared.audit.places import Outside
from shared.audit.tree import Tree
from shared.audit.verification import Evidence, Tiles
from shared.log.recorder import LeafRow, LogRecorder

BATCH = 8192
"""Rows per read: whole tiles."""
BEFORE_ALL = -(2**63)
"""Also finds a row inserted before the first one."""


def evidence_of(
    log: LogRecorder,
    service: str,
    origin: str,
    *,
    outside: Outside | None = None,
    others: Sequence[Shown] = (),
    first_key: PublicKey | None = None,
) -> Evidence:
    """All that there is of one log; without ``first_key`` its own first key is trusted, which proves less.

    Raises BadNote for a public key that cannot be read; while rows are read, the database's errors.
    """
    tree = Tree(log)
    # In this order: a growing log then has more than its checkpoints, position and tiles say, never less.
    checkpoints, end = tree.shown(), tree.position()
    if first_key is None:
        first_key = outside.first_key() if outside is not None else next(iter(tree.keys()), None)
    return Evidence(
        service=service,
        origin=origin,
        rows=batches(log),
        size=end.size,
        position=end.position,
        tiles=_ahead(tree),
        outside=None if outside is None else outside.tile,
        outside_size=0 if outside is None else outside.size(),
        checkpoints=checkpoints,
        other_checkpoints=[*([] if outside is None else outside.notes()), *others],
        first_key=first_key,
    )


def batches(log: LogRecorder) -> Iterator[Sequence[LeafRow]]:
    """All rows of a log in order, in batches."""
    after = BEFORE_ALL
    while rows := log.leaf_rows(after, BATCH):
        yield rows
        after = rows[-1][0]


def _ahead(tree: Tree) -> Tiles:
    """Tiles of level 0 are needed in order: several are read at once."""
    known: dict[tuple[int, int], bytes] = {}

    def tile(level: int, index: int) -> bytes | None:
        if (level, index) not in known:
            known.clear()
            for one in tree.tiles(level, index, limit=64):
                known[level, one.index] = one.hashes
        return known.get((level, index))

    return tile
