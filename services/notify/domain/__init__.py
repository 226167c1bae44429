"""What the notify service decides: whom to tell, once; when to remind; when a notice no longer holds."""

from services.notify.domain.digest import Digest
from services.notify.domain.matter import (
    Escalation,
    EscalationAlreadyAcknowledged,
    EscalationIsWithdrawn,
    Matter,
    NoticeAlreadyAcknowledged,
    NoticeIsWithdrawn,
    NotTheRecipient,
)
from services.notify.domain.naming import Naming
from services.notify.domain.notice import Notice, Recipient

__all__ = [
    "Digest",
    "Escalation",
    "EscalationAlreadyAcknowledged",
    "EscalationIsWithdrawn",
    "Matter",
    "Naming",
    "NotTheRecipient",
    "Notice",
    "NoticeAlreadyAcknowledged",
    "NoticeIsWithdrawn",
    "Recipient",
]
