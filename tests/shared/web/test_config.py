"""Misconfigured → does not start, and says which variable."""

from pathlib import Path

import pytest

from shared.domain.clock import system_clock
from shared.process.config import Config, Misconfigured


def test_the_defaults_need_nothing():
    config = Config.from_environment({"HOME": "/root"})
    assert config == Config()
    assert config.make_clock() is system_clock


def test_every_setting_is_read(tmp_path):
    clock, rulebook = tmp_path / "clock", tmp_path / "rules.csv"
    clock.write_text("2021-02-05T08:00:00+00:00")
    rulebook.touch()
    config = Config.from_environment(
        {
            "DUBAN_DATA": str(tmp_path),
            "DUBAN_CLOCK": f"file:{clock}",
            "DUBAN_LANGUAGE": "en",
            "DUBAN_POLL_SECONDS": "0.5",
            "DUBAN_PORT": "9000",
            "DUBAN_RULEBOOK": str(rulebook),
            "DUBAN_READ_WAIT_SECONDS": "10",
            "DUBAN_LOG_LEVEL": "warning",
        }
    )
    assert (config.data, config.rulebook) == (Path(tmp_path), rulebook)
    assert (config.language, config.poll_seconds, config.port) == ("en", 0.5, 9000)
    assert config.make_clock()().year == 2021


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DUBAN_PROT", "8080"),
        ("DUBAN_PORT", "80_80"),
        ("DUBAN_PORT", "65536"),
        ("DUBAN_PORT", "80.5"),
        ("DUBAN_POLL_SECONDS", "0"),
        ("DUBAN_POLL_SECONDS", "nan"),
        ("DUBAN_READ_WAIT_SECONDS", "11"),
        ("DUBAN_LANGUAGE", "fr"),
        ("DUBAN_CLOCK", "noon"),
        ("DUBAN_CLOCK", "file:/nowhere/at/all"),
        ("DUBAN_RULEBOOK", "/nowhere"),
        ("DUBAN_DATA", "/etc/passwd"),
        ("DUBAN_DATA", ""),
        ("DUBAN_TOKEN_ISSUER", ""),
        ("DUBAN_LOG_LEVEL", "loud"),
    ],
)
def test_a_faulty_setting_is_named(name, value):
    with pytest.raises(Misconfigured, match=f"^{name}: "):
        Config.from_environment({name: value})
