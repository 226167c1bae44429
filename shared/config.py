"""Configuration: read from the environment once, validated at start, never asked again.

Misconfigured → does not start, and the message says which variable.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from shared.clock import Clock, SteppedClock, system_clock

Value = TypeVar("Value")


class Misconfigured(Exception):
    """``DUBAN_X: reason``. The composition root prints it and exits with 2."""


@dataclass(frozen=True)
class Config:
    """Everything that may differ from one installation to another."""

    data: Path = Path("data")
    clock: str = "system"
    language: str = "zh"
    poll_seconds: float = 0.1
    host: str = "127.0.0.1"
    port: int = 8080
    token_issuer: str = "duban"
    token_audience: str = "duban"
    rulebook: Path | None = None
    read_wait_seconds: float = 2.0
    log_level: str = "info"

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Config":
        """Read every ``DUBAN_…`` variable; one that nobody knows is a typing error and refused."""
        for variable in sorted(env):
            if variable.startswith("DUBAN_") and variable not in READERS:
                raise Misconfigured(f"{variable}: no such setting; known: {', '.join(READERS)}")
        values: dict[str, object] = {}
        for variable, reader in READERS.items():
            if variable in env:
                try:
                    values[variable.removeprefix("DUBAN_").lower()] = reader(env[variable])
                except ValueError as error:
                    raise Misconfigured(f"{variable}: {error}") from error
        return cls(**values)  # type: ignore[arg-type]

    def make_clock(self) -> Clock:
        """The clock that ``DUBAN_CLOCK`` names."""
        return (
            system_clock if self.clock == "system" else SteppedClock(Path(self.clock.removeprefix("file:")))
        )


def _number(kind: Callable[[str], Value], low: float, high: float) -> Callable[[str], Value]:
    def read(text: str) -> Value:
        # Python's own int() and float() would also take "1_0", "１" and "nan".
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or (kind is int and "." in text):
            raise ValueError(f"{text!r} is not a number")
        if not low <= float(text) <= high:
            raise ValueError(f"{text} is not between {low:g} and {high:g}")
        return kind(text)

    return read


def _text(pattern: str, meaning: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is not {meaning}")
        return text

    return read


def _clock(text: str) -> str:
    if text == "system":
        return text
    path = Path(text.removeprefix("file:"))
    if not text.startswith("file:/"):
        raise ValueError(f'{text!r} is neither "system" nor "file:/path"')
    try:
        SteppedClock(path)()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} holds no moment ({error})") from error
    return text


def _folder(text: str) -> Path:
    path = Path(_text(r"[^\x00]+", "a folder")(text))
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is not a folder")
    return path


def _file(text: str) -> Path:
    if not Path(_text(r"[^\x00]+", "a file")(text)).is_file():
        raise ValueError(f"{text} is not a file")
    return Path(text)


READERS: Mapping[str, Callable[[str], object]] = {
    "DUBAN_DATA": _folder,
    "DUBAN_CLOCK": _clock,
    "DUBAN_LANGUAGE": _text("zh|en", '"zh" or "en"'),
    "DUBAN_POLL_SECONDS": _number(float, 0.01, 5),
    "DUBAN_HOST": _text(r"[A-Za-z0-9.:_-]+", "a host name or address"),
    "DUBAN_PORT": _number(int, 0, 65535),
    "DUBAN_TOKEN_ISSUER": _text(r"[\x21-\x7e]{1,200}", "a word of visible ASCII"),
    "DUBAN_TOKEN_AUDIENCE": _text(r"[\x21-\x7e]{1,200}", "a word of visible ASCII"),
    "DUBAN_RULEBOOK": _file,
    "DUBAN_READ_WAIT_SECONDS": _number(float, 0, 10),
    "DUBAN_LOG_LEVEL": _text("debug|info|warning|error", "debug, info, warning or error"),
}
"""One line a setting: the variable, and how its text becomes the field of :class:`Config` of that name."""
