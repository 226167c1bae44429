"""The present request: the application that answers it, its command context, and its command carried out once."""

from datetime import datetime
from typing import TypeVar, overload

import structlog
from flask import current_app

from shared.application.application import UseCase
from shared.application.result import CommandResult
from shared.domain.aggregate import CommandContext
from shared.events.base import Actor
from shared.service.application import ServiceApplication
from shared.web.http import context

App = TypeVar("App", bound=ServiceApplication)


@overload
def application() -> ServiceApplication: ...
@overload
def application(kind: type[App]) -> App: ...
def application(kind: type[ServiceApplication] = ServiceApplication) -> ServiceApplication:
    """The application of the service that answers the present request. Raises TypeError if it is of another kind."""
    found = current_app.extensions["runtime"].app
    if not isinstance(found, kind):
        raise TypeError(f"{found!r} is no {kind.__name__}")
    return found


def command_context() -> CommandContext:
    """The present request as a command's context: who, why, when, and which version they have seen."""
    asked = context()
    by = asked.identity
    key = f"{by.subject}|{asked.idempotency_key}"
    fingerprint = asked.fingerprint
    if asked.personal:
        fingerprint = application().personal_data.keyed(fingerprint)
    structlog.contextvars.bind_contextvars(because=f"request:{key}")
    return CommandContext(
        by=Actor(unit=by.unit, post=by.post),
        because=f"request:{key}",
        recorded_at=asked.now,
        happened_at=asked.now,
        role=by.role,
        key=key,
        fingerprint=fingerprint,
        expected_version=asked.expected_version,
    )


def perform(use_case: UseCase, *, happened_at: datetime | None = None) -> CommandResult:
    """Carry out the present request's command once, as true since ``happened_at`` (default: now).

    Raises HappenedInTheFuture, IdempotencyKeyReused, ChangedMeanwhile and what the use case refuses.
    """
    return application().perform(command_context().at(happened_at), use_case)
