"""The baselines: what one would write with the same libraries and nothing else."""

import sys
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from flask import Flask, Response, jsonify, request

from shared.web.server import serve


class Thing(Aggregate):
    """A unit, bare."""

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name


def app(database: str) -> Flask:
    """Flask over the library's own SQLite recorder and JSON transcoder: no token, no key, no schema, no view."""
    flask = Flask("bare")
    application: Application[Any] = Application(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": database,
            "SQLITE_LOCK_TIMEOUT": "10",
        }
    )

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
