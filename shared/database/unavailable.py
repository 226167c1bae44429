"""Errors of an unavailable database or broker: workers retry, web processes answer 503; and of rows that are there."""

import sqlite3

import psycopg
from eventsourcing.persistence import IntegrityError, InterfaceError, OperationalError, PersistenceError
from sqlalchemy import exc as sql


class DatabaseUnavailable(PersistenceError):
    """The database cannot be reached. The library does not retry this error, as it does its own, ten times."""


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or a request to it failed."""


UNAVAILABLE = (
    DatabaseUnavailable,
    OperationalError,
    InterfaceError,
    sql.OperationalError,
    sql.InterfaceError,
    sql.TimeoutError,
    psycopg.OperationalError,
    BrokerUnavailable,
)

CONFLICTS = (IntegrityError, sql.IntegrityError, psycopg.IntegrityError, sqlite3.IntegrityError)
"""A row is there already: somebody else wrote at the same moment."""
