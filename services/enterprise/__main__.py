"""The composition root of the enterprise service: ``python -m services.enterprise web | worker``."""

from collections.abc import Sequence

from services.enterprise.api import BLUEPRINTS
from services.enterprise.application import DUE_AT_ONCE, EnterpriseApplication
from services.enterprise.views import VIEWS
from services.enterprise.views.rating_windows import ended_windows
from shared.readmodels.reference import REFERENCE_VIEWS
from shared.runtime.service import Service
from shared.runtime.worker import Step


def steps(app: EnterpriseApplication) -> Sequence[Step]:
    """The worker closes what was left unrated to the end of its window; it looks only at windows that have ended."""

    def close_unrated() -> bool:
        ended = ended_windows(app.views, app.clock(), DUE_AT_ONCE)
        return sum(app.close_unrated(whistle_id, because) for whistle_id, because in ended) > 0

    return [close_unrated]


SERVICE = Service(
    name="enterprise",
    title="督办 · 企业服务 / duban: enterprises and whistles",
    application=EnterpriseApplication,
    views=[*VIEWS, *REFERENCE_VIEWS],
    blueprints=BLUEPRINTS,
    steps=steps,
)

if __name__ == "__main__":
    from shared.runtime.roles import main

    main(SERVICE)
