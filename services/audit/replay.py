"""Replay: folds the logs from the beginning and compares the rows with the live read models (重放).

Exactly the facts that the live read model has received are folded, so the suite may go on writing; its databases are
only read.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from services.audit.past import copy_log, fold, scratch_config, with_its_rulebook
from services.cli.options import Progress
from services.suite import SUITE
from shared.application.application import Application
from shared.domain.refusal import Refusal
from shared.domain.words import SERVICE
from shared.events.audit import AuditAccessed
from shared.log.recorder import LogRecorder
from shared.messaging.batch import Batch
from shared.messaging.transport import PositionOf
from shared.messaging.transport.embedded import EmbeddedReplay, batch_of
from shared.personal_data.encryption import masked
from shared.process.config import Config
from shared.readmodels.store import CONSUMER
from shared.readmodels.views import Views
from shared.runtime.opening import open_service
from shared.runtime.service import Service

COMMAND_TIMEOUT = 300.0
"""Seconds of one wait for the database while whole tables are read."""

PATIENCE = 5.0
"""Seconds for which read models may still be receiving the facts that were there when it was asked."""

Stored = bytes
"""A row in canonical form."""


class FolderIsNotEmpty(Refusal):
    """文件夹 {folder} 不是空的，重放只写入空文件夹。
    The folder {folder} is not empty: a replay writes into an empty one."""

    status = 422


class ReadModelsAreMissing(Refusal, service=SERVICE):
    """{service} 没有在用的读模型，无从比较；请先 duban views rebuild。
    {service} has no live read models: there is nothing to compare with. Make them: duban views rebuild."""

    status = 409


class ReadModelsAreIncomplete(Refusal, service=SERVICE):
    """{service} 的在用读模型缺少事实（{reason}），不能比较，请先补齐。
    The live read models of {service} miss facts ({reason}): they cannot be compared before those have come."""

    status = 409


@dataclass(frozen=True)
class Differs:
    """A row that differs between the replay and the live read model."""

    service: str
    view: str
    id: str
    columns: Mapping[str, tuple[Any, Any]]
    """Column → live and replayed value; ``id`` alone where the row is on one side only."""


@dataclass(frozen=True)
class Replayed:
    """The number of rows compared, and the differences."""

    events: Mapping[str, int]
    rows: Mapping[str, int]
    """Rows of each live read model, as ``service.view``."""
    differences: Sequence[Differs]
    behind: Mapping[str, int]
    """The services whose live read models had not received all facts that were there when it was asked; how many."""
    not_folded: int
    """Facts that could not be folded, here as in the live read models."""
    facts: int
    """Facts that were folded."""

    @property
    def equal(self) -> bool | None:
        """Whether all rows are equal; None where something was not compared."""
        if self.differences:
            return False
        return None if self.behind or self.not_folded or not self.facts else True

    def plain(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "equal": self.equal,
            "behind": dict(self.behind),
            "not_folded": self.not_folded,
            "events": dict(self.events),
            "views": [{"view": view, "rows": rows} for view, rows in self.rows.items()],
            "differences": [
                {
                    "service": one.service,
                    "view": one.view,
                    "id": one.id,
                    "columns": {
                        name: {"live": live, "replayed": replayed}
                        for name, (live, replayed) in one.columns.items()
                    },
                }
                for one in self.differences
            ],
        }


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a service's live read models, and which facts they have received."""

    tables: Mapping[str, Mapping[str, Stored]]
    versions: Mapping[str, Mapping[str, int]]
    """Source → aggregate → its last version received."""


def snapshot(service: Service, config: Config) -> Snapshot:
    """Read them from one snapshot. Raises ReadModelsAreMissing, ReadModelsAreIncomplete, ViewIsBeingBuilt."""
    with closing(views_of(service, config)) as views, views.reading() as connection:
        if not views.generations.present(connection):
            raise ReadModelsAreMissing(service=service.name)
        found: dict[str, dict[str, int]] = {}
        for source, after, until in connection.exec_driver_sql(
            f"SELECT source, after, before FROM inbox_holes WHERE consumer='{CONSUMER}'"
        ):
            reason = f"{source}: {after + 1}–{until}"
            raise ReadModelsAreIncomplete(service=service.name, reason=reason)
        for source, aggregate_id, version in connection.exec_driver_sql(
            f"SELECT source, aggregate_id, version FROM inbox_versions WHERE consumer='{CONSUMER}'"
        ):
            found.setdefault(source, {})[aggregate_id] = version
        tables = {}
        for name in views.views:
            table = views.table(connection, name)
            rows = connection.execution_options(stream_results=True).execute(select(table))
            tables[name] = {row.id: stored(row._mapping) for row in rows}
        return Snapshot(tables, found)


def views_of(service: Service, config: Config) -> Views:
    """A service's read models, to be read. Raises ReadModelsAreMissing where there is no file of them."""
    place = config.views_place(service.name)
    if isinstance(place, Path) and not place.exists():
        raise ReadModelsAreMissing(service=service.name)
    return Views(place, [kind() for kind in service.views], lambda: datetime.max, timeout=COMMAND_TIMEOUT)


def stored(row: Mapping[Any, Any]) -> Stored:
    """The canonical form of a row: equal values give equal bytes."""
    return msgspec.json.encode(dict(row), order="sorted")


def last_fact(log: LogRecorder) -> int:
    """The position of a log's last fact that read models take notice of; 0 if the last thousand rows hold none."""
    end = log.max_notification_id() or 0
    rows = log.select_notifications(start=max(1, end - 999), limit=1000)
    return max((row.id for row in rows if row.topic != AuditAccessed.TOPIC), default=0)


