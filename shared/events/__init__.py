"""The published language: one module per service, one frozen dataclass per event.

Importing this package makes every event known to the codec.
"""

from shared.events import assignment, audit, enterprise, notify, supervision
from shared.events.base import VOCABULARY, Actor, Fact, Message, Moment, Personal, message_id

__all__ = [
    "VOCABULARY",
    "Actor",
    "Fact",
    "Message",
    "Moment",
    "Personal",
    "assignment",
    "audit",
    "enterprise",
    "message_id",
    "notify",
    "supervision",
]
