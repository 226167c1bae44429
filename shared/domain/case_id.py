"""The id of a supervision case (督查立案), by which services that know what it is about find it without asking."""

from uuid import UUID

from shared.domain.aggregate import stable_id
from shared.events.matter import CaseKind


def case_id(kind: CaseKind, subject_id: UUID, *parts: str) -> UUID:
    """The one case about this task or whistle; of a directive's duty, ``parts`` are the duty and the unit."""
    return stable_id("case", kind, subject_id, *parts)
