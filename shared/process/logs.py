"""Structured logs: one JSON object a line on stderr, from this suite and from the libraries below it."""

import logging
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_RENDERED: list[Processor] = [
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=True),
]


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send everything of ``level`` and above to ``stream`` (default: stderr). The last call wins."""
    out = stream or sys.stderr
    structlog.configure(
        processors=[*_SHARED, *_RENDERED],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,  # or a logger made at import would keep the first stream
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_RENDERED],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("kafka").setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def log(name: str) -> Any:
    """The logger of one part of the suite; its name stands in every line as ``part``."""
    return structlog.get_logger(part=name)
