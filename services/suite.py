"""The registry of the four services, and what is done with all of them: open, migrate, make topics."""

from collections.abc import Iterator

from services.assignment.__main__ import SERVICE as ASSIGNMENT
from services.enterprise.__main__ import SERVICE as ENTERPRISE
from services.notify.__main__ import SERVICE as NOTIFY
from services.supervision.__main__ import SERVICE as SUPERVISION
from shared.domain.clock import Clock
from shared.personal_data.keystore import migrate_keys
from shared.process.config import Config
from shared.runtime.opening import Runtime, open_service
from shared.runtime.schema import migrate
from shared.runtime.service import Service

SUITE: dict[str, Service] = {
    service.name: service for service in (ASSIGNMENT, SUPERVISION, ENTERPRISE, NOTIFY)
}


def open_suite(config: Config, clock: Clock) -> dict[str, Runtime]:
    """Every service opened in this process."""
    return {name: open_service(service, config, clock) for name, service in SUITE.items()}


def migrate_suite(config: Config, clock: Clock) -> Iterator[str]:
    """Make or upgrade the tables of every service and of the key store on PostgreSQL; what was done, a line each.

    Raises UNAVAILABLE.
    """
    for service in SUITE.values():
        yield migrate(service, config, clock)
    yield migrate_keys(config, clock)


def make_topics(config: Config) -> list[str]:
    """Make every service's topics, with the rights to read what it follows; what was done. Raises BrokerUnavailable."""
    from shared.messaging.transport.kafka.topics import (
        apply_topics,  # which the embedded default does not need
    )

    return apply_topics(config, {name: service.sources() for name, service in SUITE.items()})
