"""The counters of a process, shown at ``/metrics``."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

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
SAVED = Counter("duban_events_saved", "Events saved in the service's log", ["service"], registry=REGISTRY)


def count(consumer: str, source: str, received: tuple[int, int]) -> None:
    """Count new and duplicate facts of a source."""
    HANDLED.labels(consumer, source).inc(received[0])
    DUPLICATES.labels(consumer, source).inc(received[1])


class _Merged(Collector):
    def __init__(self, registries: list[CollectorRegistry]) -> None:
        self.registries = registries

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for registry in self.registries:
            for metric in registry.collect():
                family = Metric(metric.name, metric.documentation, metric.type)
                families.setdefault(metric.name, family).samples.extend(metric.samples)
        yield from families.values()


def merged(registries: list[CollectorRegistry]) -> CollectorRegistry:
    """Several registries as one: a family that stands in more than one is written once."""
    whole = CollectorRegistry()
    whole.register(_Merged(registries))
    return whole
