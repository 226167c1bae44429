"""A data folder that an earlier release wrote opens, goes on and proves itself."""

from pathlib import Path

from services.suite import SUITE
from shared.process.config import Config
from shared.testing import Opened, StoppedClock
from tests.stored import goes_on, proves_itself, unpack


def test_the_demos_data_folder_opens_goes_on_and_proves_itself(tmp_path: Path) -> None:
    folder = unpack("data_folder.3a5645c", tmp_path / "data")
    config = Config(data=folder, clock=f"file:{folder / 'clock'}")
    checkpoints = (tmp_path / "checkpoints").resolve()
    (folder / "checkpoints").rename(checkpoints)
    with Opened(folder, StoppedClock(config.make_clock()()), *SUITE.values()) as suite:
        goes_on(suite)
        proves_itself(config, checkpoints)
