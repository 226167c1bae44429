"""The relay: publishes a service's log to its topic, in order, from its mark on.

The save is the outbox; the relay's mark moves after the broker's acknowledgement, at its next look at the log. A crash
repeats messages and never skips one. One relay of a service is active, by an advisory lock that lives and dies with
its database connection; the mark moves on that very connection.
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
from shared.database.unavailable import BrokerUnavailable
from shared.log.postgres import PostgresLog
from shared.log.recorder import LogRecorder
from shared.messaging.transport.kafka.client import partition_of
from shared.messaging.transport.kafka.publisher import ACKNOWLEDGED_WITHIN, Publisher
from shared.process import logs
from shared.process.metrics import PUBLISHED

log = logs.log("relay")

BATCH = 1000
IN_FLIGHT = 4
"""Batches that may await their acknowledgement."""
REST, LONGEST_REST = 7, 0.1
"""How many times as long as a sending took a relay rests from it while there is always more to send, and how many
seconds at most. What is saved meanwhile goes together, and all who follow handle it together: the busier the machine,
the more of it. What comes singly is sent at once."""
LOOK_AGAIN = 5.0
"""Seconds after which a relay that does not publish looks whether its log has got back what it lacked."""
LOCK = 0x6475_6261_6E01
"""The advisory lock of a service's database that the active relay holds."""


class PartitionsChanged(Exception):
    """The topic has another number of partitions than before: the order of an aggregate's events would break."""


@dataclass
class _Sent:
    rows: list[Notification]
    futures: list[Any]
    sent: list[int]
    """The last position in every partition after this batch."""


