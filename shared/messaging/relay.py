"""The relay: publishes a service's log to its topic, in order, from its stored position on.

The log is the outbox. The position is written after the broker's acknowledgement, with the next read of the log: a
crash repeats messages and never skips one. One relay per service is active; it holds an advisory lock on the database
connection on which it also writes its position.
"""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from eventsourcing.persistence import Notification

from shared.database import pipeline, postgres
from shared.domain.refusal import Refusal
from shared.domain.words import SERVICE
from shared.log.codec import event_title
from shared.log.postgres import PostgresLog
from shared.log.recorder import LogRecorder
from shared.messaging.pacing import Pacing
from shared.messaging.transport.kafka.client import partition_of
from shared.messaging.transport.kafka.publisher import ACKNOWLEDGED_WITHIN, Publisher, RecordRefused
from shared.process import logs
from shared.process.metrics import PUBLISHED

log = logs.log("relay")

BATCH = 1000
IN_FLIGHT = 4
"""Unacknowledged batches at most."""
CHECK_INTERVAL = 5.0
"""Seconds between checks whether a log that is behind its topic has been recovered."""
LOCK = 0x6475_6261_6E01
"""The advisory lock of a service's database that the active relay holds."""


REFUSED_INTERVAL = 30.0
"""Seconds between attempts to send a record that the broker refuses."""


class PartitionsChanged(Refusal, service=SERVICE):
    """{service}的主题原有 {before} 个分区，现有 {now} 个：同一事项的事件会乱序，不再发布。
    The topic of {service} had {before} partitions and has {now} now: the order of an aggregate's events would break."""


class RecordNotAccepted(Refusal, service=SERVICE):
    """{service}日志第 {position} 条（“{event}”，{size} 字节）被消息系统拒收，其后的事件都不再发布：{reason}
    The broker refuses position {position} of {service} ("{event}", {size} bytes); nothing after it is sent: {reason}"""


class LogBehindItsTopic(Refusal, service=SERVICE):
    """{service}的主题中有日志所没有的事件（第 {position} 条），不再发布：请停机后执行 duban relay recover
    The topic of {service} holds an event, at {position}, that its log does not: stop it, then duban relay recover"""


@dataclass
class _Sent:
    rows: list[Notification]
    futures: list[Any]
    sent: list[int]
    """The last position in every partition after this batch."""


class _Refused(Exception):
    """The broker refuses this row's record, for this reason."""

    def __init__(self, row: Notification, reason: str) -> None:
        self.row, self.reason = row, reason
        super().__init__(reason)


