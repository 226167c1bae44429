"""Backup and restore of all logs 备份与恢复 at one moment, on either database.

Writers of all logs are locked while a snapshot of each is taken; they go on while the snapshots are copied. So no
log in the backup knows a fact of another log that is not in it. A backup is a data folder: SQLite files of the logs
(with answers, inboxes, positions and trees) and a manifest, without read models, which are rebuilt, and without keys
(docs/auditing.md).
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from services.cli.backup_stores import CHUNK, Database, File, Store, store_of
from shared.audit import merkle
from shared.domain.clock import Clock
from shared.domain.refusal import Refusal
from shared.domain.words import SERVICE
from shared.process.config import Config
from shared.runtime.event_log import SERVICES, open_log
from shared.runtime.schema import SCHEMA_VERSION

MANIFEST = "backup.json"
Progress = Callable[[str, int], None]
"""Called with the service and the number of its events done."""


class BackupFolderNotEmpty(Refusal):
    """目录 {folder} 不是空的，备份只写入空目录。
    The folder {folder} is not empty: a backup is written into an empty one."""


class NothingToBackUp(Refusal):
    """{place} 的日志中没有任何事件，没有可备份的内容。
    The logs of {place} hold no events: there is nothing to back up."""


class BackupIsEmpty(Refusal):
    """备份 {folder} 中没有任何事件，没有可恢复的内容。
    The backup {folder} holds no events: there is nothing to restore."""


class NoBackupThere(Refusal):
    """目录 {folder} 中没有备份（缺少 backup.json）。
    There is no backup in the folder {folder}: backup.json is missing."""


class BackupOfAnotherRelease(Refusal):
    """该备份的表结构版本为 {found}，本版本需要 {needed}。
    The backup's tables are at schema {found}, this release needs {needed}."""


class BackupDamaged(Refusal, service=SERVICE):
    """备份与其清单不符：{service}：{reason}。未恢复任何内容。
    The backup is not what its manifest says: {service}: {reason}. Nothing was restored."""


class RecoveryRefused(Refusal, service=SERVICE):
    """{service} 的主题与日志不能衔接：位置 {position} 是聚合 {aggregate} 的第 {version} 版，日志已有第 {known} 版。
    The topic of {service} does not continue its log: {position} is version {version} of {aggregate}, not {known}+1."""


class LogNotEmpty(Refusal, service=SERVICE):
    """{service} 的事件日志不是空的（{events} 条），只能恢复到空的系统。
    The log of {service} is not empty ({events} events): a backup is restored into an empty suite only."""


def back_up(config: Config, folder: Path, clock: Clock, release: str, progress: Progress) -> dict[str, Any]:
    """Write a backup of every log into an empty folder while the suite may be running; the manifest.

    Raises BackupFolderNotEmpty, NothingToBackUp and UNAVAILABLE.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupFolderNotEmpty(folder=folder)
    if not any(_events(config, service, clock) for service in SERVICES):
        raise NothingToBackUp(place="DUBAN_DATABASE" if config.database else config.data)
    _make_logs(folder, clock)
    stores = {service: store_of(config, service) for service in SERVICES}
    services: dict[str, Any] = {}
    with ExitStack() as pins:
        with ExitStack() as holds:
            for store in stores.values():
                holds.enter_context(store.locked())
            sources = {service: pins.enter_context(store.snapshot()) for service, store in stores.items()}
            made_at = clock()
        for service, source in sources.items():
            with File(folder / service / "events.sqlite").writing() as target:
                _copy(service, source, target, target, progress)
            services[service] = _described(service, folder, BackupDamaged)
    manifest = {
        "made_at": made_at.isoformat(),
        "release": release,
        "schema": SCHEMA_VERSION,
        "services": services,
    }
    (folder / MANIFEST).write_text(
        json.dumps(manifest, indent=2) + "\n", "utf-8"
    )  # last: without it, no backup
    return manifest


def _events(config: Config, service: str, clock: Clock) -> int:
    """The last position of a service's log."""
    with closing(open_log(config, service, clock)) as log:
        return log.log.max_notification_id() or 0


def _make_logs(folder: Path, clock: Clock) -> None:
    for service in SERVICES:
        (folder / service).mkdir(parents=True, exist_ok=True)
        open_log(Config(data=folder), service, clock, create=True).close()


def _copy(service: str, source: Store, target: Store, layout: File, progress: Progress) -> None:
    done, events = 0, source.events()
    while rows := list(islice(events, CHUNK)):
        target.put_events(rows)
        done += len(rows)
        progress(service, done)
    for table in sorted(layout.tables() & source.tables()):
        columns = layout.columns(table)
        target.empty(table)
        others = source.rows(table, columns)
        while rows := list(islice(others, CHUNK)):
            target.put(table, columns, rows)
    target.finish()


