"""The composition root of the enterprise service: ``python -m services.enterprise web | worker``."""

from services.enterprise.api import BLUEPRINTS
from services.enterprise.application import EnterpriseApplication
from services.enterprise.views import VIEWS
from shared.readmodels.reference import REFERENCE_VIEWS
from shared.runtime.service import Service

SERVICE = Service(
    name="enterprise",
    title="督办 · 企业服务 / duban: enterprises and whistles",
    application=EnterpriseApplication,
    views=[*VIEWS, *REFERENCE_VIEWS],
    blueprints=BLUEPRINTS,
    steps=lambda app: [app.close_unrated],
)

if __name__ == "__main__":
    from shared.runtime.roles import main

    main(SERVICE)
