"""What a database or a broker that is away raises: nobody's fault, waited out by workers, answered with 503."""

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError, PersistenceError
from sqlalchemy import exc as sql


class DatabaseUnavailable(PersistenceError):
    """The database cannot be reached. Not one of the errors that the library tries again ten times."""


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or does not do what it was asked."""


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
