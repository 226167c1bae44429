"""The inbox: each fact once and in order, whatever is delivered how often; and what is missing is known."""

import sqlite3
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from eventsourcing.persistence import Notification
from hypothesis import given
from hypothesis import strategies as st

from shared.log.schema import inbox_tables
from shared.messaging import inbox_store
from shared.messaging.batch import Batch, portions
from shared.messaging.inbox import Inbox
from shared.messaging.inbox_store import ConcurrencyConflict, parked, reached, save
from shared.messaging.receipt import Receipt
from shared.testing import shanghai

NOW = shanghai("2021-01-04 09:00")
TABLES = ("inbox_marks", "inbox_versions", "inbox_holes", "inbox_parked")


class Database:
    """The inbox's tables in memory; a batch is received in one transaction, as the engines do it."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        for statement in inbox_tables("BLOB"):
            self.connection.execute(statement)
        self.inbox = Inbox("test")

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        return self.connection.execute(statement, parameters).fetchall()

    def save(self, receipt: Receipt) -> None:
        """In a transaction of its own."""
        self.connection.execute("BEGIN")
        with self.connection:
            save(self.execute, [receipt])

    def take(self, batch: Batch) -> tuple[list[tuple[str, int]], int]:
        """What of the batch has an effect, and how much of it was known before."""
        [receipt] = self.inbox.receive(self.execute, [batch])
        accepted = [(str(row.originator_id), row.originator_version) for row in receipt.accept(batch, NOW)]
        self.save(receipt)
        received, duplicates = receipt.saved()
        assert received == len(accepted)
        return accepted, duplicates


class Topic:
    """A log published to a topic of some partitions, as the relay does it."""

    def __init__(self, partitions: int = 1) -> None:
        self.log: list[Notification] = []
        self.partitions: list[list[tuple[Notification, str]]] = [[] for _ in range(partitions)]

    def write(self, aggregate: str) -> None:
        version = 1 + sum(row.originator_id == aggregate for row in self.log)
        self.log.append(
            Notification(
                id=len(self.log) + 1,
                originator_id=aggregate,
                originator_version=version,
                topic="a.b",
                state=b"{}",
            )
        )

    def publish(self, start: int = 1, without: frozenset[int] = frozenset()) -> None:
        """Everything from a position on, except what the relay drops by mistake."""
        sent = [0] * len(self.partitions)
        for row in self.log:
            partition = ord(str(row.originator_id)[0]) % len(self.partitions)
            if row.id >= start and row.id not in without:
                self.partitions[partition].append((row, " ".join(map(str, sent))))
            sent[partition] = row.id

    def batch(self, partition: int, begin: int, end: int | None = None) -> Batch:
        part = self.partitions[partition][begin:end]
        offsets = list(range(begin, begin + len(part)))
        sent = [sent for _, sent in part]
        before = [int(one.split(" ")[partition]) for one in sent]
        return Batch("s", partition, [row for row, _ in part], offsets, before, sent)


def written(*aggregates: str, partitions: int = 1) -> Topic:
    topic = Topic(partitions)
    for aggregate in aggregates:
        topic.write(aggregate)
    return topic


def test_a_redelivered_fact_has_no_effect_and_is_counted() -> None:
    topic, database = written("a", "b", "a"), Database()
    topic.publish()
    assert database.take(topic.batch(0, 0)) == ([("a", 1), ("b", 1), ("a", 2)], 0)
    assert database.take(topic.batch(0, 0)) == ([], 3)
    assert database.take(topic.batch(0, 1)) == ([], 2)


def test_a_dropped_record_blocks_its_own_aggregate_only() -> None:
    topic, database = written("a", "a", "b", "a", "b"), Database()
    topic.publish(without=frozenset({2}))
    assert database.take(topic.batch(0, 0)) == ([("a", 1), ("b", 1), ("b", 2)], 0)
    [row] = parked(database.execute, "test")
    assert (row.kind, row.reason) == ("gap", "facts 2 to 2 of this aggregate are missing")
    assert inbox_store.holes(database.execute, "test") == [("s", 0, 1, 2)]
    assert reached(database.execute, "test", "s", 1)
    assert not reached(database.execute, "test", "s", 5)
    topic.publish(start=2)
    assert database.take(topic.batch(0, 4)) == ([("a", 2), ("a", 3)], 3)
    assert (parked(database.execute, "test"), inbox_store.holes(database.execute, "test")) == ([], [])
    assert reached(database.execute, "test", "s", 5)


def test_a_wiped_topic_is_noticed_though_no_aggregate_shows_a_gap() -> None:
    topic, database = written("a", "b", "c"), Database()
    topic.publish()
    database.take(topic.batch(0, 0, 1))
    topic.partitions[0].clear()
    topic.write("d")
    topic.publish(start=4)
    assert database.take(topic.batch(0, 0)) == ([("d", 1)], 0)
    assert inbox_store.holes(database.execute, "test") == [("s", 0, 1, 3)]
    topic.publish(start=2)
    assert database.take(topic.batch(0, 1)) == ([("b", 1), ("c", 1)], 1)
    assert inbox_store.holes(database.execute, "test") == []


def test_a_position_is_reached_when_every_partition_has_reached_it() -> None:
    topic, database = written("a", "b", "a", "b", "b", partitions=2), Database()
    topic.publish()  # a: partition 1, b: partition 0
    database.take(topic.batch(1, 0))
    assert not reached(database.execute, "test", "s", 2)
    assert not reached(database.execute, "test", "s", 3)  # b's first fact has not come
    database.take(topic.batch(0, 0, 1))
    assert reached(database.execute, "test", "s", 3)
    assert not reached(database.execute, "test", "s", 4)
    database.take(topic.batch(0, 1))
    assert reached(database.execute, "test", "s", 5)  # partition 1 stands still at 3 and misses nothing
    assert not reached(database.execute, "test", "s", 6)


def test_two_workers_with_the_same_batch_write_it_once() -> None:
    topic, database = written("a", "a"), Database()
    topic.publish()
    batch = topic.batch(0, 0)
    one, other = (Inbox("test").receive(database.execute, [batch]) for _ in range(2))
    assert len(list(one[0].accept(batch, NOW))) == len(list(other[0].accept(batch, NOW))) == 2
    save(database.execute, one)
    with pytest.raises(ConcurrencyConflict):
        save(database.execute, other)


def test_a_worker_with_a_stale_inbox_conflicts_on_save() -> None:
    topic, database = written("a", "b", "a"), Database()
    topic.publish()
    database.take(topic.batch(0, 0, 1))
    other, batch = Inbox("test"), topic.batch(0, 1, 2)
    [receipt] = other.receive(database.execute, [batch])
    assert len(list(receipt.accept(batch, NOW))) == 1
    save(database.execute, [receipt])
    batch = topic.batch(0, 2)
    [receipt] = database.inbox.receive(database.execute, [batch])
    assert len(list(receipt.accept(batch, NOW))) == 1
    with pytest.raises(ConcurrencyConflict):
        database.save(receipt)
    database.inbox.forget()
    assert database.take(topic.batch(0, 1)) == ([("a", 2)], 1)


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_worker_rereads_its_inbox_when_a_database_crash_lost_its_last_saves(
    kept: int, forgets: bool
) -> None:
    topic, database = written("a", "a", "a", "a", "a"), Database()
    topic.publish()
    states = []
    for end in (1, 2, 3):
        states.append([database.execute(f"SELECT * FROM {table}") for table in TABLES])
        database.take(topic.batch(0, end - 1, end))
    for table, rows in zip(TABLES, states[kept], strict=True):
        database.execute(f"DELETE FROM {table}")
        for row in rows:
            database.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)

    if forgets:
        database.inbox.forget()
    with pytest.raises(ConcurrencyConflict):
        database.take(topic.batch(0, 3))
    database.inbox.forget()
    assert database.inbox.begin(database.execute, "s", 0).position == kept
    assert database.take(topic.batch(0, kept)) == ([("a", version) for version in range(kept + 1, 6)], 0)


def test_several_partitions_are_received_and_saved_together_in_portions() -> None:
    topic, database = written("a", "b", "a", "c", "b", "a", partitions=2), Database()
    topic.publish()
    batches = [topic.batch(partition, 0) for partition in range(2)]
    sizes, accepted = [], []
    for portion in portions(batches, 4):
        sizes.append([(batch.partition, len(batch.rows)) for batch in portion])
        receipts = database.inbox.receive(database.execute, portion)
        for receipt, batch in zip(receipts, portion, strict=True):
            accepted += [(row.originator_id, row.originator_version) for row in receipt.accept(batch, NOW)]
        save(database.execute, receipts)
        for receipt in receipts:
            receipt.saved()
    assert sizes == [[(0, 2)], [(1, 4)]]
    assert accepted == [("b", 1), ("b", 2), ("a", 1), ("a", 2), ("c", 1), ("a", 3)]
    assert reached(database.execute, "test", "s", 6)
    assert [len(batch.rows) for portion in portions(batches, 3) for batch in portion] == [2, 3, 1]


def test_two_workers_that_close_the_same_gap_write_it_once() -> None:
    topic, database = written("a", "a", "b"), Database()
    topic.publish(without=frozenset({1}))
    database.take(topic.batch(0, 0))
    topic.publish()
    batch = topic.batch(0, 2)
    one, other = (Inbox("test").receive(database.execute, [batch]) for _ in range(2))
    for [receipt] in (one, other):
        accepted = receipt.accept(batch, NOW)
        assert [row.originator_version for row in accepted if row.originator_id == "a"] == [1, 2]
    save(database.execute, one)
    with pytest.raises(ConcurrencyConflict):
        save(database.execute, other)


def test_an_unreadable_record_is_parked_with_its_bytes() -> None:
    database = Database()
    stranger = Notification(id=-8, originator_id="t/0/7", originator_version=1, topic="", state=b"\xff")
    assert database.take(Batch("s", 0, [stranger], [7], [0], [""])) == ([], 0)
    [row] = parked(database.execute, "test")
    assert (row.kind, row.state, row.position) == ("fault", b"\xff", -8)
    assert inbox_store.position_of(database.execute, "test", "s", 0).offset == 7


@given(
    writes=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=25),
    runs=st.lists(st.tuples(st.integers(1, 9), st.frozensets(st.integers(1, 25), max_size=4)), max_size=3),
    most=st.sampled_from([0, 2, 10_000]),
    seed=st.integers(0, 1000),
)
def test_whatever_is_dropped_repeated_and_split_each_fact_has_its_effect_once_and_in_order(
    writes: list[str], runs: list[tuple[int, frozenset[int]]], most: int, seed: int
) -> None:
    topic, database = written(*writes, partitions=3), Database()
    for start, without in runs:
        topic.publish(start, without)
    topic.publish()  # the republish that heals
    chance = Random(seed)
    database.inbox.MOST = most
    seen: list[tuple[str, int]] = []
    at = [0, 0, 0]
    while any(at[n] < len(topic.partitions[n]) for n in range(3)):
        partition = chance.randrange(3)
        begin = max(0, at[partition] - chance.randrange(4))  # a crash delivers some of it again
        end = at[partition] + chance.randrange(6)
        batch = topic.batch(partition, begin, end)
        if chance.randrange(3) == 0:
            database.inbox.forget()
        if batch.rows:
            try:
                accepted, _ = database.take(batch)
            except ConcurrencyConflict:  # a first fact was taken to be new, and was not
                database.inbox.forget()
                accepted, _ = database.take(batch)
            seen += accepted
        at[partition] = max(at[partition], min(end, len(topic.partitions[partition])))
    expected = [(str(row.originator_id), row.originator_version) for row in topic.log]
    assert sorted(seen) == sorted(expected)
    for aggregate in set(writes):
        versions = [version for name, version in seen if name == aggregate]
        assert versions == sorted(versions)
    assert parked(database.execute, "test") == []
    assert inbox_store.holes(database.execute, "test") == []
    assert reached(database.execute, "test", "s", len(topic.log))


def test_an_event_that_a_restore_marked_as_handled_is_not_handled_again() -> None:
    topic, database = written("a", "b", "b"), Database()
    topic.publish()
    database.execute("INSERT INTO inbox_versions VALUES ('test', 's', 'b', 1)")
    assert database.take(topic.batch(0, 0)) == ([("a", 1), ("b", 2)], 1)


def test_a_first_fact_is_looked_up_once_anything_was_redelivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Inbox, "MOST", 0)  # of what was received before nothing is kept in mind
    topic, database = written("a", "b", "c", "a"), Database()
    topic.publish()
    said: list[str] = []
    database.connection.set_trace_callback(said.append)

    def asked() -> bool:
        found = any("FROM inbox_versions" in one for one in said)
        said.clear()
        return found

    assert database.take(topic.batch(0, 0, 1)) == ([("a", 1)], 0)
    assert asked(), "a consumer that begins knows nothing"
    assert database.take(topic.batch(0, 1, 2)) == ([("b", 1)], 0)
    assert not asked()
    with pytest.raises(ConcurrencyConflict):
        database.take(topic.batch(0, 0, 2))
    database.inbox.forget()
    assert database.take(topic.batch(0, 0, 2)) == ([], 2)
    said.clear()
    assert database.take(topic.batch(0, 2, 3)) == ([("c", 1)], 0)
    assert asked(), "what came twice may do so again"
    assert database.take(topic.batch(0, 3)) == ([("a", 2)], 0)
    assert asked(), "a later fact's version is always known from the table"


def test_a_first_fact_redelivered_with_the_next_is_recognised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Inbox, "MOST", 0)
    topic, database = written("a", "a"), Database()
    topic.publish()
    database.take(topic.batch(0, 0, 1))
    with pytest.raises(ConcurrencyConflict):
        database.take(topic.batch(0, 0))
    database.inbox.forget()
    assert database.take(topic.batch(0, 0)) == ([("a", 2)], 1)
