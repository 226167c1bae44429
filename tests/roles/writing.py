"""What one writer process does, in a module that it can import."""

from uuid import uuid4

from eventsourcing.persistence import IntegrityError

from services.suite import SUITE
from shared.process.config import Config
from shared.runtime.opening import open_service
from shared.testing import an_act
from tests.roles.site import NOW


def write(config: Config, writer: int, saves: int) -> None:
    """Register units; every tenth one is saved a second time, and that save is taken back."""
    runtime = open_service(SUITE["assignment"], config, config.make_clock(), timeout=60)
    act = {"unit": "office", "post": "office/director", "role": "government_office"}
    for number in range(saves):
        written = runtime.app.register_unit(  # type: ignore[attr-defined]
            an_act(NOW, **act, key=uuid4().hex),
            unit=f"w{writer}-{number}",
            name=f"{writer}-{number}",
            kind="department",
        )
        if number % 10 == 0:
            stored = runtime.app.log.select_notifications(start=written.position, limit=1)
            try:
                runtime.app.events.put([runtime.app.mapper.to_domain_event(stored[0])])  # type: ignore[list-item]
            except IntegrityError:
                continue
            raise AssertionError("the same event was saved twice")
    runtime.close()
