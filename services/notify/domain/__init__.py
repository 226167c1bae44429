"""What the notify service decides: whom to tell, once; when to remind; when a notice no longer holds."""

from services.notify.domain.digest import Digest
from services.notify.domain.matter import Matter, MatterState
from services.notify.domain.naming import Naming
from services.notify.domain.notice import NoticeState, Recipient

__all__ = ["Digest", "Matter", "MatterState", "Naming", "NoticeState", "Recipient"]