def wait_for(services: Iterable[str], config: Config, ends: Mapping[str, int]) -> None:
    """Wait a little for read models that are just receiving the last facts; whether they come is seen afterwards."""
    until = time.monotonic() + PATIENCE
    for name in services:
        with closing(views_of(SUITE[name], config)) as views:
            followed = {source for view in views.views.values() for source in view.sources} & ends.keys()
            while time.monotonic() < until and not all(
                ends[source] == 0 or views.reached(source, ends[source]) for source in followed
            ):
                time.sleep(0.1)


class Received:
    """A follower that delivers exactly the facts that another consumer has received, from the beginning."""

    def __init__(
        self,
        logs: Mapping[str, LogRecorder],
        versions: Mapping[str, Mapping[str, int]],
        ends: Mapping[str, int],
    ) -> None:
        self._versions, self._ends = versions, ends
        self.behind = self.facts = 0
        """Facts up to ``ends`` that the other has not received; those that are delivered."""
        self._open = {
            source: EmbeddedReplay(source, log).up_to({0: log.max_notification_id() or 0})
            for source, log in logs.items()
        }
        self._last = dict.fromkeys(logs, 0)

    def poll(self, position_of: PositionOf) -> list[Batch]:
        """See Follower; empty only at the end."""
        batches = []
        for rest in self._open.values():
            for batch in rest:
                kept = self._kept(batch)
                if kept is not None:
                    batches.append(kept)
                    break
        return batches

    def _kept(self, batch: Batch) -> Batch | None:
        had = self._versions.get(batch.source, {})
        rows = [row for row in batch.rows if row.originator_version <= had.get(str(row.originator_id), 0)]
        self.facts += len(rows)
        self.behind += sum(
            1
            for row in batch.rows
            if row.topic != AuditAccessed.TOPIC
            and row.id <= self._ends[batch.source]
            and row.originator_version > had.get(str(row.originator_id), 0)
        )
        if not rows:
            return None
        after, self._last[batch.source] = self._last[batch.source], rows[-1].id
        return batch_of(batch.source, after, rows)

    def handled(self, batch: Batch) -> None:
        """See Follower."""

    def rewind(self) -> None:
        """See Follower. What went wrong ends the replay."""

    def lag(self) -> Mapping[tuple[str, int], int]:
        return {}

    def progress_age(self) -> float:
        return 0.0

    def replay(self, source: str) -> EmbeddedReplay:
        raise NotImplementedError("nothing is rebuilt in a replay")

    def close(self) -> None:
        """See Follower."""


def replay(
    config: Config,
    logs: Mapping[str, Application],
    into: Path,
    *,
    services: Iterable[str] = tuple(SUITE),
    progress: Progress | None = None,
) -> Replayed:
    """Fold all logs into an empty folder and compare.

    Raises FolderIsNotEmpty, ReadModelsAreMissing, ReadModelsAreIncomplete.
    """
    if into.exists() and any(into.iterdir()):
        raise FolderIsNotEmpty(folder=into)
    tell = progress or (lambda what, done: None)
    services = list(services)
    ends = {name: last_fact(application.log) for name, application in logs.items()}
    wait_for(services, config, ends)
    # Live rows first, then the logs: the logs then hold every fact that the rows have received.
    live = {name: snapshot(SUITE[name], config) for name in services}
    inside = scratch_config(config, into)
    events: dict[str, int] = {}
    for name, application in logs.items():
        events[name] = 0

        def count(done: int, name: str = name) -> None:
            events[name] = done
            tell(f"copy {name}", done)

        copy_log(application.log, name, inside, lambda row: True, count)
    inside = with_its_rulebook(inside)
    rows: dict[str, int] = {}
    differences: list[Differs] = []
    behind: dict[str, int] = {}
    not_folded = facts = 0
    for name, before in live.items():
        runtime = open_service(SUITE[name], inside, application_clock(logs))
        try:
            sources = {source for view in runtime.views.views.values() for source in view.sources}
            own = {other.name: other for other in (runtime.app, *runtime.logs)}
            received = Received({source: own[source].log for source in sources}, before.versions, ends)
            runtime.follower = received
            fold(runtime, tell)
            facts, not_folded = facts + received.facts, not_folded + len(runtime.views.parked())
            if received.behind:
                behind[name] = received.behind
            with runtime.views.reading() as connection:
                for view, table_before in before.tables.items():
                    table = runtime.views.table(connection, view)
                    again = {row.id: stored(row._mapping) for row in connection.execute(select(table))}
                    rows[f"{name}.{view}"] = len(table_before)
                    differences += _compared(name, view, table_before, again)
        finally:
            runtime.close()
    return Replayed(events, rows, differences, behind, not_folded, facts)


def application_clock(logs: Mapping[str, Application]) -> Any:
    """The live logs' clock."""
    return next(iter(logs.values())).clock


def _compared(
    service: str, view: str, live: Mapping[str, Stored], again: Mapping[str, Stored]
) -> Iterable[Differs]:
    for id_ in sorted(live.keys() | again.keys()):
        one, other = live.get(id_), again.get(id_)
        if one != other:
            yield Differs(service, view, id_, columns_that_differ(one, other))


def columns_that_differ(one: Stored | None, other: Stored | None) -> dict[str, tuple[Any, Any]]:
    """Column → its values in the two rows, where they differ; of personal data only that they do."""
    if one is None or other is None:
        return {"id": (None if one is None else "…", None if other is None else "…")}
    first, second = msgspec.json.decode(one), msgspec.json.decode(other)
    return {
        name: (masked(first.get(name)), masked(second.get(name)))
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    }
