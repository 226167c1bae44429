"""What a service is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_smorest import Blueprint

from shared.messaging.handlers import sources_of
from shared.messaging.reactions import Reactions
from shared.readmodels.view import View
from shared.runtime.gauge import Gauge
from shared.runtime.worker import Step
from shared.service.application import ServiceApplication


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service, as its ``__main__.py`` puts it together."""

    name: str
    title: str
    application: type[ServiceApplication]
    views: Sequence[type[View]]
    blueprints: Sequence[Blueprint]
    reactions: type[Reactions[Any]] | None = None
    at_start: Callable[[Any], None] | None = None
    """Called once with the application before its own role's first step."""
    steps: Callable[[Any], Sequence[Step]] | None = None
    """The steps of the service's own role: the clocks' tick, the delivery of notices."""
    own_role: str = "tick"
    gauges: Sequence[Gauge] = ()
    """Read from the application, in the processes of the service's own role."""

    @property
    def roles(self) -> tuple[str, ...]:
        """What a worker process of this service can be; ``worker`` is all of them in one."""
        own = () if self.steps is None else (self.own_role,)
        return ("relay", "project", *(("react",) if self.reactions else ()), *own, "seal", "worker")

    def sources(self) -> tuple[str, ...]:
        """The services whose events it follows."""
        of_views = {source for view in self.views for source in view().sources}
        of_reactions = sources_of(self.reactions.handlers) if self.reactions else ()
        return tuple(sorted(of_views.union(of_reactions)))
