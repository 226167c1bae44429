"""The three clocks of a whistle, which all run from its blowing (domain.md §5): pure functions."""

from dataclasses import dataclass
from datetime import date, datetime

from shared.calendar import Calendar
from shared.calendar.due import due
from shared.domain.clock import local_day
from shared.rulebook import Rulebook


@dataclass(frozen=True)
class Clocks:
    """The due days of one whistle; each clock is due at the close of its day in Asia/Shanghai."""

    contact_due: date
    """联系企业: 1 working day (rule ``contact``)."""
    resolve_or_confirm_due: date
    """解决或服务确认: 3 working days (rule ``resolve_or_confirm``)."""
    hard_limit_due: date
    """最长办理期限: at most 30 working days (rule ``hard_limit``)."""
    provisional: bool
    """Whether a year that one of them reaches into is not announced yet."""


def clocks_of(rulebook: Rulebook, calendar: Calendar, blown_at: datetime) -> Clocks:
    """When a whistle blown at that moment has to be contacted, resolved or confirmed, and resolved."""
    contact, resolve_or_confirm, hard_limit = (
        due(rulebook.rule(rule), calendar, blown_at, rulebook_version=rulebook.version)
        for rule in ("contact", "resolve_or_confirm", "hard_limit")
    )
    return Clocks(
        contact_due=contact.original_on,
        resolve_or_confirm_due=resolve_or_confirm.original_on,
        hard_limit_due=hard_limit.original_on,
        provisional=hard_limit.provisional,
    )


def rating_until(rulebook: Rulebook, calendar: Calendar, resolved_at: datetime) -> date:
    """The last day on which the enterprise may rate (rule ``rating_window``, working days)."""
    return due(
        rulebook.rule("rating_window"), calendar, local_day(resolved_at), rulebook_version=rulebook.version
    ).original_on
