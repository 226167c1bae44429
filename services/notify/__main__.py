"""The notify service: ``python -m services.notify web | worker | project | react | tick``."""

from services.notify.api import blueprint
from services.notify.application import Notifier
from services.notify.gauges import GAUGES
from services.notify.reactions import NotifyReactions
from services.notify.views import VIEWS
from shared.readmodels.reference import REFERENCE_VIEWS
from shared.runtime.service import Service

SERVICE = Service(
    name="notify",
    title="督办 · 通知 notify",
    application=Notifier,
    views=[*VIEWS, *REFERENCE_VIEWS],
    blueprints=[blueprint],
    reactions=NotifyReactions,
    steps=lambda app: [app.take_back, app.remind_due, app.send_digests, app.deliver_due],
    own_role="deliver",
    gauges=GAUGES,
)

if __name__ == "__main__":
    from shared.runtime.roles import main

    main(SERVICE)