class Relay:
    """One process that would be the active relay of a service.

    ``publisher`` opens a new producer; ``last_rows`` tells the last event that each partition holds.
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
        self._mark = self._written = self._read_to = 0
        """The last position that was acknowledged, that of the mark in the database, the last one that was read."""
        self._sent: list[int] = []
        self._acknowledged: list[int] = []
        """The last position sent to every partition, and the last one acknowledged."""
        self.topic_behind: list[tuple[int, int, int]] = []
        """Partition, the last position it holds, the last one that was acknowledged: what the topic has lost."""
        self.log_behind: list[Notification] = []
        """Events that the topic holds and the log does not: the log was restored from a backup."""
        self._looked_at = 0.0
        self._next = 0.0
        """When (monotonic) to send again."""

    @property
    def active(self) -> bool:
        """Whether this process publishes; the others stand by."""
        return self._connection is not None

    def lag(self) -> int:
        """How many positions of the log are not yet acknowledged."""
        return max(0, (self._log.max_notification_id() or 0) - self._mark) if self.active else 0

    def step(self) -> bool:
        """Publish what there is; whether there may be more. Raises database and broker trouble."""
        try:
            return self._lead() and self._publish()
        except (psycopg.Error, BrokerUnavailable):
            self.close()
            raise

    def wait(self, seconds: float) -> bool:
        """Until the server tells of a save, at most so long; whether it did. A hint, no more: it may fail to come.

        Not before it has rested; and not at all while the mark is to be written. Raises database trouble.
        """
        if self._connection is None:
            time.sleep(seconds)
            return False
        time.sleep(max(0.0, self._next - time.monotonic()))
        if self._mark != self._written:
            return True
        try:
            return bool(list(self._connection.notifies(timeout=seconds, stop_after=1)))
        except psycopg.Error:
            self.close()
            raise

    def _lead(self) -> bool:
        if self._connection is None:
            # A mark that the server's crash takes back only repeats messages, as any crash does: no wait for the disk.
            connection = postgres.connect(
                self._database, of_session={"synchronous_commit": "off"}, autocommit=True
            )
            if not connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()[0]:  # type: ignore[index]
                connection.close()
                return False
            self._log.listen(connection)
            self._connection = connection
            log.info("relay_active", service=self.service)
        return True

    def _look(self) -> list[Notification] | None:
        """What comes next in the log, and write the mark, if it has moved. None if somebody has set it back."""
        assert self._connection is not None
        with pipeline.together(self._connection):
            stands = self._move_mark() if self._mark != self._written else self._read_mark()
            rows = self._log.after(self._connection, self._read_to, BATCH)
        found = stands.fetchone()
        if (found[0] if found else 0) != self._mark:
            return None
        self._written = self._mark
        return rows.fetchall()

    def _read_mark(self) -> psycopg.Cursor[Any]:
        assert self._connection is not None
        return self._connection.execute(
            "SELECT position, sent FROM relay_marks WHERE service=%s", (self.service,), prepare=True
        )

    def _move_mark(self) -> psycopg.Cursor[Any]:
        assert self._connection is not None
        return self._connection.execute(
            "INSERT INTO relay_marks VALUES (%s, %s, %s) ON CONFLICT (service) DO UPDATE "
            "SET position=excluded.position, sent=excluded.sent WHERE relay_marks.position=%s RETURNING position",
            (self.service, self._mark, " ".join(map(str, self._acknowledged)), self._written),
            prepare=True,
        )

    def _begin(self) -> None:
        self._publisher = self._open_publisher()
        self._in_flight.clear()
        position, sent = self._read_mark().fetchone() or (0, "")
        self._mark = self._written = self._read_to = position
        self._sent = [int(part) for part in sent.split()] or [0] * self._publisher.partitions
        if len(self._sent) != self._publisher.partitions:
            raise PartitionsChanged(
                f"{self.service}: {len(self._sent)} partitions before, {self._publisher.partitions} now"
            )
        last = self._last_rows(self._publisher.partitions)
        self._look_for_what_the_log_lacks([row for row in last if row is not None])
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

    def _look_for_what_the_log_lacks(self, held: list[Notification]) -> None:
        self._looked_at = time.monotonic()
        self.log_behind = [row for row in held if row.id > 0 and not self._has(row)]
        for row in self.log_behind:
            # To publish on would give other events the same positions and versions.
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
        if self._publisher is None:
            self._begin()
        if self.log_behind:
            if time.monotonic() - self._looked_at > LOOK_AGAIN:
                self._look_for_what_the_log_lacks(self.log_behind)
            return False
        rows = self._look()
        if rows is None:
            return self._set_back()
        began = time.monotonic()
        if rows:
            self._send(rows)
        more = len(rows) == BATCH
        while self._in_flight and (len(self._in_flight) > IN_FLIGHT or not more):
            self._acknowledge(self._in_flight.popleft())
        if rows and not more:
            self._rest_from(time.monotonic() - began)
        return more

    def _rest_from(self, took: float) -> None:
        rest = min(REST * took, LONGEST_REST)
        # Twice in a row after a quiet time, or what comes at this very pace would wait for each jitter before it.
        self._next = max(self._next, time.monotonic() - rest) + rest

    def _send(self, rows: list[Notification]) -> None:
        assert self._publisher is not None
        futures = []
        for row in rows:
            partition = partition_of(row.originator_id, self._publisher.partitions)
            futures.append(self._publisher.send(row, partition, " ".join(map(str, self._sent))))
            self._sent[partition] = row.id
        self._read_to = rows[-1].id
        self._in_flight.append(_Sent(rows, futures, list(self._sent)))
        if len(rows) < BATCH:
            self._publisher.flush(ACKNOWLEDGED_WITHIN)

    def _acknowledge(self, batch: _Sent) -> None:
        """Wait for the broker. The mark is written at the next look: what a crash before it takes back is repeated."""
        assert self._publisher is not None
        deadline = time.monotonic() + ACKNOWLEDGED_WITHIN
        for future in batch.futures:
            self._publisher.acknowledged(future, max(0.001, deadline - time.monotonic()))
        self._mark, self._acknowledged = batch.rows[-1].id, batch.sent
        PUBLISHED.labels(self.service).inc(len(batch.rows))

    def _set_back(self) -> bool:
        log.info("relay_was_set_back", service=self.service)
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()
        return True

    def close(self) -> None:
        """Stand down: another relay may take over at once."""
        publisher, self._publisher = self._publisher, None
        self._in_flight.clear()
        if self._connection is not None and not self._connection.closed and self._mark != self._written:
            with suppress(psycopg.Error):  # then the next relay repeats what this one has sent last
                self._move_mark()
        self._mark = self._written
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if publisher is not None:
            publisher.close()


def republish(service: str, log_of: LogRecorder, database: str, start: int) -> None:
    """Set the relay's mark back, so that everything from position ``start`` on is published again (重新发布).

    Consumers take what they have missed and count the rest as duplicates. Raises psycopg.OperationalError; ValueError
    if the relay has not come that far yet.
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
    """The last position before ``position`` in every partition."""
    found = [0] * partitions
    stop, window = position - 1, 1000
    while stop > 0 and not all(found):
        rows = log_of.select_notifications(start=max(1, stop - window + 1), stop=stop, limit=window)
        for row in rows:
            partition = partition_of(row.originator_id, partitions)
            found[partition] = max(found[partition], row.id)
        stop -= window
    return found
