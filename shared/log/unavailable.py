"""What a database or a broker that is away raises: nobody's fault, waited out by workers, answered with 503."""

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError
from sqlalchemy import exc as sql

from shared.log.postgres import DatabaseUnavailable


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
