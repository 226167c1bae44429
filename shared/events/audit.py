"""What every service's log tells about itself: who looked into it, whose data were erased from it (审计)."""

from dataclasses import dataclass

from shared.events.base import Fact


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One thing that a question was about (查询条件): its name and its value, as the auditor wrote them."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class AuditAccessed(Fact):
    """审计查阅: an auditor looked into this log and asked ``question`` (``as-of``, ``why``, ``export`` …).

    It stands in every log that was read for the answer, whichever service's it is: who reads a log is a fact about
    that log. Nothing follows from it, and no figure counts it.
    """

    TOPIC = "audit.audit_accessed"
    question: str
    about: tuple[Asked, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PersonErased(Fact):
    """删除个人信息: the keys of ``subject`` (a post, an enterprise's credit code) up to ``generation`` were erased.

    It stands in the log whose events hold the subject's personal data. No byte of them changes: they can no longer be
    read, in whatever copy. ``ground`` says why (the request, the end of a term) and must itself name nobody.
    """

    TOPIC = "audit.person_erased"
    subject: str
    generation: int
    ground: str
