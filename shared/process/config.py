"""Configuration: read from the environment once, validated at start, never asked again.

Misconfigured → does not start, and the message says which variable.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from shared.domain.clock import Clock, SteppedClock, system_clock

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
    issuers: Path | None = None
    """A TOML file with the OpenID Connect providers whose tokens are accepted (shared/web/oidc.py)."""
    token_local: str = "no"
    """Whether tokens of the data folder's own key are accepted beside those of providers; without any they are."""
    rulebook: Path | None = None
    without_post: str = ""
    """Who acts without a post that is registered and held, ``auditor,operator,zhang.san``: roles, posts, subjects."""
    read_wait_seconds: float = 2.0
    log_level: str = "info"
    database: str = ""
    """``postgresql://user:password@host:port/duban_{service}``; empty: SQLite files in the data folder."""
    kafka: str = ""
    """The brokers, ``host:port,host:port``; empty: the services follow each other's logs directly."""
    kafka_security: str = "PLAINTEXT"
    kafka_user: str = ""
    kafka_password: str = ""
    kafka_ca: Path | None = None
    kafka_certificate: Path | None = None
    kafka_key: Path | None = None
    kafka_partitions: int = 6
    kafka_replication: int = 1
    kafka_session_seconds: float = 10.0
    """Seconds after which a consumer that gives no sign loses its partitions; a broker takes less than 6 only if its
    ``group.min.session.timeout.ms`` says so."""
    health_port: int = 0
    """Where a worker answers /healthz, /readyz and /metrics; 0: nowhere. The four of ``duban serve`` take this port
    and the next three."""
    rate_caller: int = 0
    """Requests a minute of one caller that each web process takes; 0: any number."""
    rate_address: int = 0
    """Requests a minute of one address, before any token is read; 0: any number."""
    trusted_proxies: int = 0
    """How many proxies stand before the web processes and may name the client's address (X-Forwarded-For)."""
    drain_seconds: float = 0.0
    """Seconds that a web process goes on serving after SIGTERM, until the load balancer has noticed."""
    web_workers: int = 1
    web_threads: int = 4
    seal_seconds: float = 3600.0
    """Seconds between two signed checkpoints of a log that grows."""
    seal_origin: str = "duban.local"
    """Whose logs these are: a checkpoint's first line is ``<origin>/<service>``."""
    seal_key: Path | None = None
    """The key that signs checkpoints; else ``seal.key`` in the data folder."""
    seal_folder: Path | None = None
    """Where checkpoints and tiles are copied to, a folder a service; else ``checkpoints`` in the data folder."""
    seal_mail_to: str = ""
    """Who gets every checkpoint by mail, ``a@b.cn,c@d.cn``."""
    smtp: str = ""
    """The mail server, ``host:port``."""
    keys: str = ""
    """The key store of personal data, a file or ``postgresql://…``; else the database of ``keys``, or ``keys.sqlite``
    in the data folder. Never where logs are backed up to."""
    master_key: Path | None = None
    """The file with the master keys that wrap those keys; else ``master.key`` in the data folder."""

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
        config = cls(**values)  # type: ignore[arg-type]
        if config.kafka and not config.database:
            raise Misconfigured("DUBAN_KAFKA: needs DUBAN_DATABASE: a relay's lock is one of PostgreSQL's")
        if config.database and config.master_key is None:
            raise Misconfigured(
                "DUBAN_MASTER_KEY: needed with DUBAN_DATABASE: the file with the master key of personal data, "
                "the same for every process (duban person make-master FILE makes one)"
            )
        if config.kafka_security.startswith("SASL") and not (config.kafka_user and config.kafka_password):
            raise Misconfigured("DUBAN_KAFKA_SECURITY: SASL needs DUBAN_KAFKA_USER and DUBAN_KAFKA_PASSWORD")
        if config.seal_mail_to and not config.smtp:
            raise Misconfigured("DUBAN_SEAL_MAIL_TO: needs DUBAN_SMTP, the mail server")
        return config

    def database_of(self, service: str) -> str:
        """The URL of a service's database."""
        return self.database.replace("{service}", service)

    def views_place(self, service: str) -> str | Path:
        """Where a service's read models are: the URL of its database, or a file of their own."""
        return self.database_of(service) if self.database else self.data / service / "views.sqlite"

    @property
    def keys_place(self) -> str | Path:
        """Where the keys of personal data are: the URL of a database, or a file."""
        if self.keys.startswith("postgresql:"):
            return self.keys
        if self.database and not self.keys:
            return self.database_of("keys")
        return Path(self.keys) if self.keys else self.data / "keys.sqlite"

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


