"""How a service's event log is opened."""

from collections.abc import Mapping
from functools import cache

from shared.application.application import Application
from shared.database.postgres import TIMEOUT
from shared.domain.clock import Clock
from shared.log import postgres, sqlite
from shared.process.config import Config

SERVICES = ("assignment", "supervision", "enterprise", "notify")
"""Every service of the suite."""


def log_settings(
    config: Config, service: str, *, timeout: float = TIMEOUT, pool_size: int = 2, create: bool = False
) -> Mapping[str, str]:
    """The library's settings for a service's log."""
    if config.database:
        return postgres.log_settings(
            config.database_of(service), timeout=timeout, pool_size=pool_size, create=create
        )
    return sqlite.log_settings(config.data / service / "events.sqlite", create=create)


def open_log(config: Config, service: str, clock: Clock, *, create: bool = False) -> Application:
    """Open a service's log only, without read models; for the composition root."""
    return _log_class(service)(log_settings(config, service, create=create), clock)


@cache
def _log_class(service: str) -> type[Application]:
    return type("LogOf", (Application,), {"name": service})  # the library names the table after it