def _described(service: str, folder: Path, damaged: type[Refusal]) -> dict[str, Any]:
    """Number of events, last position and tree root of a log in a folder."""
    with File(folder / service / "events.sqlite").snapshot() as log:
        return _describe(service, log, damaged)


def _describe(service: str, log: Store, damaged: type[Refusal]) -> dict[str, Any]:
    peaks, count, last = merkle.Peaks(), 0, 0
    versions: dict[bytes, int] = {}
    events, rest = log.events(), list[bytes]()
    while rows := list(islice(events, merkle.TILE)):
        leaves = [(row[0], UUID(row[1]).bytes, row[2], row[3], bytes(row[4])) for row in rows]
        for position, aggregate, version, _, _ in leaves:
            if version != versions.get(aggregate, 0) + 1:
                raise damaged(
                    service=service,
                    reason=f"position {position}: version {version} of {UUID(bytes=aggregate)} follows "
                    f"{versions.get(aggregate, 0)}",
                )
            versions[aggregate] = version
        hashes = merkle.leaf_hashes(leaves)
        count, last = count + len(rows), leaves[-1][0]
        if len(hashes) == merkle.TILE:
            peaks.add(merkle.tile_root(hashes))
        else:
            rest = hashes
    return {"events": count, "last_position": last, "root": peaks.root(rest).hex()}


def restore(config: Config, folder: Path, clock: Clock, progress: Progress) -> dict[str, Any]:
    """Put a backup into an empty suite, on SQLite or PostgreSQL; the manifest. All services, or nothing.

    Raises NoBackupThere, BackupOfAnotherRelease, BackupIsEmpty, BackupDamaged, LogNotEmpty and UNAVAILABLE.
    """
    manifest = read_manifest(folder)
    if not any(one["events"] for one in manifest["services"].values()):
        raise BackupIsEmpty(folder=folder)
    for service in SERVICES:
        _compare(service, _described(service, folder, BackupDamaged), manifest)
    if not config.database:
        _make_logs(config.data, clock)
    with ExitStack() as stack:
        targets = {service: stack.enter_context(store_of(config, service).writing()) for service in SERVICES}
        for service, target in targets.items():
            if events := target.last_position():  # asked under the lock: somebody may be restoring too
                raise LogNotEmpty(service=service, events=events)
        for service, target in targets.items():
            with File(folder / service / "events.sqlite").snapshot() as source:
                _copy(service, source, target, source, progress)
            _compare(service, _describe(service, target, BackupDamaged), manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a backup. Raises NoBackupThere, BackupOfAnotherRelease, BackupDamaged."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError as missing:
        raise NoBackupThere(folder=folder) from missing
    except ValueError as error:
        raise BackupDamaged(service="backup.json", reason=str(error)) from error
    if manifest.get("schema") != SCHEMA_VERSION:
        raise BackupOfAnotherRelease(found=manifest.get("schema"), needed=SCHEMA_VERSION)
    return manifest


def _compare(service: str, found: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    expected = manifest["services"].get(service)
    if found != expected:
        raise BackupDamaged(service=service, reason=f"{json.dumps(expected)} / {json.dumps(found)}")


def recover(config: Config, service: str, clock: Clock) -> int:
    """Recover from the broker the events that a restored log lacks; how many. The service must not be running.

    They are the very events: position, aggregate, version, topic and state. What they say they were caused by counts
    as handled, so that it is not done a second time. Raises UNAVAILABLE; RecoveryRefused if what the topic holds
    does not continue the log.
    """
    from shared.messaging.transport.kafka.replay import records_after

    store = Database(config.database_of(service), service)
    log = open_log(config, service, clock)
    last = log.log.max_notification_id() or 0
    log.close()
    lost = sorted(records_after(config, service, last), key=lambda row: row.id)
    with store.writing() as target:
        last = target.last_position()  # now, under the lock: somebody may have recovered them meanwhile
        lost = [row for row in lost if row.id > last]
        versions: dict[str, int] = {}
        for row in lost:
            known = versions.get(str(row.originator_id))
            known = target.version_of(str(row.originator_id)) if known is None else known
            if row.originator_version != known + 1:
                raise RecoveryRefused(
                    service=service,
                    position=row.id,
                    aggregate=row.originator_id,
                    version=row.originator_version,
                    known=known,
                )
            versions[str(row.originator_id)] = row.originator_version
        target.put_events(
            [(row.id, str(row.originator_id), row.originator_version, row.topic, row.state) for row in lost]
        )
        for source, aggregate_id, version in {cause for row in lost if (cause := _cause(row.state))}:
            target.count_as_handled(source, aggregate_id, int(version))
        target.finish()
    return len(lost)


def _cause(state: bytes) -> tuple[str, str, str] | None:
    because = json.loads(state)["because"]
    if not because.startswith("event:"):
        return None
    source, aggregate_id, version = because.removeprefix("event:").rsplit("/", 2)
    return source, aggregate_id, version