class Relay:
    """A process that is, or stands by to be, the active relay of a service.

    ``publisher`` opens a new producer; ``last_rows`` returns the last event of each partition.
    """

    def __init__(
        self,
        service: str,
        log_of: PostgresLog,
        database: str,
        publisher: Callable[[], Publisher],
        last_rows: Callable[[int], list[Notification | None]],
    ) -> None:
        self.service, self._log, self._database = service, log_of, database
        self._open_publisher, self._last_rows = publisher, last_rows
        self._connection: psycopg.Connection[Any] | None = None
        self._publisher: Publisher | None = None
        self._in_flight: deque[_Sent] = deque()
        self._position = self._written = self._read_to = 0
        """The last acknowledged position, the one in the database, the last one read."""
        self._sent: list[int] = []
        self._acknowledged: list[int] = []
        """The last position sent to each partition, and the last one acknowledged."""
        self.topic_behind: list[tuple[int, int, int]] = []
        """Partition, its last position, the last one acknowledged: what the topic has lost."""
        self.log_behind: list[Notification] = []
        """Events that the topic holds and the log does not: the log was restored from a backup."""
        self.refused: RecordNotAccepted | None = None
        """The record at which it stands, because the broker refuses it and others follow it in order."""
        self._alone: int | None = None
        """The position to be sent by itself: something sent with it, or it, was refused."""
        self.stands_by = False
        """Whether another process was found to publish."""
        self._knows = False
        """Whether the position was read, and no other relay has moved it since."""
        self._checked_at = self._refused_at = 0.0
        self._pacing = Pacing()

    @property
    def active(self) -> bool:
        """Whether this process publishes."""
        return self._connection is not None

    def lag(self) -> int | None:
        """The number of positions not yet acknowledged; None if it stands by, or has never begun: it does not know."""
        return max(0, (self._log.max_notification_id() or 0) - self._position) if self._knows else None

    @property
    def alarm(self) -> Refusal | None:
        """Why it publishes nothing although it is active."""
        if not self.active:
            return None
        if self.log_behind:
            return LogBehindItsTopic(service=self.service, position=self.log_behind[0].id)
        return self.refused

    def oldest_unsent(self) -> Notification | None:
        """The first event that is not yet acknowledged, if there is one and this process knows."""
        if not self._knows:
            return None
        return next(iter(self._log.select_notifications(start=self._position + 1, limit=1)), None)

    def step(self) -> bool:
        """Publish the next batch; whether there may be more. Raises UNAVAILABLE, PartitionsChanged."""
        try:
            return self._acquire_lock() and self._publish()
        except Exception:
            self.close()
            raise

    def wait(self, seconds: float) -> bool:
        """Wait for the server's notification of a save, at most so long; whether it came. It is a hint and may be lost.

        The pacing pause comes first. Returns at once while the position is to be written. Raises UNAVAILABLE.
        """
        if self._connection is None:
            time.sleep(seconds)
            return False
        self._pacing.pause()
        if self._position != self._written:
            return True
        try:
            return bool(list(self._connection.notifies(timeout=seconds, stop_after=1)))
        except psycopg.Error:
            self.close()
            raise

    def _acquire_lock(self) -> bool:
        if self._connection is None:
            # No wait for the disk: a position undone by a crash of the server only repeats messages.
            connection = postgres.connect(
                self._database, of_session={"synchronous_commit": "off"}, autocommit=True
            )
            if not connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()[0]:  # type: ignore[index]
                connection.close()
                if not self.stands_by:
                    log.info("relay_stands_by", service=self.service)
                self.stands_by, self._knows = True, False
                return False
            self._log.listen(connection)
            self._connection, self.stands_by = connection, False
            log.info("relay_active", service=self.service)
        return True

    def _next_rows(self) -> list[Notification] | None:
        """Read the next events and write the position if it has moved. None if it was set back meanwhile."""
        assert self._connection is not None
        with pipeline.pipelined(self._connection):
            stored = self._write_position() if self._position != self._written else self._read_position()
            rows = self._log.after(self._connection, self._read_to, BATCH)
        found = stored.fetchone()
        if (found[0] if found else 0) != self._position:
            return None
        self._written = self._position
        return rows.fetchall()

    def _read_position(self) -> psycopg.Cursor[Any]:
        assert self._connection is not None
        return self._connection.execute(
            "SELECT position, sent FROM relay_marks WHERE service=%s", (self.service,), prepare=True
        )

    def _write_position(self) -> psycopg.Cursor[Any]:
        assert self._connection is not None
        return self._connection.execute(
            "INSERT INTO relay_marks VALUES (%s, %s, %s) ON CONFLICT (service) DO UPDATE "
            "SET position=excluded.position, sent=excluded.sent WHERE relay_marks.position=%s RETURNING position",
            (self.service, self._position, " ".join(map(str, self._acknowledged)), self._written),
            prepare=True,
        )

    def _begin(self) -> None:
        self._publisher = self._open_publisher()
        self._in_flight.clear()
        position, sent = self._read_position().fetchone() or (0, "")
        self._position = self._written = self._read_to = position
        self._knows = True
        self._sent = [int(part) for part in sent.split()] or [0] * self._publisher.partitions
        if len(self._sent) != self._publisher.partitions:
            raise PartitionsChanged(
                service=self.service, before=len(self._sent), now=self._publisher.partitions
            )
        last = self._last_rows(self._publisher.partitions)
        self._find_missing_in_log([row for row in last if row is not None])
        held = [0 if row is None else row.id for row in last]
        self.topic_behind = [
            (partition, has, want)
            for partition, (has, want) in enumerate(zip(held, self._sent, strict=True))
            if has < want
        ]
        for partition, has, want in self.topic_behind:
            log.error(
                "topic_has_lost_messages", service=self.service, partition=partition, holds=has, sent=want
            )

    def _find_missing_in_log(self, held: list[Notification]) -> None:
        self._checked_at = time.monotonic()
        self.log_behind = [row for row in held if row.id > 0 and not self._has(row)]
        for row in self.log_behind:
            # Publishing on would give other events the same positions and versions.
            log.error(
                "log_is_behind_its_topic",
                service=self.service,
                position=row.id,
                fact=f"{row.originator_id}/{row.originator_version}",
                do="stop the service, then: duban relay recover",
            )

    def _has(self, row: Notification) -> bool:
        return any(
            (str(mine.originator_id), mine.originator_version)
            == (str(row.originator_id), row.originator_version)
            for mine in self._log.select_notifications(start=row.id, stop=row.id, limit=1)
        )

    def _publish(self) -> bool:
        if self.refused is not None and time.monotonic() - self._refused_at < REFUSED_INTERVAL:
            return False
        if self._publisher is None:
            self._begin()
        if self.log_behind:
            if time.monotonic() - self._checked_at > CHECK_INTERVAL:
                self._find_missing_in_log(self.log_behind)
            return False
        rows = self._next_rows()
        if rows is None:
            log.info("relay_was_set_back", service=self.service)
            return self._restart()
        began = time.monotonic()
        try:
            more = self._send_and_acknowledge(rows)
        except _Refused as error:
            return self._stand_at(error.row, error.reason)
        if rows and not more:
            self._pacing.sent(time.monotonic() - began)
        return more

    def _send_and_acknowledge(self, rows: list[Notification]) -> bool:
        """Send rows and wait until few enough batches are in flight; whether there may be more. Raises _Refused."""
        some = rows if self._alone is None else self._without_suspect(rows, self._alone)
        if some:
            self._send(some)
        more = len(rows) == BATCH or len(some) < len(rows)
        while self._in_flight and (len(self._in_flight) > IN_FLIGHT or not more or self._alone is not None):
            self._acknowledge(self._in_flight.popleft())
        return more

    def _without_suspect(self, rows: list[Notification], suspect: int) -> list[Notification]:
        """The rows before the suspect; once it is the first, it alone."""
        return [row for row in rows if row.id < suspect] or rows[:1]

    def _send(self, rows: list[Notification]) -> None:
        assert self._publisher is not None
        futures = []
        for row in rows:
            partition = partition_of(row.originator_id, self._publisher.partitions)
            try:
                futures.append(self._publisher.send(row, partition, " ".join(map(str, self._sent))))
            except RecordRefused as error:
                raise _Refused(row, str(error)) from error
            self._sent[partition] = row.id
        self._read_to = rows[-1].id
        self._in_flight.append(_Sent(rows, futures, list(self._sent)))
        if len(rows) < BATCH:
            self._publisher.flush(ACKNOWLEDGED_WITHIN)

    def _acknowledge(self, batch: _Sent) -> None:
        """Wait for the broker. The position is written with the next read; a crash before that repeats the batch."""
        assert self._publisher is not None
        deadline = time.monotonic() + ACKNOWLEDGED_WITHIN
        for row, future in zip(batch.rows, batch.futures, strict=True):
            try:
                self._publisher.acknowledged(future, max(0.001, deadline - time.monotonic()))
            except RecordRefused as error:
                raise _Refused(row, str(error)) from error
        self._position, self._acknowledged = batch.rows[-1].id, batch.sent
        if self._alone is not None and self._position >= self._alone:
            self._alone = self.refused = None
        PUBLISHED.labels(self.service).inc(len(batch.rows))

    def _stand_at(self, row: Notification, reason: str) -> bool:
        """The broker refused this record: send it by itself, and if that was so, stand there.

        Nothing is left out: who reads on would miss a fact, and what follows may rest on it.
        """
        if row.id == self._alone:
            size = len(row.state)
            if self.refused is None or self.refused.facts["position"] != row.id:
                self.refused = RecordNotAccepted(
                    service=self.service,
                    position=row.id,
                    event=event_title(row.topic),
                    size=size,
                    reason=reason,
                )
                log.error(
                    "record_not_accepted",
                    service=self.service,
                    position=row.id,
                    event_type=row.topic,
                    bytes=size,
                    reason=reason,
                )
            self._refused_at = time.monotonic()
        self._alone = row.id
        self._restart()
        return self.refused is None

    def _restart(self) -> bool:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()
        return True

    def close(self) -> None:
        """Stop publishing and release the lock: another relay may take over at once."""
        publisher, self._publisher = self._publisher, None
        self.refused = None
        self._in_flight.clear()
        if self._connection is not None and not self._connection.closed and self._position != self._written:
            with suppress(psycopg.Error):  # then the next relay repeats the last batches
                self._write_position()
        self._position = self._written
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if publisher is not None:
            publisher.close()


