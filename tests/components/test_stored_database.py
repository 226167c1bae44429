"""PostgreSQL databases that an earlier release wrote are upgraded, go on and prove themselves."""

import subprocess
from pathlib import Path

from deploy.stack import Postgres
from deploy.stack.programs import postgres_programs
from services.suite import SUITE
from shared.process.config import Config
from shared.testing import Opened, StoppedClock
from tests.stored import duban, goes_on, proves_itself, unpack


def test_the_demos_databases_are_upgraded_go_on_and_prove_themselves(
    postgres: Postgres, tmp_path: Path
) -> None:
    stored = unpack("postgresql.3a5645c", tmp_path / "stored")
    psql = [str(postgres_programs() / "psql"), "-Xq", "--set=ON_ERROR_STOP=1"]
    for name in (*SUITE, "keys"):
        postgres.create_database(f"duban_{name}")
        dump = ["--file", str(stored / f"{name}.sql"), postgres.url(f"duban_{name}")]
        subprocess.run([*psql, *dump], check=True, capture_output=True)
    config = Config(
        data=tmp_path / "data",
        clock=f"file:{stored / 'clock'}",
        database=postgres.url("duban_{service}"),
        master_key=stored / "master.key",
    )
    duban(config, "migrate")
    with Opened(
        config.data,
        StoppedClock(config.make_clock()()),
        *SUITE.values(),
        database=config.database,
        master_key=config.master_key,
    ) as suite:
        goes_on(suite)
        proves_itself(config, stored / "checkpoints")
