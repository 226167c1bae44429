"""The baseline of ``project``: a plain kafka-python loop in a process of its own, which reads, decodes and forgets."""

import json
import sys
import time

import msgspec
from kafka import KafkaConsumer, TopicPartition

from shared.events import assignment  # noqa: F401 - its events' types
from shared.events.base import VOCABULARY
from shared.messaging.transport.kafka.client import FETCH_WAIT_MS, LIMIT, topic_of


def read(kafka: str, stretches: dict[int, tuple[int, int]]) -> float:
    """Seconds, with our settings, from the first message to the last of these stretches: partition → first, end."""
    consumer = KafkaConsumer(
        bootstrap_servers=kafka,
        metrics_enabled=False,
        group_id=None,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_poll_records=LIMIT,
    )
    where = {n: TopicPartition(topic_of("assignment"), n) for n in stretches}
    consumer.assign(list(where.values()))
    for n, (_, end) in stretches.items():
        consumer.seek(where[n], end)
    consumer.poll(timeout_ms=200)  # it is connected now, and waits for something to come
    for n, (first, _) in stretches.items():
        consumer.seek(where[n], first)
    decoders = {name: msgspec.json.Decoder(kind) for name, kind in VOCABULARY.items()}
    wanted, seen = sum(end - first for first, end in stretches.values()), 0
    started = None
    while seen < wanted:
        before = time.perf_counter()
        for records in consumer.poll(timeout_ms=1000).values():
            started = before if started is None else started
            for record in records:
                headers = dict(record.headers)
                decoders[headers["ce_type"].decode()].decode(record.value)
                seen += 1
    assert started is not None
    seconds = time.perf_counter() - started
    consumer.close(autocommit=False)
    return seconds


if __name__ == "__main__":
    asked = {int(n): tuple(of) for n, of in json.loads(sys.argv[2]).items()}
    print(min(read(sys.argv[1], asked) for _ in range(3)))  # the first one warms up
