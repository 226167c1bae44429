"""The newest moment at which the log says that something was recorded: if it lies ahead, the clock was set back."""

from datetime import datetime, timedelta
from threading import Lock

import msgspec

from shared.log.recorder import ROWS_AT_ONCE, LogRecorder

TOLERANCE = timedelta(minutes=1)
"""How far the clocks of several hosts may be apart."""


class _Recorded(msgspec.Struct):
    timestamp: datetime


_decode = msgspec.json.Decoder(_Recorded).decode


class NewestRecorded:
    """Reads every event once, a portion at a time: which of them is the newest does not follow from their order."""

    def __init__(self, log: LogRecorder) -> None:
        self._log = log
        self._looking = Lock()
        self._upto = 0
        self._newest: datetime | None = None

    def ahead_of(self, now: datetime, *, portions: int = 1) -> timedelta:
        """How far the newest moment lies after ``now``, as far as the log was read; zero within the tolerance."""
        with self._looking:
            for _ in range(portions):
                if not self._read_on():
                    break
            ahead = timedelta() if self._newest is None else self._newest - now
        return ahead if ahead > TOLERANCE else timedelta()

    def _read_on(self) -> bool:
        rows = self._log.select_notifications(start=self._upto, limit=ROWS_AT_ONCE, inclusive_of_start=False)
        for row in rows:
            try:
                moment = _decode(row.state).timestamp
            except msgspec.DecodeError:
                continue  # whoever reads the event itself says what is wrong with it
            if self._newest is None or moment > self._newest:
                self._newest = moment
        if rows:
            self._upto = rows[-1].id
        return len(rows) == ROWS_AT_ONCE
