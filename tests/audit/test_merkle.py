"""Proofs over a tree: RFC 9162's, against an oracle written straight from its definitions, and the known vectors."""

import random
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any

import pytest

from shared.audit import merkle
from shared.audit.merkle import ProofIsWrong, check_consistency, check_inclusion

LEAVES = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
]
"""The eight leaves of certificate-transparency's own tests (merkletree/merkle_tree_test.cc) and their roots."""
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS: list[tuple[int, int, list[str]]] = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
PROOFS: list[tuple[int, int, list[str]]] = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
SIZES = 300


def hashed(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def as_bytes(path: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in path]


# --- the oracle: RFC 9162 §2.1 as it stands there, recursively ------------------------------------------------

OWN = [hashed(b"%d" % number) for number in range(SIZES)]


@cache
def mth(start: int, end: int) -> bytes:
    if start == end:
        return sha256(b"").digest()
    if end - start == 1:
        return OWN[start]
    k = 1
    while k * 2 < end - start:
        k *= 2
    return sha256(b"\x01" + mth(start, start + k) + mth(start + k, end)).digest()


def path_of(m: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    k = 1
    while k * 2 < end - start:
        k *= 2
    if m < k:
        return [*path_of(m, start, start + k), mth(start + k, end)]
    return [*path_of(m - k, start + k, end), mth(start, start + k)]


def subproof(m: int, start: int, end: int, whole: bool) -> list[bytes]:
    if m == end - start:
        return [] if whole else [mth(start, end)]
    k = 1
    while k * 2 < end - start:
        k *= 2
    if m <= k:
        return [*subproof(m, start, start + k, whole), mth(start + k, end)]
    return [*subproof(m - k, start + k, end, False), mth(start, start + k)]


def tile(level: int, index: int) -> bytes:
    span = 256**level
    return b"".join(
        mth(at * span, (at + 1) * span)
        for at in range(index * 256, (index + 1) * 256)
        if (at + 1) * span <= SIZES
    )


def own_nodes() -> merkle.Nodes:
    return merkle.nodes_of_tiles(tile)


NODES = own_nodes()


def refused(check: Callable[[], None]) -> None:
    with pytest.raises(ProofIsWrong):
        check()


# --- vectors ---------------------------------------------------------------------------------------------


def vector_nodes() -> merkle.Nodes:
    return merkle.nodes_of_tiles(lambda *_: b"".join(map(hashed, LEAVES)))


@pytest.mark.parametrize("size", range(9))
def test_the_known_roots_come_out(size: int) -> None:
    assert merkle.root(vector_nodes(), size).hex() == ROOTS[size]
    assert merkle.Peaks().root([hashed(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_the_known_inclusion_proofs_come_out_and_are_accepted(index: int, size: int, path: list[str]) -> None:
    assert merkle.inclusion_proof(vector_nodes(), index, size) == as_bytes(path)
    check_inclusion(hashed(LEAVES[index]), index, size, as_bytes(path), bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("first", "second", "path"), PROOFS)
def test_the_known_consistency_proofs_come_out_and_are_accepted(
    first: int, second: int, path: list[str]
) -> None:
    assert merkle.consistency_proof(vector_nodes(), first, second) == as_bytes(path)
    check_consistency(
        first, second, as_bytes(path), bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second])
    )


def test_the_leaf_of_an_event_is_what_is_documented() -> None:
    state = b'{"unit":"fgw"}'
    leaf = (
        b"duban-leaf-v1\n" + bytes(range(16)) + (7).to_bytes(8, "big") + b"\x00\x06" + "任务".encode() + state
    )
    assert merkle.leaf_hash(bytes(range(16)), 7, "任务", state) == hashed(leaf)
    assert merkle.leaf_hashes([(99, bytes(range(16)), 7, "任务", state)]) == [hashed(leaf)]


# --- every size ------------------------------------------------------------------------------------------


def test_every_root_is_the_oracles() -> None:
    peaks = merkle.Peaks()
    for size in range(SIZES + 1):
        assert merkle.root(NODES, size) == mth(0, size)
        assert peaks.root(OWN[size // 256 * 256 : size]) == mth(0, size)
        if size and size % 256 == 255:
            peaks.add(merkle.tile_root(OWN[size - 255 : size + 1]))


def mutations(path: list[bytes], chance: random.Random) -> list[list[bytes]]:
    """The path with one bit flipped, one hash dropped, appended, doubled, or two exchanged."""
    found = [[*path, bytes(32)], [*path, chance.choice(OWN)], [bytes(32), *path]]
    for at in range(len(path)):
        flipped = bytearray(path[at])
        flipped[chance.randrange(32)] ^= 1 << chance.randrange(8)
        found.append([*path[:at], bytes(flipped), *path[at + 1 :]])
        found.append([*path[:at], *path[at + 1 :]])
        found.append([*path[: at + 1], *path[at:]])
        found.append([*path[:at], path[at][:31], *path[at + 1 :]])
    if len(path) > 1:
        found.append([path[1], path[0], *path[2:]])
    return found


def test_every_inclusion_proof_is_accepted_and_every_mutated_one_refused() -> None:
    chance = random.Random(9162)
    mutated = 0
    for size in range(1, SIZES + 1):
        indexes = range(size) if size <= 48 else sorted({0, size - 1, *chance.sample(range(size), 6)})
        for index in indexes:
            path = merkle.inclusion_proof(NODES, index, size)
            assert path == path_of(index, 0, size)
            check_inclusion(OWN[index], index, size, path, mth(0, size))
            wrong: list[tuple[Any, ...]] = [
                (OWN[index], index, size, one, mth(0, size)) for one in mutations(path, chance)
            ]
            wrong += [
                (OWN[(index + 1) % SIZES], index, size, path, mth(0, size)),
                (OWN[index], index + 1, size, path, mth(0, size)),
                (OWN[index], index - 1, size, path, mth(0, size)),
                (OWN[index], index, index, path, mth(0, size)),
                (OWN[index], index, size, path, mth(0, size - 1)),
                (OWN[index], index, size, path, bytes(32)),
            ]
            mutated += len(wrong)
            for one in wrong:
                refused(lambda one=one: check_inclusion(*one))  # type: ignore[misc]
    assert mutated > 50_000


def test_every_consistency_proof_is_accepted_and_every_mutated_one_refused() -> None:
    chance = random.Random(2021)
    mutated = 0
    for second in range(1, SIZES + 1):
        firsts = (
            range(1, second + 1)
            if second <= 40
            else sorted({1, second, second - 1, *chance.sample(range(1, second), 6)})
        )
        for first in firsts:
            path = merkle.consistency_proof(NODES, first, second)
            assert path == subproof(first, 0, second, True)
            check_consistency(first, second, path, mth(0, first), mth(0, second))
            wrong: list[tuple[Any, ...]] = [
                (first, second, one, mth(0, first), mth(0, second)) for one in mutations(path, chance)
            ]
            wrong += [
                (first, second, path, bytes(32), mth(0, second)),
                (first, second, path, mth(0, first), bytes(32)),
                (second + 1, second, path, mth(0, first), mth(0, second)),
                (0, second, path, mth(0, first), mth(0, second)),
            ]
            if first != second:
                wrong.append((first, second, path, mth(0, second), mth(0, first)))
            mutated += len(wrong)
            for one in wrong:
                refused(lambda one=one: check_consistency(*one))  # type: ignore[misc]
    assert mutated > 40_000


def test_no_proof_is_given_for_what_is_not_there() -> None:
    for index, size in [(-1, 5), (5, 5), (0, 0)]:
        with pytest.raises(ValueError, match="no leaf"):
            merkle.inclusion_proof(NODES, index, size)
    for first, second in [(0, 5), (6, 5), (-1, 2)]:
        with pytest.raises(ValueError, match="no proof"):
            merkle.consistency_proof(NODES, first, second)


def test_tiles_have_the_standard_paths() -> None:
    assert merkle.tile_path(0, 0) == "tile/0/000"
    assert merkle.tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert merkle.tile_path(1, 5, 17) == "tile/1/005.p/17"
    assert merkle.tile_widths(0) == []
    assert merkle.tile_widths(70_000) == [70_000, 273, 1]
