"""A stay 经手时段: one unit's time with a matter."""

from datetime import datetime
from typing import NamedTuple

from shared.events.supervision import CustodyRole


class Stay(NamedTuple):
    """经手时段: from when a unit has had the matter, until the next stay begins."""

    unit: str
    post: str | None
    since: datetime
    role: CustodyRole = "holder"
    leads: bool = True
