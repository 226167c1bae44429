"""Verifies a log against its seal: recomputes everything from the rows and names the first difference (核验).

A pure function: rows, stored tiles and checkpoints in, a report out. SQLite, PostgreSQL and outside copies share it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.audit import merkle
from shared.audit.checkpoint import Checkpoint, PublicKey, Read, Shown, read_checkpoints
from shared.audit.merkle import HASH, TILE, Peaks
from shared.domain.words import Title, moment_said
from shared.log.recorder import LeafRow

WINDOW = 65_536
"""The number of events after the first bad one that are compared, to tell removed, inserted, reordered and changed
events apart."""
MOST = 20
"""The most findings of one kind that are listed; the others are counted."""

Tiles = Callable[[int, int], bytes | None]
"""(level, index) → the stored bytes of a tile, or None if it is missing."""


@dataclass(frozen=True)
class Finding:
    """One difference from what was sealed; ``index`` counts events in log order from 0."""

    kind: str
    zh: str
    en: str
    index: int | None = None
    position: int | None = None
    """In the log. Where events are missing, the first position after the last good event."""
    aggregate: str | None = None
    version: int | None = None

    def text(self, language: str) -> str:
        """The finding as a sentence, with its location."""
        zh = language == "zh"
        names = (
            ("位置 {}", "第 {} 叶", "聚合 {}", "第 {} 版")
            if zh
            else ("position {}", "leaf {}", "aggregate {}", "version {}")
        )
        values = (self.position, self.index, self.aggregate, self.version)
        place = [name.format(value) for name, value in zip(names, values, strict=True) if value is not None]
        if not place:
            return self.zh if zh else self.en
        return f"{self.zh}（{'，'.join(place)}）" if zh else f"{self.en} ({', '.join(place)})"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The input for one service's log; everything but ``rows`` was read before the rows."""

    service: str
    origin: str
    rows: Iterable[Sequence[LeafRow]]
    """All rows in log order, in batches of any length."""
    size: int
    """The number of rows in the stored tree."""
    position: int | None = None
    """The position at which the stored tree ends."""
    tiles: Tiles
    """The tree stored beside the log."""
    outside: Tiles | None = None
    """The tiles of the outside copy, if there is one."""
    outside_size: int = 0
    checkpoints: Sequence[Shown] = ()
    """Those stored in the database."""
    other_checkpoints: Sequence[Shown] = ()
    """Those kept outside the database."""
    first_key: PublicKey | None


