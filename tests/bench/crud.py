"""The other baseline: a units table with an audit table, as one would write it with Flask, marshmallow, SQLAlchemy."""

import sys
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import JSON, DateTime, ForeignKey, String, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from shared.web.server import serve


class Base(DeclarativeBase):
    """The tables."""


class Unit(Base):
    """A unit as it is now."""

    __tablename__ = "units"
    id: Mapped[str] = mapped_column(String(31), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    short_names: Mapped[list[str]] = mapped_column(JSON)
    kind: Mapped[str] = mapped_column(String(20), index=True)
    version: Mapped[int]


class Audit(Base):
    """Who changed which unit when, and to what."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("units.id"), index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    by: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(20))
    after: Mapped[dict[str, Any]] = mapped_column(JSON)


class UnitSchema(Schema):
    """What is sent."""

    id = fields.String(required=True, validate=validate.Regexp("^[a-z][a-z0-9-]{0,30}$"))
    name = fields.String(required=True, validate=validate.Length(min=1, max=60))
    short_names = fields.List(fields.String(validate=validate.Length(min=1, max=60)), load_default=list)
    kind = fields.String(
        required=True,
        validate=validate.OneOf(("government", "office", "supervision", "zone", "town", "department")),
    )


def app(database: str) -> Flask:
    """No token, no key that makes a retry harmless: unit and audit row in one transaction."""
    flask = Flask("crud")
    engine = create_engine(database.replace("postgresql:", "postgresql+psycopg:", 1))
    Base.metadata.create_all(engine)
    schema = UnitSchema()

    @flask.post("/units")
    def register() -> tuple[Response, int]:
        try:
            body = schema.load(request.get_json())
        except ValidationError as error:
            return jsonify(errors=error.messages), 422
        try:
            with Session(engine) as session:
                session.add(Unit(**body, version=1))
                session.flush()
                session.add(
                    Audit(
                        unit_id=body["id"],
                        at=datetime.now(UTC),
                        by=request.headers.get("X-User", ""),
                        action="registered",
                        after=body,
                    )
                )
                session.commit()
        except IntegrityError:
            return jsonify(error="there is such a unit already"), 409
        return jsonify({**body, "version": 1}), 201

    @flask.get("/readyz")
    def readyz() -> dict[str, str]:
        return {}

    return flask


if __name__ == "__main__":
    serve(lambda: app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
