"""The supervision service, put together: ``python -m services.supervision web | relay | react | project | tick``."""

from services.supervision.api import BLUEPRINTS
from services.supervision.application import Supervision, at_start, steps
from services.supervision.gauges import GAUGES
from services.supervision.reactions import SupervisionReactions
from services.supervision.views import VIEWS
from shared.readmodels.reference import REFERENCE_VIEWS
from shared.runtime.service import Service

SERVICE = Service(
    name="supervision",
    title="督办 · 督查",
    application=Supervision,
    # The calendar first: when the clocks are folded as far, none that an older one reckoned is overlooked.
    views=[*REFERENCE_VIEWS, *VIEWS],
    blueprints=BLUEPRINTS,
    reactions=SupervisionReactions,
    at_start=at_start,
    steps=steps,
    gauges=GAUGES,
)

if __name__ == "__main__":
    from shared.runtime.roles import main

    main(SERVICE)
