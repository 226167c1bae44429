"""The matter 通知事项: one supervision case as the notifier follows it."""

from services.notify.domain.matter.decisions import Matter
from services.notify.domain.matter.state import MatterState

__all__ = ["Matter", "MatterState"]
