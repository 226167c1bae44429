"""What a write answers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandResult:
    """The aggregate that was written, its new version, and how far the service's log has come with it."""

    id: str
    version: int
    position: int
    state: str | None = None
    number: str | None = None
    location: str | None = None
    replayed: bool = False
