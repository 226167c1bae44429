"""The supervision service's HTTP interface, one module per resource."""

from services.supervision.api import cases, clocks, namings, releases, rounds

BLUEPRINTS = [
    cases.blueprint,
    clocks.blueprint,
    rounds.blueprint,
    namings.blueprint,
    releases.blueprint,
]

__all__ = ["BLUEPRINTS"]
