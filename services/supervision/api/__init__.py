"""The supervision service's HTTP interface, one module per resource."""

from services.supervision.api import absences, cases, clocks, duties, namings, releases, rounds

BLUEPRINTS = [
    cases.blueprint,
    clocks.blueprint,
    rounds.blueprint,
    namings.blueprint,
    releases.blueprint,
    duties.blueprint,
    absences.blueprint,
]

__all__ = ["BLUEPRINTS"]
