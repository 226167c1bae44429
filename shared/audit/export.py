"""An export that an auditor takes away: events, hashes of all others, checkpoints, keys, schemas, and verify.py (导出).

Events not selected or above the reader's clearance are without content; their leaf hashes are in the tree.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from shared.audit import merkle, seal
from shared.audit.evidence import batches
from shared.audit.merkle import HASH, TILE
from shared.audit.secrecy import Clearance, Logged, withheld
from shared.audit.tree import Signed, Tree
from shared.domain.clock import Clock
from shared.domain.refusal import Refusal
from shared.events.base import VOCABULARY
from shared.log.recorder import LeafRow, LogRecorder
from shared.process.config import Config

FORMAT = "duban-export-v1"
MISMATCHES = 20
"""Events that are not what was sealed, as far as they are listed."""


class ExportFolderIsNotEmpty(Refusal):
    """文件夹 {folder} 不是空的，请另选一个。
    The folder {folder} is not empty: choose another one."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Whose content is exported; what is not asked for is everything. Times are recorded times."""

    since: datetime | None = None
    until: datetime | None = None
    """Up to here, and not this moment itself."""
    aggregates: frozenset[UUID] = field(default_factory=frozenset)
    clearance: Clearance = "internal"

    def takes(self, aggregate_id: UUID, state: bytes) -> bool:
        """Whether an event is selected. One whose time cannot be read is."""
        if self.aggregates and aggregate_id not in self.aggregates:
            return False
        if self.since is None and self.until is None:
            return True
        try:
            recorded = _times.decode(state).timestamp
        except msgspec.MsgspecError:
            return True
        return (self.since is None or recorded >= self.since) and (
            self.until is None or recorded < self.until
        )

    def as_json(self) -> dict[str, Any]:
        """The selection as the manifest has it."""
        return {
            "since": None if self.since is None else self.since.astimezone(UTC).isoformat(),
            "until": None if self.until is None else self.until.astimezone(UTC).isoformat(),
            "aggregates": sorted(str(one) for one in self.aggregates),
            "clearance": self.clearance,
        }


class _Recorded(msgspec.Struct):
    timestamp: datetime


_times = msgspec.json.Decoder(_Recorded)


def export(
    folder: Path,
    config: Config,
    clock: Clock,
    logs: Mapping[str, LogRecorder],
    services: Sequence[str],
    selection: Selection,
    progress: Callable[[str, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Seal, sign, and write the export of ``services`` into an empty folder; its manifest.

    ``logs`` are those of all services: what is secret in one may be told by another. Raises ExportFolderIsNotEmpty,
    SealKeyWrong, TreeWasChanged and OSError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportFolderIsNotEmpty(folder=folder)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [service for service in logs if service in set(services)]
    signed = {service: seal.seal_now(config, service, logs[service], clock)[0] for service in wanted}
    # After signing: later events are beyond the checkpoint and not exported, whatever their secrecy.
    above = withheld({name: partial(logged, log) for name, log in logs.items()}, selection.clearance)
    claims = {
        service: _export_service(
            folder / service,
            seal.origin_of(config, service),
            logs[service],
            signed[service],
            selection,
            above[service],
            partial(progress, service),
        )
        for service in wanted
    }
    (folder / "schemas.json").write_bytes(_pretty(schemas()))
    shutil.copyfile(Path(__file__).with_name("verify.py"), folder / "verify.py")
    manifest = {
        "format": FORMAT,
        "made_at": clock().astimezone(UTC).isoformat(),
        "selection": selection.as_json(),
        "services": claims,
        "files": {
            path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    written = _pretty(manifest)
    (folder / "manifest.json").write_bytes(written)
    signer = seal.signer_of(config, wanted[0], Tree(logs[wanted[0]]))
    # Its first line is no origin: nobody can take it for a checkpoint.
    (folder / "manifest.note").write_text(
        signer.sign(f"duban-export\n{sha256(written).hexdigest()}\n"), "utf-8"
    )
    return manifest


def logged(log: LogRecorder) -> Iterator[Logged]:
    """A log's events in order, as far as they can be read at all."""
    for row in chain.from_iterable(batches(log)):
        yield Logged(UUID(bytes=row[1] or bytes(16)), row[3] or "", row[4])


def _export_service(
    folder: Path,
    origin: str,
    log: LogRecorder,
    signed: Signed,
    selection: Selection,
    secret: set[int],
    progress: Callable[[int], None],
) -> dict[str, Any]:
    tree = Tree(log)
    checkpoints = [one for one in tree.checkpoints() if one.id <= signed.id]
    size = signed.size
    (folder / "checkpoints").mkdir(parents=True)
    for one in checkpoints:
        (folder / "checkpoints" / f"{one.id:09d}-{one.size}.note").write_text(one.note, "utf-8")
    (folder / "keys.json").write_bytes(_pretty(seal.chain(tree.keys())))
    hashes = _export_leaves(folder, tree, size)
    shown = above = others = 0
    mismatches: list[int] = []
    position = 0
    with (folder / "events.ndjson").open("w", encoding="utf-8", newline="\n") as file:
        for index, row in zip(range(size), chain.from_iterable(batches(log)), strict=False):
            position, aggregate_id, version, topic, state = row
            if not _is_sealed(row, hashes, index):
                mismatches.append(index)
            if index in secret:
                above += 1
            elif (
                aggregate_id is None or topic is None or not selection.takes(UUID(bytes=aggregate_id), state)
            ):
                others += 1
            else:
                shown += 1
                line = {
                    "index": index,
                    "position": position,
                    "aggregate_id": str(UUID(bytes=aggregate_id)),
                    "version": version,
                    "topic": topic,
                    "state": (state or b"").decode("utf-8", "surrogateescape"),
                }
                file.write(_line(line))
            if index % 1000 == 0:
                progress(index)
    mismatches += range(shown + above + others, size)  # events that are gone
    return {
        "origin": origin,
        "size": size,
        "last_position": position,
        "events": shown,
        "without_content": {"not_selected": others, "above_clearance": above},
        "mismatches": mismatches[:MISMATCHES],
    }


def _line(event: dict[str, Any]) -> str:
    text = json.dumps(event, ensure_ascii=False)
    # A byte that is no UTF-8 is a lone surrogate here: it goes out as \\udcXX.
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def _is_sealed(row: LeafRow, hashes: bytes, index: int) -> bool:
    try:
        [found] = merkle.leaf_hashes([row])
    except merkle.NOT_AN_EVENT:
        return False
    return found == hashes[index * HASH : (index + 1) * HASH]


def _export_leaves(folder: Path, tree: Tree, size: int) -> bytes:
    """The leaf hashes as they were sealed, in files (C2SP tlog-tiles), and all together."""
    found = b""
    for tile in tree.tiles(0):
        part = tile.hashes[: (size - tile.index * TILE) * HASH] if tile.index * TILE < size else b""
        if not part:
            break
        path = folder / merkle.tile_path(0, tile.index, len(part) // HASH)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part)
        found += part
    return found


def schemas() -> dict[str, Any]:
    """JSON Schemas of every event of the published language, by topic."""
    published = {
        topic: cls for topic, cls in sorted(VOCABULARY.items()) if cls.__module__.startswith("shared.events.")
    }
    found, components = msgspec.json.schema_components(published.values(), ref_template="#/$defs/{name}")
    return {"topics": dict(zip(published, found, strict=True)), "$defs": dict(sorted(components.items()))}


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
