"""Upgrades a data folder of release 0.1.0 in place, when a service is first opened on it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

from shared.database.files import connect_file
from shared.log import schema


def upgrade_files(data: Path, service: str) -> bool:
    """Upgrade one service's files to the current schema; whether anything changed.

    The library's tracking and the table of parked messages become the inbox; read models, which had a position each,
    are deleted and folded again. A crash leaves the old files, or read models to be folded.
    """
    upgraded = _upgrade_log(data, service) or _add_tables(data / service / "events.sqlite")
    views = data / service / "views.sqlite"
    if views.exists() and _lacks_inbox(views):
        for suffix in ("-wal", "-shm", ""):
            Path(f"{views}{suffix}").unlink(missing_ok=True)
    return upgraded


def _add_tables(path: Path) -> bool:
    """Make the tables that came after schema 2; whether any was missing."""
    wanted = {
        statement.split()[5] for statement in schema.tables("BLOB") if statement.startswith("CREATE TABLE")
    }
    with closing(connect_file(path)) as connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if wanted <= there:
        return False
    with _transaction(path) as connection:
        for statement in schema.tables("BLOB"):
            connection.execute(statement)
    return True


def _upgrade_log(data: Path, service: str) -> bool:
    path = data / service / "events.sqlite"
    if not _lacks_inbox(path):
        return False
    with _transaction(path) as connection:
        for statement in schema.tables("BLOB"):
            connection.execute(statement)
        marks = connection.execute("SELECT application_name, notification_id FROM tracking").fetchall()
        parked = connection.execute(
            "SELECT consumer, source, partition, position, reason, since FROM parked"
        ).fetchall()
        for name, position in marks:
            consumer, source, _ = name.split(":")
            with closing(connect_file(data / source / "events.sqlite")) as followed:
                connection.executemany(
                    "INSERT INTO inbox_versions VALUES (?,?,?,?)",
                    [
                        (consumer, source, str(UUID(aggregate)), version)
                        for aggregate, version in followed.execute(
                            "SELECT originator_id, max(originator_version) FROM stored_events "
                            "WHERE rowid<=? GROUP BY originator_id",
                            (position,),
                        )
                    ],
                )
            connection.execute(
                "INSERT INTO inbox_marks VALUES (?,?,0,?,?,?)",
                (consumer, source, position, position, str(position - 1)),
            )
        for consumer, source, partition, position, reason, since in parked:
            with closing(connect_file(data / source / "events.sqlite")) as followed:
                aggregate, version, topic, state = followed.execute(
                    "SELECT originator_id, originator_version, topic, state FROM stored_events WHERE rowid=?",
                    (position,),
                ).fetchone()
            connection.execute(
                "INSERT INTO inbox_parked VALUES (?,'',?,?,?,?,?,?,?,'waiting',?,?)",
                (
                    consumer,
                    source,
                    partition,
                    position,
                    str(UUID(aggregate)),
                    version,
                    topic,
                    state,
                    reason,
                    since,
                ),
            )
        connection.execute("DROP TABLE tracking")
        connection.execute("DROP TABLE parked")
    return True


def _lacks_inbox(path: Path) -> bool:
    if not path.exists():
        return False
    with closing(connect_file(path)) as connection:
        return (
            connection.execute("SELECT 1 FROM sqlite_master WHERE name='inbox_marks'").fetchone() is None
            and connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
        )


@contextmanager
def _transaction(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect_file(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")  # an exception closes the connection, which undoes everything
