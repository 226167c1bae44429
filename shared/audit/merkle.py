"""The Merkle tree over a log: leaves, roots, proofs (RFC 9162 §2), and its tiles (C2SP tlog-tiles).

The leaf of an event does not know its position, so that it stays the same on every recorder::

    b"duban-leaf-v1\\n" ‖ aggregate id (16 bytes) ‖ version (8 bytes, big endian)
                       ‖ length of the topic (2 bytes, big endian) ‖ topic (UTF-8) ‖ state, byte for byte as stored

Leaf hash = SHA-256(0x00 ‖ leaf), node = SHA-256(0x01 ‖ left ‖ right). The leaf's index is the event's place in log
order, from 0.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from shared.log.recorder import LeafRow

HASH = 32
"""Bytes of a hash."""
TILE = 256
"""Hashes of a full tile."""
HEIGHT = 8
"""Levels of the tree that a tile spans: 2 ** 8 = 256."""
EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""
LEAF_PREFIX = b"\x00duban-leaf-v1\n"
_HEAD = struct.Struct(">16sQH")

Nodes = Callable[[int, int], bytes]
"""(level, index) → the root of the complete subtree of ``2 ** level`` leaves that begins at leaf index·2**level."""


class ProofIsWrong(Exception):
    """A proof does not prove what it was shown for; the text says why."""


NOT_AN_EVENT = (struct.error, TypeError, AttributeError, ValueError)
"""What hashing raises for a row that cannot be an event."""


def leaf_hash(aggregate_id: bytes, version: int, topic: str, state: bytes) -> bytes:
    """The leaf hash of an event. Raises NOT_AN_EVENT."""
    name = topic.encode()
    if len(aggregate_id) != 16:
        raise ValueError("an aggregate id has 16 bytes")
    return sha256(LEAF_PREFIX + _HEAD.pack(aggregate_id, version, len(name)) + name + state).digest()


def leaf_hashes(rows: Iterable[LeafRow]) -> list[bytes]:
    """The leaf hashes of many rows, fast. Raises NOT_AN_EVENT."""
    pack, prefix = _HEAD.pack, LEAF_PREFIX
    names: dict[str | None, tuple[int, bytes]] = {}
    hashes = []
    for _, aggregate_id, version, topic, state in rows:
        name = names.get(topic)
        if name is None:
            encoded = topic.encode()  # type: ignore[union-attr]  # None raises, as it should
            name = names[topic] = (len(encoded), encoded)
        hashes.append(sha256(prefix + pack(aggregate_id, version, name[0]) + name[1] + state).digest())
    return hashes


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def level_above(hashes: Sequence[bytes]) -> list[bytes]:
    """The next level of a row of nodes; one left over at the end has no parent yet and is left out."""
    return [sha256(b"\x01" + a + b).digest() for a, b in zip(hashes[0::2], hashes[1::2], strict=False)]


def tile_root(hashes: Sequence[bytes]) -> bytes:
    """The one hash above a full tile, or above any other power of two of hashes."""
    while len(hashes) > 1:
        hashes = level_above(hashes)
    return hashes[0]


def split_point(size: int) -> int:
    """The largest power of two that is smaller than ``size`` (RFC 9162 §2.1.1: k)."""
    return 1 << ((size - 1).bit_length() - 1)


def root(nodes: Nodes, size: int) -> bytes:
    """The root of the tree's first ``size`` leaves."""
    return _root(nodes, 0, size) if size else EMPTY


def _root(nodes: Nodes, start: int, size: int) -> bytes:
    if size & (size - 1) == 0:  # start is a multiple of it: complete subtrees only
        level = size.bit_length() - 1
        return nodes(level, start >> level)
    k = split_point(size)
    return node_hash(_root(nodes, start, k), _root(nodes, start + k, size - k))


def inclusion_proof(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) (RFC 9162 §2.1.3.1). Raises ValueError if there is no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    path = []
    start = 0
    while size > 1:
        k = split_point(size)
        if index < k:
            path.append(_root(nodes, start + k, size - k))
            size = k
        else:
            path.append(_root(nodes, start, k))
            start, index, size = start + k, index - k, size - k
    return path[::-1]


