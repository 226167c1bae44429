"""A real PostgreSQL and a real Apache Kafka broker as local processes, for tests and development."""

from deploy.stack.broker import USERS, Broker, password_of
from deploy.stack.install import ensure_keycloak, ensure_programs, ensure_prometheus
from deploy.stack.keycloak import Keycloak
from deploy.stack.postgres import Postgres
from deploy.stack.program import free_port
from deploy.stack.programs import ComponentMissing

__all__ = [
    "USERS",
    "Broker",
    "ComponentMissing",
    "Keycloak",
    "Postgres",
    "ensure_keycloak",
    "ensure_programs",
    "ensure_prometheus",
    "free_port",
    "password_of",
]
