"""The register of units to the last event of the log, by which their names are compared."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from shared.domain.units import UnitState, evolve_unit
from shared.log.codec import decode
from shared.log.recorder import Basis, LogRecorder, rows_upto

TOPICS = tuple(evolve_unit.facts)


class RegisterOfUnits:
    """Every unit's state by its id, folded from the log as far as it has come when somebody asks."""

    def __init__(self, log: LogRecorder) -> None:
        self._log = log
        self._units: dict[str, UnitState] = {}
        self._position = 0
        self._lock = Lock()

    def now(self) -> tuple[Mapping[str, UnitState], Basis]:
        """The units, and up to where the log was read for them."""
        with self._lock:
            last = self._log.max_notification_id() or 0
            for row in rows_upto(self._log, self._position, last, TOPICS):
                fact: Any = decode(row.topic, row.state)
                self._units[fact.unit] = evolve_unit(fact, self._units.get(fact.unit))
            self._position = last
            return dict(self._units), Basis(last, TOPICS)
