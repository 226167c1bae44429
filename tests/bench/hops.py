"""The whistle's way with nothing done on it: two raw kafka-python hops, each in a process of its own.

``python -m tests.bench.hops BROKER FROM TO``: send on to the topic TO what comes in FROM, as soon as it comes. With
``-`` for FROM send RATE messages a second for SECONDS; with ``-`` for TO print how long each was on its way.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from shared.messaging.transport.kafka.client import topic_of

WAY = ("enterprise", "notify")
SIZE = 400
"""Bytes of a message, beside the moment at which it was due."""
QUIET = 3.0
"""Seconds without a message after which all have come."""


def run(broker: str, rate: int, seconds: int) -> tuple[list[float], float]:
    """Milliseconds that each message was on its way, in order of length; and the processor that the clients used, in
    milliseconds a message."""
    topics = [topic_of(service) for service in WAY]
    command = [sys.executable, "-m", "tests.bench.hops", broker]
    pairs = [*zip(topics, [*topics[1:], "-"], strict=True)]
    receivers = [subprocess.Popen([*command, *pair], stdout=subprocess.PIPE, text=True) for pair in pairs]
    for one in receivers:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    subprocess.run([*command, "-", topics[0], str(rate), str(seconds)], check=True, stdout=subprocess.DEVNULL)
    said = [json.loads(one.communicate(timeout=60)[0]) for one in receivers]
    if any(one.returncode for one in receivers):
        raise RuntimeError("a hop did not end cleanly")
    waits = sorted(said[-1]["waits"])
    if len(waits) != rate * seconds:
        raise RuntimeError(f"{len(waits)} of {rate * seconds} messages came")
    return waits, statistics.fmean(one["cpu"] for one in said) * len(said) * 1000 / len(waits)


def _due(rate: int, seconds: int) -> Iterator[list[float]]:
    begin = time.monotonic() + 0.1
    for n in range(rate * seconds):
        due = begin + n / rate
        time.sleep(max(0.0, due - time.monotonic()))
        yield [due]


def _coming(broker: str, topic: str) -> Iterator[list[float]]:
    consumer = KafkaConsumer(
        bootstrap_servers=broker, metrics_enabled=False, group_id=None, auto_offset_reset="latest"
    )
    where = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
    consumer.assign(where)
    for one in where:
        consumer.position(one)
    print("ready", flush=True)
    last = None
    while last is None or time.monotonic() - last < QUIET:
        found = consumer.poll(timeout_ms=100)
        if found:
            last = time.monotonic()
            yield [float(record.value[:20]) for records in found.values() for record in records]


def main(broker: str, source: str, target: str, *more: str) -> None:
    """One hop."""
    coming = _due(*map(int, more)) if source == "-" else _coming(broker, source)
    producer: Any = None
    if target != "-":
        producer = KafkaProducer(
            bootstrap_servers=broker, metrics_enabled=False, acks="all", enable_idempotence=True, linger_ms=50
        )
        producer.partitions_for(target)
    waits, began = [], time.process_time()
    for moments in coming:
        if producer is None:
            waits += [(time.monotonic() - moment) * 1000 for moment in moments]
            continue
        for moment in moments:
            producer.send(target, f"{moment:020.9f}".encode().ljust(SIZE), key=os.urandom(16))
        producer.flush(timeout=10)
    print(json.dumps({"waits": waits, "cpu": time.process_time() - began}))
    if producer is not None:
        producer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