def consistency_proof(nodes: Nodes, first: int, second: int) -> list[bytes]:
    """PROOF(first, D[second]) (RFC 9162 §2.1.4.1). Raises ValueError unless 0 < first ≤ second."""
    if not 0 < first <= second:
        raise ValueError(f"no proof from {first} to {second}")
    path = []
    start, size, whole = 0, second, True
    while first != size:
        k = split_point(size)
        if first <= k:
            path.append(_root(nodes, start + k, size - k))
            size = k
        else:
            path.append(_root(nodes, start, k))
            start, first, size, whole = start + k, first - k, size - k, False
    if not whole:
        path.append(_root(nodes, start, size))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], known_root: bytes) -> None:
    """RFC 9162 §2.1.3.2: the leaf stands at ``index`` of the tree of ``size`` with that root. Raises ProofIsWrong."""
    if not 0 <= index < size:
        raise ProofIsWrong(f"there is no leaf {index} in a tree of {size}")
    _check_hashes([leaf, known_root, *path])
    number, last, found = index, size - 1, leaf
    for one in path:
        if last == 0:
            raise ProofIsWrong("the path is too long")
        if number & 1 or number == last:
            found = node_hash(one, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, one)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise ProofIsWrong("the path is too short")
    if found != known_root:
        raise ProofIsWrong("the path leads to another root")


def check_consistency(
    first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes
) -> None:
    """RFC 9162 §2.1.4.2: the tree of ``second`` leaves only adds to that of ``first``. Raises ProofIsWrong."""
    if not 0 < first <= second:
        raise ProofIsWrong(f"a tree of {second} cannot follow one of {first}")
    _check_hashes([first_root, second_root, *path])
    if first == second:
        if path or first_root != second_root:
            raise ProofIsWrong("one size, and not one root with an empty path")
        return
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    if not steps:
        raise ProofIsWrong("the path is too short")
    number, last = first - 1, second - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = steps[0]
    for one in steps[1:]:
        if last == 0:
            raise ProofIsWrong("the path is too long")
        if number & 1 or number == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, one)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise ProofIsWrong("the path is too short")
    if old != first_root:
        raise ProofIsWrong("the path does not lead to the first root")
    if new != second_root:
        raise ProofIsWrong("the path does not lead to the second root")


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(one) != HASH for one in hashes):
        raise ProofIsWrong("a hash has 32 bytes")


# --- tiles -----------------------------------------------------------------------------------------------


def cut(hashes: bytes) -> list[bytes]:
    """A tile's bytes as its hashes."""
    return [hashes[at : at + HASH] for at in range(0, len(hashes), HASH)]


def tile_widths(size: int) -> list[int]:
    """How many hashes each level of tiles holds in a tree of ``size`` leaves, from the leaves up; none is empty."""
    widths = []
    while size:
        widths.append(size)
        size //= TILE
    return widths


def tile_path(level: int, index: int, width: int = TILE) -> str:
    """Where C2SP tlog-tiles keeps a tile: ``tile/0/x001/x234/067``, a partial one ``….p/<width>``."""
    parts = [f"{index % 1000:03d}"]
    while index := index // 1000:
        parts.append(f"x{index % 1000:03d}")
    partial = "" if width == TILE else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(parts))}{partial}"


def nodes_of_tiles(tile: Callable[[int, int], bytes]) -> Nodes:
    """Nodes read from tiles; ``tile(level, index)`` gives a tile's bytes, which may hold more than is asked."""
    known: dict[tuple[int, int], bytes] = {}

    def node(level: int, index: int) -> bytes:
        above, inside = divmod(level, HEIGHT)
        width = 1 << inside
        first = index << inside
        place = (above, first // TILE)
        if place not in known:
            known[place] = tile(*place)
        start = first % TILE * HASH
        hashes = cut(known[place][start : start + width * HASH])
        if len(hashes) != width or len(hashes[-1]) != HASH:
            raise ValueError(f"tile {above}/{place[1]} is too short")
        return tile_root(hashes)

    return node


class Peaks:
    """The roots of the complete subtrees of a growing tree, tile by tile: all that its root needs."""

    def __init__(self) -> None:
        self._tiles = 0
        self._peaks: list[bytes] = []
        """Of the full tiles, the largest subtree first."""

    def add(self, root_of_tile: bytes) -> None:
        """One more full tile."""
        self._tiles += 1
        count = self._tiles
        while count & 1 == 0:
            root_of_tile = node_hash(self._peaks.pop(), root_of_tile)
            count >>= 1
        self._peaks.append(root_of_tile)

    def root(self, partial: Sequence[bytes]) -> bytes:
        """The root of the full tiles and the leaf hashes that follow them: none, or up to a tile's."""
        peaks = list(self._peaks)
        if partial:
            whole = len(partial) == TILE
            leaves = nodes_of_tiles(lambda *_: b"".join(partial))
            peaks.append(tile_root(partial) if whole else root(leaves, len(partial)))
        if not peaks:
            return EMPTY
        found = peaks.pop()
        while peaks:
            found = node_hash(peaks.pop(), found)
        return found
