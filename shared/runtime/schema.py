"""The tables beside the events: made, upgraded, and checked against this release."""

import fcntl
from weakref import WeakSet

from shared.database.postgres import connect
from shared.domain.clock import Clock
from shared.log.recorder import LogRecorder
from shared.log.upgrade import upgrade_files
from shared.process import logs
from shared.process.config import Config
from shared.readmodels.views import Views
from shared.runtime.event_log import SERVICES, open_log
from shared.runtime.service import Service

SCHEMA_VERSION = 3
"""Version of the tables beside the events. 1: the library's tracking and a position per view; 2: the inbox; 3: the
tree over the log."""
MIGRATION_SECONDS = 300.0
"""How long one statement of a migration may wait."""
MIGRATION_LOCK = 0x6475_6261_6E02
_FOUND_RIGHT: WeakSet[LogRecorder] = WeakSet()


class SchemaIsNewer(Exception):
    """The tables belong to a later release."""


def migrate(service: Service, config: Config, clock: Clock) -> str:
    """Make or upgrade a service's tables in its PostgreSQL database, one process at a time. Returns a line for people.

    Raises UNAVAILABLE.
    """
    url = config.database_of(service.name)
    with connect(url, MIGRATION_SECONDS, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS duban_schema (version INTEGER PRIMARY KEY)")
        before = connection.execute("SELECT max(version) FROM duban_schema").fetchone()[0]  # type: ignore[index]
        if before is not None and before > SCHEMA_VERSION:
            raise SchemaIsNewer(
                f"{service.name}: schema {before} is newer than this release's {SCHEMA_VERSION}"
            )
        open_log(config, service.name, clock, create=True).close()
        views = Views(url, [kind() for kind in service.views], clock, timeout=MIGRATION_SECONDS)
        views.create()
        views.close()
        connection.execute("INSERT INTO duban_schema VALUES (%s) ON CONFLICT DO NOTHING", (SCHEMA_VERSION,))
    return f"{service.name}: schema {SCHEMA_VERSION}" + (
        " there already" if before == SCHEMA_VERSION else f", was {before or 'empty'}"
    )


def schema_problem(config: Config, log: LogRecorder) -> str | None:
    """Why this release cannot work with the tables that are there. Raises UNAVAILABLE."""
    if not config.database or log in _FOUND_RIGHT:
        return None
    with log.reading() as execute:
        known = execute("SELECT to_regclass('duban_schema') IS NOT NULL", ())[0][0]
        version = execute("SELECT max(version) FROM duban_schema", ())[0][0] if known else None
    if version == SCHEMA_VERSION:
        _FOUND_RIGHT.add(log)
        return None
    return f"the tables are at schema {version or 'none'}, this release needs {SCHEMA_VERSION}: run duban migrate"


def migrate_files(service: Service, config: Config, views: Views, clock: Clock) -> None:
    """Make what is missing in the data folder, one process at a time (architecture.md, eventsourcing 9)."""
    with (config.data / ".prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in {*SERVICES, service.name}:
            (config.data / name).mkdir(exist_ok=True)
            if not (config.data / name / "events.sqlite").exists():
                open_log(config, name, clock, create=True).close()
        if upgrade_files(config.data, service.name):
            logs.log("service").info("files_upgraded", service=service.name, schema=SCHEMA_VERSION)
        views.create()
