"""A log of plausible events that has been sealed, and ways to tamper with its rows; for the proof tests."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid5

from eventsourcing.persistence import StoredEvent

from shared.application.application import Application
from shared.audit import seal
from shared.audit.evidence import evidence_of
from shared.audit.places import Outside, folder_of
from shared.audit.tree import Tree
from shared.audit.verification import Report, verify
from shared.process.config import Config
from shared.runtime.event_log import open_log
from shared.testing import StoppedClock, shanghai

SERVICE = "assignment"
ORIGIN = f"duban.local/{SERVICE}"
START = shanghai("2021-01-04 09:00")
SPACE = UUID(int=2021)
TOPICS = ("assignment.task_assigned", "assignment.progress_reported", "assignment.task_closed")


class Events:
    """Plausible events of some aggregates, each with versions 1, 2, 3, …"""

    def __init__(self, seed: int, aggregates: int, text: str = "") -> None:
        """``text`` stands in every event, to make it longer."""
        self.chance = random.Random(seed)
        self.versions = [0] * aggregates
        self.text = text
        self.written = 0

    def some(self, count: int) -> list[StoredEvent]:
        """The next ones."""
        return [self._one() for _ in range(count)]

    def _one(self) -> StoredEvent:
        number = self.chance.randrange(len(self.versions))
        self.versions[number] += 1
        self.written += 1
        recorded = START + timedelta(seconds=self.written)
        state = {
            "timestamp": recorded.isoformat().replace("+00:00", "Z"),
            "by": {"unit": "fgw", "post": "fgw/head"},
            "note": f"第{self.written}条{self.text}",
            "amount": self.chance.randrange(10**6),
        }
        return StoredEvent(
            originator_id=uuid5(SPACE, str(number)),
            originator_version=self.versions[number],
            topic=self.chance.choice(TOPICS),
            state=json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode(),
        )


@dataclass
class Sealed:
    """A log with its sealer, in a folder or a database."""

    config: Config
    clock: StoppedClock
    app: Application
    sealer: seal.Sealer

    @property
    def tree(self) -> Tree:
        """The tree beside the log."""
        return self.sealer.tree

    @property
    def outside(self) -> Outside:
        """The copy outside."""
        return Outside(folder_of(self.config, SERVICE))

    def write(self, events: Sequence[StoredEvent]) -> None:
        """Write events, as a command would."""
        self.app.log.insert_events(list(events))

    def seal(self) -> None:
        """An hour later: let the sealer work until it has sealed, signed and delivered everything."""
        self.clock.advance(hours=1)
        while self.sealer.step():
            pass
        assert self.sealer.problems() == []

    def verify(self, outside: Outside | None = None, **more: object) -> Report:
        """Verify the database, by the copy outside if one is given."""
        return verify(evidence_of(self.app.log, SERVICE, ORIGIN, outside=outside, **more))  # type: ignore[arg-type]

    def close(self) -> None:
        """Let go of the files."""
        self.sealer.close()
        self.app.close()


def open_sealed(
    data: Path, *, create: bool = False, clock: StoppedClock | None = None, **settings: object
) -> Sealed:
    """Open (and make) a log and its sealer."""
    config = Config(data=data, **settings)  # type: ignore[arg-type]
    clock = clock or StoppedClock(START)
    (data / SERVICE).mkdir(parents=True, exist_ok=True)
    app = open_log(config, SERVICE, clock, create=create)
    return Sealed(config, clock, app, seal.Sealer(SERVICE, app.log, config, clock))
