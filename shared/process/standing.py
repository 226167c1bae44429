"""What the roles of a process refuse to do at present, and why (停止的角色).

A worker of ``duban serve`` has no port of its own: it says so in a file of the data folder, and the web process tells.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.domain.refusal import Refusal
from shared.domain.words import Title
from shared.process import logs
from shared.process.files import replace

log = logs.log("standing")
FOLDER = "refusing"
Standing = Mapping[tuple[str, str], Title]
"""Service and role → why it refuses to go on."""


def reason_of(error: Exception) -> Title:
    """The reason in an error, for people."""
    if isinstance(error, Refusal):
        return Title(error.text("zh"), error.text("en"))
    said = f"{type(error).__name__}: {error}"
    return Title(f"程序出错（{said}）", f"a fault of the program ({said})")


def in_words(standing: Standing) -> list[Title]:
    """A line for each role that refuses."""
    return [
        Title(f"{service} {role} 已停止：{why.zh}", f"{service} {role} refuses to go on: {why.en}")
        for (service, role), why in standing.items()
    ]


class StandingGauge(Collector):
    """Which roles refuse to go on, as a metric."""

    def __init__(self, standing: Callable[[], Standing]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        family = GaugeMetricFamily(
            "duban_role_refuses", "Whether a role refuses to go on", labels=["service", "role"]
        )
        for labels in self._standing():
            family.add_metric(labels, 1.0)
        yield family


class Board:
    """The file in which one process says what of a service refuses."""

    def __init__(self, data: Path, service: str, writer: str) -> None:
        self._path = data / FOLDER / f"{service}.{writer}.json"
        self._shown: Mapping[str, Title] | None = None

    def show(self, reasons: Mapping[str, Title]) -> None:
        """Say which roles refuse; nothing, if none does."""
        if reasons == self._shown:
            return
        try:
            if reasons:
                replace(self._path, json.dumps(reasons, ensure_ascii=False).encode())
            else:
                self._path.unlink(missing_ok=True)
            self._shown = dict(reasons)
        except OSError as error:  # a data folder that may only be read: the log has said it
            log.warning("not_shown", reason=str(error))


def forget(data: Path) -> None:
    """Remove what processes that run no more have said."""
    for path in (data / FOLDER).glob("*.json"):
        path.unlink(missing_ok=True)


def shown(data: Path, service: str) -> dict[tuple[str, str], Title]:
    """What of a service refuses, as its processes say on this machine."""
    found = {}
    for path in sorted((data / FOLDER).glob(f"{service}.*.json")):
        with suppress(OSError, ValueError):  # it has just been removed
            for role, reason in json.loads(path.read_text("utf-8")).items():
                found[service, role] = Title(*reason)
    return found
