"""The relay, from a log on PostgreSQL to acknowledged by the broker, against a raw producer of the same bytes."""

import statistics
import time
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from services.assignment.__main__ import SERVICE
from shared.messaging.transport.kafka.client import topic_of
from shared.messaging.transport.kafka.publisher import LINGER_MS
from shared.messaging.transport.kafka.topics import apply_topics
from shared.runtime.opening import Runtime, open_service
from tests.bench.components import Ground, ground
from tests.bench.facts import CHANGES, NOW, fill

UNITS, ROUNDS = 2_000, 5
EVENTS = UNITS * (1 + CHANGES)
RAW = "raw"


def run() -> list[str]:
    """The report's lines."""
    with ground(broker=True) as here:
        here.migrate("assignment", clock=lambda: NOW)
        apply_topics(here.config, {RAW: ()})
        runtime = open_service(SERVICE, here.config, lambda: NOW)
        try:
            _relay(runtime, 0)  # warms up, and gives the raw producer its bytes
            messages = messages_of(here, "assignment", EVENTS)
            ours, raw = [], []
            for turn in range(1, ROUNDS + 1):
                raw.append(EVENTS / produce(here, RAW, messages))
                ours.append(EVENTS / _relay(runtime, turn))
            kept = sum(
                segment.stat().st_size
                for segment in here.broker.data.glob(f"{topic_of('assignment')}-*/*.log")  # type: ignore[union-attr]
            )
        finally:
            runtime.close()
    size = statistics.mean(len(one["value"]) for one in messages)
    return [
        f"relay: {statistics.median(ours):.0f} events/s from the log on PostgreSQL to acknowledged ({EVENTS} events of "
        f"{size:.0f} bytes and 10 headers) against "
        f"{statistics.median(raw):.0f}/s of a raw kafka-python producer of the same bytes from memory: ratio "
        f"{statistics.median(a / b for a, b in zip(ours, raw, strict=True)):.2f} (median of {ROUNDS} pairs; aim ≥ 0.7)",
        f"disk: {kept / EVENTS / (ROUNDS + 1):.0f} bytes per event in the topic, one replica, with headers",
    ]


def _relay(runtime: Runtime, turn: int) -> float:
    """Seconds of a relay at work for so many new events, from its first read to its last acknowledgement."""
    relay = runtime.relay
    assert relay is not None
    relay.step()  # it leads, and its producer is open
    last = fill(runtime.app.log, range(turn * UNITS, (turn + 1) * UNITS))
    started = time.perf_counter()
    while relay.step():
        pass
    seconds = time.perf_counter() - started
    assert relay.lag() == 0
    assert last == (turn + 1) * EVENTS
    return seconds


def messages_of(here: Ground, service: str, number: int) -> list[dict[str, Any]]:
    """What a topic holds, as a producer sends it, in the order of the log."""
    consumer = KafkaConsumer(bootstrap_servers=here.config.kafka, group_id=None, enable_auto_commit=False)
    topic = topic_of(service)
    where = [TopicPartition(topic, n) for n in range(here.config.kafka_partitions)]
    consumer.assign(where)
    consumer.seek_to_beginning(*where)
    found: list[Any] = []
    while len(found) < number:
        for records in consumer.poll(timeout_ms=1000).values():
            found += records
    consumer.close(autocommit=False)
    found.sort(key=lambda record: int(dict(record.headers)["ce_sequence"]))
    return [{"key": one.key, "value": one.value, "headers": one.headers} for one in found]


def produce(here: Ground, service: str, messages: list[dict[str, Any]]) -> float:
    """Seconds from the first send of a raw producer, with the relay's settings, to its last acknowledgement."""
    producer = KafkaProducer(
        bootstrap_servers=here.config.kafka,
        metrics_enabled=False,
        enable_idempotence=True,
        acks="all",
        linger_ms=LINGER_MS,
        batch_size=65_536,
        allow_auto_create_topics=False,
    )
    topic = topic_of(service)
    producer.partitions_for(topic)  # the metadata are fetched before the clock starts
    started = time.perf_counter()
    futures = [producer.send(topic, **message) for message in messages]
    producer.flush()
    for future in futures:
        future.get(timeout=0)  # flush hides failures
    seconds = time.perf_counter() - started
    producer.close()
    return seconds
