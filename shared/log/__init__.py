"""The event log: recorders on SQLite and PostgreSQL, the codec, upgrades of older tables."""