def republish(service: str, log_of: LogRecorder, database: str, start: int) -> None:
    """Set the relay's position back, so that everything from ``start`` on is published again (重新发布).

    Consumers handle what they have missed and ignore duplicates. Raises psycopg.OperationalError, and ValueError if
    the relay has not reached that position.
    """
    with postgres.connect(database, autocommit=True) as connection:
        row = connection.execute(
            "SELECT position, sent FROM relay_marks WHERE service=%s", (service,)
        ).fetchone()
        if row is None or row[0] < start:
            raise ValueError(
                f"the relay of {service} is at {0 if row is None else row[0]}, not yet at {start}"
            )
        sent = sent_before(log_of, start, len(row[1].split(" ")))
        connection.execute(
            "UPDATE relay_marks SET position=%s, sent=%s WHERE service=%s",
            (start - 1, " ".join(map(str, sent)), service),
        )


def sent_before(log_of: LogRecorder, position: int, partitions: int) -> list[int]:
    """The last position before ``position`` in each partition."""
    found = [0] * partitions
    stop, window = position - 1, 1000
    while stop > 0 and not all(found):
        rows = log_of.select_notifications(start=max(1, stop - window + 1), stop=stop, limit=window)
        for row in rows:
            partition = partition_of(row.originator_id, partitions)
            found[partition] = max(found[partition], row.id)
        stop -= window
    return found
