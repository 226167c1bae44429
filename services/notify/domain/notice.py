"""One notice to one post, and what is common to everything that leaves by a channel."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.events import notify


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """A post in its unit; never a person (domain.md §1)."""

    unit: str
    post: str


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A notice that was issued, as the matter remembers it."""

    notice_id: UUID
    clock: str
    cycle: int
    level: notify.Level
    to: Recipient
    reminder: int
    subject: str
    text: str
    colour: str
    not_before: datetime
    state: str
    """open, acknowledged or withdrawn"""
    version: int
    """The matter's version when this notice last changed: what its reader has seen."""

    @property
    def stands(self) -> bool:
        """Whether it has not been withdrawn."""
        return self.state != "withdrawn"


class Deliverable(Protocol):
    """What remembers which of its notices have left."""

    delivered: frozenset[UUID]
