"""The enterprise service over HTTP: one module per resource."""

from services.enterprise.api.enterprises import blueprint as enterprises
from services.enterprise.api.rates import blueprint as rates
from services.enterprise.api.whistles import blueprint as whistles

BLUEPRINTS = (enterprises, whistles, rates)

__all__ = ["BLUEPRINTS"]
