"""Two processes on one PostgreSQL database: nobody keeps an old calendar."""

from pathlib import Path

from deploy.stack import Postgres
from services.suite import SUITE
from shared.process.config import Config
from shared.runtime.schema import migrate
from shared.testing import StoppedClock, shanghai
from tests.supervision.test_calendar import SOME_HISTORIES, no_process_keeps_an_old_calendar


def test_every_read_gives_the_newest_release_on_postgresql_too(server: Postgres, tmp_path: Path) -> None:
    clock = StoppedClock(shanghai("2021-03-01 09:00"))
    for number, history in enumerate(SOME_HISTORIES):
        url = server.url(f"calendar_{number}_{{service}}")
        for name, service in SUITE.items():
            server.create_database(f"calendar_{number}_{name}")
            migrate(service, Config(data=tmp_path, database=url), clock)
        no_process_keeps_an_old_calendar(history, database=url)
