"""Every access of an auditor to a log is a fact of that log: who asked what and when (审计留痕)."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from shared.application.application import Application
from shared.application.result import CommandResult
from shared.domain.aggregate import Aggregate, CommandContext, Creation
from shared.events import audit
from shared.events.audit import Asked
from shared.events.base import Actor
from shared.web.auth import Identity


class Access(Aggregate):
    """查阅: one access to one log, with a single event."""

    TOPIC = "audit.access"

    @classmethod
    def take(cls, act: CommandContext, question: str, about: Mapping[str, str]) -> Self:
        """Record an access."""
        return cls.begin(
            cls.Taken,
            act,
            id=act.new_id("audit access"),
            question=question,
            about=tuple(Asked(name=name, value=value) for name, value in about.items()),
        )

    class Taken(audit.AuditAccessed, Creation):
        def apply(self, access: "Access") -> None:
            pass


def act_of(identity: Identity, now: datetime) -> CommandContext:
    """An access has a request id of its own, whatever the caller's."""
    key = f"{identity.subject}|audit-{secrets.token_hex(16)}"
    return CommandContext(
        by=Actor(unit=identity.unit, post=identity.post),
        because=f"request:{key}",
        recorded_at=now,
        happened_at=now,
        role=identity.role,
        key=key,
    )


def record_access(app: Application, act: CommandContext, question: str, about: Mapping[str, str]) -> None:
    """Record an access in the log of ``app``, once per ``act``.

    Record before answering, so that no answer goes unrecorded. Raises IdempotencyKeyReused.
    """

    def use_case(act: CommandContext) -> CommandResult:
        return app.commit(act, Access.take(act, question, about))

    app.perform(act, use_case)