_ADDRESS = r"[A-Za-z0-9_.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+"
READERS: Mapping[str, Callable[[str], object]] = {
    "DUBAN_DATA": _folder,
    "DUBAN_CLOCK": _clock,
    "DUBAN_LANGUAGE": _text("zh|en", '"zh" or "en"'),
    "DUBAN_POLL_SECONDS": _number(float, 0.01, 5),
    "DUBAN_HOST": _text(r"[A-Za-z0-9.:_-]+", "a host name or address"),
    "DUBAN_PORT": _number(int, 0, 65535),
    "DUBAN_TOKEN_ISSUER": _text(r"[\x21-\x7e]{1,200}", "a word of visible ASCII"),
    "DUBAN_TOKEN_AUDIENCE": _text(r"[\x21-\x7e]{1,200}", "a word of visible ASCII"),
    "DUBAN_ISSUERS": _file,
    "DUBAN_TOKEN_LOCAL": _text("yes|no", '"yes" or "no"'),
    "DUBAN_WITHOUT_POST": _text(r"|[^\s,]+(,[^\s,]+)*", "auditor,operator,zhang.san"),
    "DUBAN_RULEBOOK": _file,
    "DUBAN_READ_WAIT_SECONDS": _number(float, 0, 10),
    "DUBAN_LOG_LEVEL": _text("debug|info|warning|error", "debug, info, warning or error"),
    "DUBAN_DATABASE": _text(
        r"|postgresql://[^\s/?#]+/[^\s/{}#]*\{service\}[^\s/{}#]*",
        "postgresql://user@host:port/name_{service}",
    ),
    "DUBAN_KAFKA": _text(r"|[\w.-]+:\d+(,[\w.-]+:\d+)*", "host:port,host:port"),
    "DUBAN_KAFKA_SECURITY": _text(
        "PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    ),
    "DUBAN_KAFKA_USER": _text(r"[\x21-\x7e]*", "a word of visible ASCII"),
    "DUBAN_KAFKA_PASSWORD": _text(r"[\x20-\x7e]*", "visible ASCII"),
    "DUBAN_KAFKA_CA": _file,
    "DUBAN_KAFKA_CERTIFICATE": _file,
    "DUBAN_KAFKA_KEY": _file,
    "DUBAN_KAFKA_PARTITIONS": _number(int, 1, 1000),
    "DUBAN_KAFKA_REPLICATION": _number(int, 1, 9),
    "DUBAN_KAFKA_SESSION_SECONDS": _number(float, 3, 300),
    "DUBAN_HEALTH_PORT": _number(int, 0, 65532),
    "DUBAN_RATE_CALLER": _number(int, 0, 10**6),
    "DUBAN_RATE_ADDRESS": _number(int, 0, 10**6),
    "DUBAN_TRUSTED_PROXIES": _number(int, 0, 9),
    "DUBAN_DRAIN_SECONDS": _number(float, 0, 60),
    "DUBAN_WEB_WORKERS": _number(int, 1, 64),
    "DUBAN_WEB_THREADS": _number(int, 1, 64),
    "DUBAN_SEAL_SECONDS": _number(float, 1, 31 * 86400),
    "DUBAN_SEAL_ORIGIN": _text(r"[A-Za-z0-9.-]+(/[A-Za-z0-9._-]+)*", "a name like audit.example.gov.cn"),
    "DUBAN_SEAL_KEY": lambda text: Path(_text(r"[^\x00]+", "a file")(text)),
    "DUBAN_SEAL_FOLDER": _folder,
    "DUBAN_SEAL_MAIL_TO": _text(rf"|{_ADDRESS}(,{_ADDRESS})*", "a@b.cn,c@d.cn"),
    "DUBAN_SMTP": _text(r"|[\w.-]+:\d+", "host:port"),
    "DUBAN_KEYS": _text(r"|postgresql://[^\s/?#]+/[^\s/#]+|(?!postgresql:)[^\x00]+", "a file or a database"),
    "DUBAN_MASTER_KEY": _file,
}
"""One line a setting: the variable, and how its text becomes the field of :class:`Config` of that name."""
