"""Types of column that SQLite and PostgreSQL keep alike."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import String, TypeDecorator


class MomentColumn(TypeDecorator[datetime]):
    """An aware moment, kept as ISO 8601 text in UTC so that SQLite and PostgreSQL sort and compare it alike."""

    impl = String
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """The Python type, so that a list's cursor is parsed as a moment and not as text."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        """Called by SQLAlchemy for each value written."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        """Called by SQLAlchemy for each value read."""
        return None if value is None else datetime.fromisoformat(value)