@dataclass
class Report:
    """The result for one service's log."""

    service: str
    events: int = 0
    sealed: int = 0
    """The number of events in the tree; later ones are not sealed yet."""
    checkpoints: int = 0
    """The number of checkpoints signed by the chain of keys."""
    proven: int = 0
    """The number of events, from the first one on, that a checkpoint proves."""
    findings: list[Finding] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether there are no findings."""
        return not self.findings

    @property
    def verdict(self) -> Title:
        """The result in a word: what was held against nothing neither holds nor does not."""
        if not self.holds:
            return Title("有问题", "DOES NOT HOLD")
        if self.proven:
            return Title("完好", "holds")
        if self.events:
            return Title("尚未封存，未核验", "not sealed yet: NOT VERIFIED (duban audit checkpoint seals it)")
        return Title("没有事件，未核验", "no events: nothing to verify")

    @property
    def first(self) -> Finding | None:
        """The finding with the lowest index; if none has an index, the first one."""
        placed = [one for one in self.findings if one.index is not None]
        return min(placed, key=lambda one: one.index or 0) if placed else next(iter(self.findings), None)

    def as_json(self) -> Mapping[str, Any]:
        """The report as plain data."""
        return {
            "service": self.service,
            "holds": self.holds,
            "verdict": self.verdict.en,
            "events": self.events,
            "sealed": self.sealed,
            "proven": self.proven,
            "checkpoints": self.checkpoints,
            "keys": self.keys,
            "findings": [vars(one) for one in self.findings],
        }


@dataclass
class _Difference:
    """The first difference between the rows and a stored tree, and what both hold from there on."""

    index: int
    position: int
    """Of the row at ``index``; without one, the position after the last row."""
    rows: list[LeafRow]
    hashes: list[bytes]
    before: int
    """The position of the last good row."""


def verify(evidence: Evidence, progress: Callable[[int], None] = lambda _: None) -> Report:
    """Recompute everything. ``progress`` is called with the number of events read."""
    read = read_checkpoints(
        evidence.origin, evidence.first_key, [*evidence.other_checkpoints, *evidence.checkpoints]
    )
    walk = _Walk(evidence, sorted({checkpoint.size for _, checkpoint in read.held}))
    walk.through(progress)
    report = Report(
        evidence.service,
        events=walk.count,
        sealed=min(evidence.size, walk.count),
        checkpoints=len(read.held),
        keys=[str(key) for key in read.keys],
    )
    bad = [(where, one) for where, one in read.held if walk.roots.get(one.size, one.root) != one.root]
    good = [(where, one) for where, one in read.held if walk.roots.get(one.size) == one.root]
    in_database = {one.where for one in evidence.checkpoints}
    if any(where not in in_database for where, _ in bad):
        # An attacker who has the key may have signed a rewritten log: then only checkpoints kept outside count.
        good = [(where, one) for where, one in good if where not in in_database]
    holds = [one.size for _, one in good if all(one.size < wrong.size for _, wrong in bad)]
    report.findings += _of_trees(evidence, walk, read, [one.size for _, one in good])
    report.findings += _of_rows(walk)
    report.findings += _of_roots(walk, read, bad, holds, report.findings)
    report.findings += _of_checkpoints(evidence, read)
    first = report.first
    ends = [first.index] if first is not None and first.index is not None else []
    report.proven = min([max(holds, default=0), *ends])
    return report


class _Walk:
    """One pass over the rows."""

    def __init__(self, evidence: Evidence, sizes: Sequence[int]) -> None:
        self.evidence = evidence
        self.count = 0
        self.roots: dict[int, bytes] = {}
        """The recomputed root at each checkpoint's size, as far as the log reaches."""
        self.behind: dict[int, LeafRow] = {}
        """The row after each checkpoint's size."""
        self.last_position = 0
        self.first_bad_row: Finding | None = None
        self.holes: list[tuple[int, LeafRow, int]] = []
        """Index, row, and the expected version."""
        self.more_holes = 0
        self.differences: dict[str, _Difference] = {}
        """By stored tree: ``database`` or ``outside``."""
        self.missing: dict[str, tuple[int, int]] = {}
        """The first tile (level, index) that a stored tree lacks."""
        self.sealed_position: int | None = None
        """The position of the last row in the tree."""
        self.tile_roots: list[bytes] = []
        self._sizes = sizes
        self._kept = {"database": (evidence.tiles, evidence.size)}
        if evidence.outside is not None:
            self._kept["outside"] = (evidence.outside, evidence.outside_size)

    def through(self, progress: Callable[[int], None]) -> None:
        """Read all rows once."""
        peaks = Peaks()
        if 0 in self._sizes:
            self.roots[0] = merkle.EMPTY
        versions: dict[bytes | None, int] = {}
        wanted = set(self._sizes)
        for rows in _by_tile(self.evidence.rows):
            hashes = self._hashes(rows)
            self._check_versions(rows, versions)
            for name, (tiles, size) in self._kept.items():
                self._compare(name, tiles, size, rows, hashes)
            start, end = self.count, self.count + len(rows)
            for size in [*({start} & wanted), *(size for size in self._sizes if start < size <= end)]:
                if size > start:
                    self.roots[size] = peaks.root(hashes[: size - start])
                if size < end:
                    self.behind[size] = rows[size - start]
            if start < self.evidence.size <= end:
                self.sealed_position = rows[self.evidence.size - start - 1][0]
            self.count, self.last_position = end, rows[-1][0]
            if len(rows) == TILE:
                self.tile_roots.append(merkle.tile_root(hashes))
                peaks.add(self.tile_roots[-1])
            progress(self.count)
        for name, (_, size) in self._kept.items():
            if self.count < size and name not in self.differences and name not in self.missing:
                self.differences[name] = _Difference(
                    self.count, self.last_position + 1, [], [], self.last_position
                )

    def _hashes(self, rows: Sequence[LeafRow]) -> list[bytes]:
        try:
            return merkle.leaf_hashes(rows)
        except merkle.NOT_AN_EVENT:
            return [self._hash(self.count + place, row) for place, row in enumerate(rows)]

    def _hash(self, index: int, row: LeafRow) -> bytes:
        position, aggregate_id, version, topic, state = row
        try:
            if aggregate_id is None or topic is None:
                raise TypeError("no aggregate id, version, topic and state as an event has them")
            return merkle.leaf_hash(aggregate_id, version, topic, state)
        except merkle.NOT_AN_EVENT as error:
            if self.first_bad_row is None:
                self.first_bad_row = Finding(
                    "not_an_event",
                    "这一行不是事件，可能被改写",
                    f"this row cannot be an event: {error}",
                    index,
                    position,
                    _id(aggregate_id),
                )
            return bytes(HASH)

    def _check_versions(self, rows: Sequence[LeafRow], versions: dict[bytes | None, int]) -> None:
        known = versions.get
        for place, row in enumerate(rows):
            aggregate_id, version = row[1], row[2]
            if row[3] is None:
                version = known(aggregate_id, 0) + 1  # reported by _hash: this row is not an event
            elif version != known(aggregate_id, 0) + 1:
                if len(self.holes) < MOST:
                    self.holes.append((self.count + place, row, known(aggregate_id, 0) + 1))
                else:
                    self.more_holes += 1
            versions[aggregate_id] = version

    def _compare(
        self, name: str, tiles: Tiles, size: int, rows: Sequence[LeafRow], hashes: list[bytes]
    ) -> None:
        if name in self.missing:
            return
        if name in self.differences:
            found = self.differences[name]
            if len(found.hashes) < WINDOW:
                found.rows += rows
                found.hashes += hashes
            return
        width = min(TILE, size - self.count)
        if width <= 0:
            return
        kept = tiles(0, self.count // TILE)
        if kept is None or len(kept) < width * HASH:
            self.missing[name] = (0, self.count // TILE)
            return
        have = b"".join(hashes[:width])
        if have == kept[: len(have)]:
            return
        place = next(at for at, one in enumerate(hashes) if one != kept[at * HASH : (at + 1) * HASH])
        self.differences[name] = _Difference(
            self.count + place,
            rows[place][0],
            list(rows[place:]),
            hashes[place:],
            rows[place - 1][0] if place else self.last_position,
        )


def _by_tile(batches: Iterable[Sequence[LeafRow]]) -> Iterator[Sequence[LeafRow]]:
    rest: Sequence[LeafRow] = []
    for batch in batches:
        rows = [*rest, *batch] if rest else batch
        full = len(rows) // TILE * TILE
        for start in range(0, full, TILE):
            yield rows[start : start + TILE]
        rest = rows[full:]
    if rest:
        yield rest


def _id(aggregate_id: bytes | None) -> str | None:
    return (
        str(UUID(bytes=aggregate_id)) if isinstance(aggregate_id, bytes) and len(aggregate_id) == 16 else None
    )


# --- findings --------------------------------------------------------------------------------------------


def _of_rows(walk: _Walk) -> Iterator[Finding]:
    if walk.first_bad_row is not None:
        yield walk.first_bad_row
    for index, row, wanted in walk.holes:
        found = "重复或倒退" if row[2] < wanted else "缺失"
        yield Finding(
            "versions",
            f"聚合的版本不连续（{found}）：应为第 {wanted} 版，实为第 {row[2]} 版",
            f"the aggregate's versions are not 1, 2, 3, …: {wanted} should be here, {row[2]} is",
            index,
            row[0],
            _id(row[1]),
            row[2],
        )
    if walk.more_holes:
        yield Finding(
            "versions",
            f"另有 {walk.more_holes} 处版本不连续",
            f"{walk.more_holes} more places where versions are not continuous",
        )


def _of_trees(evidence: Evidence, walk: _Walk, read: Read, good: Sequence[int]) -> Iterator[Finding]:
    """``good``: the sizes of the checkpoints whose root the rows reproduce."""
    for name, found in walk.differences.items():
        tiles = evidence.tiles if name == "database" else evidence.outside
        assert tiles is not None
        rows_are_signed = any(found.index < size for size in good)
        if rows_are_signed and not _is_signed(tiles, read, found.index):
            where = {
                "database": ("数据库中的树", "the tree in the database"),
                "outside": ("外部副本的树", "the copy outside"),
            }[name]
            yield Finding(
                "tree",
                f"{where[0]}被改动：事件与签名的检查点相符，与树不符",
                f"{where[1]} was changed: the event agrees with the signed checkpoints, not with the tree",
                found.index,
                found.position,
            )
            continue
        yield _what_was_done(walk, found, _kept_hashes(tiles, found.index), name)
    for name, (level, index) in walk.missing.items():
        yield Finding(
            "tree",
            f"{'数据库' if name == 'database' else '外部副本'}缺少树的一块 {level}/{index}",
            f"the {name} lacks a tile of the tree, {level}/{index}",
            index * TILE,
        )
    if "database" not in walk.differences | walk.missing:
        yield from _of_upper_levels(evidence, walk)
        if evidence.position is not None and walk.sealed_position not in (None, evidence.position):
            yield Finding(
                "mark",
                f"树记录的末位置 {evidence.position} 与日志不符",
                f"the tree says that its last event is at position {evidence.position}, it is elsewhere",
                evidence.size - 1,
                walk.sealed_position,
            )


def _is_signed(tiles: Tiles, read: Read, index: int) -> bool:
    """Whether a checkpoint proves the stored tree's leaf at ``index``."""
    roots = {checkpoint.root for _, checkpoint in read.held if checkpoint.size > index}
    sizes = sorted({checkpoint.size for _, checkpoint in read.held if checkpoint.size > index})
    peaks, count = Peaks(), 0
    for size in sizes:
        while count + TILE <= size:
            kept = tiles(0, count // TILE)
            if kept is None or len(kept) != TILE * HASH:
                return False
            peaks.add(merkle.tile_root(merkle.cut(kept)))
            count += TILE
        rest = (tiles(0, count // TILE) or b"")[: (size - count) * HASH] if size > count else b""
        if len(rest) == (size - count) * HASH and peaks.root(merkle.cut(rest)) in roots:
            return True
    return False


def _of_upper_levels(evidence: Evidence, walk: _Walk) -> Iterator[Finding]:
    level, roots = 1, walk.tile_roots[: evidence.size // TILE]
    while roots:
        for index in range((len(roots) + TILE - 1) // TILE):
            part = b"".join(roots[index * TILE : (index + 1) * TILE])
            kept = evidence.tiles(level, index)
            if kept is None or kept[: len(part)] != part:
                yield Finding(
                    "tree",
                    f"数据库中的树被改动：第 {level} 层第 {index} 块",
                    f"the tree in the database was changed: level {level}, tile {index}",
                    index * TILE ** (level + 1),
                )
        roots = [merkle.tile_root(roots[at : at + TILE]) for at in range(0, len(roots) - TILE + 1, TILE)]
        level += 1


def _kept_hashes(tiles: Tiles, index: int) -> list[bytes]:
    """The stored leaf hashes from ``index`` on, within the window."""
    hashes: list[bytes] = []
    number = index // TILE
    while len(hashes) < WINDOW and (kept := tiles(0, number)):
        hashes += merkle.cut(kept)
        if len(kept) < TILE * HASH:
            break
        number += 1
    return hashes[index % TILE :]


def _what_was_done(walk: _Walk, found: _Difference, kept: list[bytes], name: str) -> Finding:
    by = "" if name == "database" else "（按外部副本）"
    by_en = "" if name == "database" else ", by the copy outside"
    holes = list(dict.fromkeys(str(_id(row[1])) for index, row, _ in walk.holes if index >= found.index))
    if not found.hashes:
        return Finding(
            "truncated",
            f"日志在位置 {found.before} 之后被截断{by}，缺 {len(kept)} 条或更多",
            f"the log was cut off behind position {found.before}{by_en}: {len(kept)} events or more are gone",
            found.index,
            found.position,
            _id(walk.behind[found.index][1]) if found.index in walk.behind else None,
        )
    here, sealed, row = found.hashes[0], kept[0], found.rows[0]
    later_kept, later_found = set(kept[1:]), set(found.hashes[1:])
    if here in later_kept and sealed not in later_found:
        gone = kept.index(here)
        # Only a gap before a later event of the same aggregate tells whose event was removed.
        of = f"，属于聚合 {'、'.join(holes[:5])}" if holes else "，是其聚合的最后一条"
        of_en = f", of {', '.join(holes[:5])}" if holes else ", the last of their aggregates"
        return Finding(
            "removed",
            f"位置 {found.before} 之后有 {gone} 条事件被删除{by}{of}",
            f"{gone} events behind position {found.before} were removed{by_en}{of_en}",
            found.index,
            found.before + 1,
            holes[0] if holes else None,
        )
    words = ("changed", f"这条事件被改动{by}", f"this event was changed{by_en}")
    if here in later_kept:
        words = ("moved", f"事件的次序被调换{by}", f"events were exchanged{by_en}")
    elif sealed in later_found:
        more = found.hashes.index(sealed)
        words = (
            "inserted",
            f"从这里起混入了 {more} 条事件{by}",
            f"{more} events were slipped in here{by_en}",
        )
    return Finding(*words, found.index, found.position, _id(row[1]), row[2])


def _of_roots(
    walk: _Walk,
    read: Read,
    bad: Sequence[tuple[str, Checkpoint]],
    holds: Sequence[int],
    known: Sequence[Finding],
) -> Iterator[Finding]:
    """Checkpoints whose root the rows do not give. If no tree locates the fault, it is after the last good one."""
    exact = [one.index for one in known if one.index is not None and one.kind not in ("tree", "versions")]
    short = [(where, one) for where, one in read.held if one.size > walk.count]
    for where, one in bad:
        last = max(holds, default=0)
        explained = any(index < one.size for index in exact)
        row = walk.behind.get(last)
        yield Finding(
            "root",
            f"{moment_said(one.time, 'zh')}的检查点（{where}，{one.size} 条）与日志不符"
            + ("" if explained else f"：前 {last} 条仍相符，问题在其后"),
            f"the log does not lead to the checkpoint of {moment_said(one.time, 'en')} ({where}, {one.size} events)"
            + ("" if explained else f": the first {last} events still do, the fault lies after them"),
            None if explained else last,
            None if explained or row is None else row[0],
            None if explained or row is None else _id(row[1]),
        )
    for where, one in short:
        yield Finding(
            "truncated",
            f"检查点（{where}）有 {one.size} 条，日志只有 {walk.count} 条",
            f"the checkpoint ({where}) has {one.size} events, the log only {walk.count}",
            walk.count if not any(index <= walk.count for index in exact) else None,
            walk.last_position + 1,
        )


def _of_checkpoints(evidence: Evidence, read: Read) -> Iterator[Finding]:
    for problem in read.problems:
        size = "" if problem.size is None else f", {problem.size}"
        yield Finding(
            problem.kind,
            f"检查点（{problem.where}{size}）{problem.zh}",
            f"checkpoint ({problem.where}{size}): {problem.en}",
        )
    ids = [int(one.where.rpartition(" ")[2]) for one in evidence.checkpoints]
    for missing in sorted(set(range(1, max(ids, default=0) + 1)) - set(ids)):
        yield Finding(
            "checkpoint_missing",
            f"数据库中的第 {missing} 个检查点被删除",
            f"the database's checkpoint {missing} was removed",
        )
    known = {one.note for one in evidence.checkpoints}
    for one in evidence.other_checkpoints:
        if one.note not in known:
            yield Finding(
                "checkpoint_missing",
                f"数据库中没有外部保存的检查点 {one.where}",
                f"the database does not have the checkpoint that was kept outside, {one.where}",
            )
    held = max((checkpoint.size for _, checkpoint in read.held), default=0)
    if evidence.size < held:
        yield Finding(
            "mark",
            f"数据库中的树只有 {evidence.size} 条，检查点已有 {held} 条",
            f"the tree in the database has only {evidence.size} events, a checkpoint has {held}",
        )
    if (
        evidence.first_key is not None
        and not read.held
        and (evidence.checkpoints or evidence.other_checkpoints)
    ):
        yield Finding(
            "stranger",
            "没有一个检查点由所给公钥签名",
            "not one checkpoint was signed along the chain from this public key",
        )
