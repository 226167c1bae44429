"""``make bench``: each benchmark against its baseline in the same run; writes docs/benchmarks.md."""

import os
import platform
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

ALL = (
    "write",
    "write_postgres",
    "relay",
    "project",
    "workers",
    "latency",
    "growth",
    "rebuild",
    "sweep",
    "verify",
)


def main(names: list[str]) -> None:
    """Run these benchmarks, or all of them; the report is written only when all ran."""
    lines = []
    for name in names or ALL:
        for line in import_module(f"tests.bench.{name}").run():
            print(line, flush=True)
            lines.append(line)
    if names:
        return
    python = f"Python {platform.python_version()} of {sys.base_prefix}"
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux, {python}"
    report = [
        "# Benchmarks",
        "",
        "Written by `make bench` in one run, each figure beside its baseline. Quote the ratios, not absolute times.",
        f"Machine: {machine}; eventsourcing {version('eventsourcing')}, Flask {version('Flask')}.",
        "",
        *(f"- {line}" for line in lines),
        "",
    ]
    Path(__file__).resolve().parents[2].joinpath("docs", "benchmarks.md").write_text(
        "\n".join(report), "utf-8"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
