"""The tables beside the events in a log's database; the library makes the events' own."""


def tables(binary: str) -> list[str]:
    """The tables beside the events; ``binary`` is the database's type for bytes."""
    return [
        "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, "
        f"answer {binary} NOT NULL)",
        "CREATE TABLE IF NOT EXISTS relay_marks (service TEXT PRIMARY KEY, position BIGINT NOT NULL, "
        "sent TEXT NOT NULL)",
        *inbox_tables(binary),
        *tree_tables(binary),
    ]


def inbox_tables(binary: str) -> list[str]:
    """The tables of a consumer's inbox."""
    return [
        "CREATE TABLE IF NOT EXISTS inbox_marks (consumer TEXT, source TEXT, partition INTEGER, "
        "position BIGINT NOT NULL, place BIGINT NOT NULL, sent TEXT NOT NULL, "
        "PRIMARY KEY (consumer, source, partition))",
        "CREATE TABLE IF NOT EXISTS inbox_versions (consumer TEXT, source TEXT, aggregate_id TEXT, "
        "version BIGINT NOT NULL, PRIMARY KEY (consumer, source, aggregate_id))",
        "CREATE TABLE IF NOT EXISTS inbox_holes (consumer TEXT, source TEXT, partition INTEGER, "
        "after BIGINT, before BIGINT NOT NULL, PRIMARY KEY (consumer, source, partition, after))",
        "CREATE TABLE IF NOT EXISTS inbox_parked (consumer TEXT, handler TEXT, source TEXT, partition INTEGER, "
        "position BIGINT, aggregate_id TEXT NOT NULL, version BIGINT NOT NULL, topic TEXT NOT NULL, "
        f"state {binary} NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, since TEXT NOT NULL, "
        "PRIMARY KEY (consumer, handler, source, partition, position))",
    ]


def tree_tables(binary: str) -> list[str]:
    """The tables of the log's tree. Positions have gaps on PostgreSQL: ``first_position`` is that of a level-0 tile's
    first event, so that an event's index is found without counting."""
    return [
        "CREATE TABLE IF NOT EXISTS seal_tiles (level INTEGER, idx BIGINT, first_position BIGINT NOT NULL, "
        f"hashes {binary} NOT NULL, PRIMARY KEY (level, idx))",
        "CREATE TABLE IF NOT EXISTS seal_mark (one INTEGER PRIMARY KEY CHECK (one=1), size BIGINT NOT NULL, "
        "position BIGINT NOT NULL)",
        "INSERT INTO seal_mark VALUES (1, 0, 0) ON CONFLICT DO NOTHING",
        "CREATE TABLE IF NOT EXISTS seal_checkpoints (id BIGINT PRIMARY KEY, size BIGINT NOT NULL, "
        "made_at TEXT NOT NULL, note TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS seal_keys (id BIGINT PRIMARY KEY, vkey TEXT NOT NULL UNIQUE)",
        "CREATE TABLE IF NOT EXISTS seal_deliveries (target TEXT PRIMARY KEY, checkpoint BIGINT NOT NULL)",
    ]
