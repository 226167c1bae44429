"""The baselines: what one would write with the same libraries and nothing else."""

import sys
from typing import Any
from urllib.parse import urlsplit

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from flask import Flask, Response, jsonify, request

from shared.web.server import serve


class Thing(Aggregate):
    """A unit, bare."""

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name


def library_settings(database: str, name: str = "") -> dict[str, str]:
    """How the library opens a database; ``name``: for the application or projection of that name only."""
    if database.startswith("postgresql:"):
        url = urlsplit(database)
        found = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": url.path.lstrip("/"),
            "POSTGRES_HOST": str(url.hostname),
            "POSTGRES_PORT": str(url.port),
            "POSTGRES_USER": str(url.username),
            "POSTGRES_PASSWORD": "",
        }
    else:
        found = {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": database,
            "SQLITE_LOCK_TIMEOUT": "10",
        }
    return {f"{name}_{key}" if name else key: value for key, value in found.items()}


def app(database: str) -> Flask:
    """Flask over the library's own recorder and JSON transcoder: no token, no key, no schema, no view.

    ``database``: the URL of a PostgreSQL database, or a SQLite file.
    """
    flask = Flask("bare")
    application: Application[Any] = Application(env=library_settings(database))

    @flask.post("/units")
    def register() -> tuple[Response, int]:
        thing = Thing(name=request.get_json()["name"])
        saved = application.save(thing)
        return jsonify(id=str(thing.id), version=thing.version, position=saved[-1].notification.id), 201

    @flask.get("/readyz")
    def readyz() -> dict[str, str]:
        return {}

    return flask


if __name__ == "__main__":
    serve(lambda: app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
