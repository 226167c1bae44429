"""The statements of a log in PostgreSQL, composed once and not at every save.

Only for speed: tests/bench/write_postgres.py needs them.
"""

from psycopg.sql import SQL, Composable, Identifier

EVENT = "originator_id, originator_version, topic, state"


class LogStatements:
    """The frequent statements on one table of events."""

    def __init__(self, events: Composable, channel: str) -> None:
        # Arrays in the server's binary form: the library's array of composites takes twice as long to write.
        self.insert = _composed(
            f"INSERT INTO {{}} ({EVENT}) "
            "SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[]) RETURNING notification_id",
            events,
        )
        self.notify = _composed("NOTIFY {}", Identifier(channel))
        stream = f"SELECT {EVENT} FROM {{}} WHERE originator_id=%s ORDER BY originator_version"
        self.stream = _composed(stream, events)
        self.last_event = _composed(f"{stream} DESC LIMIT 1", events)
        self.after = _composed(
            f"SELECT {EVENT}, notification_id FROM {{}} WHERE notification_id>%s ORDER BY notification_id LIMIT %s",
            events,
        )


def _composed(statement: str, name: Composable) -> bytes:
    return SQL(statement).format(name).as_bytes()
