"""The use cases of the notify service, and what its worker does by the clock."""

from services.notify.application.notifier import Notifier

__all__ = ["Notifier"]
