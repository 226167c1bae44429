"""Counters of a worker, shown at ``/metrics``."""

from prometheus_client import CollectorRegistry, Counter

REGISTRY = CollectorRegistry()

HANDLED = Counter(
    "duban_messages_handled", "Facts received for the first time", ["consumer", "source"], registry=REGISTRY
)
DUPLICATES = Counter(
    "duban_messages_duplicate",
    "Facts received again, without effect",
    ["consumer", "source"],
    registry=REGISTRY,
)
PUBLISHED = Counter(
    "duban_relay_published", "Facts acknowledged by the broker", ["service"], registry=REGISTRY
)


def count(consumer: str, source: str, received: tuple[int, int]) -> None:
    """Count new and duplicate facts of a source."""
    HANDLED.labels(consumer, source).inc(received[0])
    DUPLICATES.labels(consumer, source).inc(received[1])
