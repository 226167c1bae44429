"""Connections to SQLite and PostgreSQL: of the logs, the read models and the key store."""
