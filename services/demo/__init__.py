"""``duban demo``: the closed loop of the fifteen measures, run by real processes and told line by line."""

import shlex
import tempfile
import time
from pathlib import Path

import click

from services.demo.stage import Deviation, Stage, moment
from services.demo.story import Story
from services.suite import open_suite
from shared.domain.clock import SteppedClock
from shared.process.config import Config


def tell(folder: Path | None = None, language: str = "zh", config: Config | None = None) -> int:
    """Run the story in ``folder`` (default: a new one); 0 if all went as the measures say, else 1.

    ``config`` may name an empty database and a broker to run on.
    """
    started = time.monotonic()
    folder = folder or Path(tempfile.mkdtemp(prefix="duban-demo-"))
    if any(folder.glob("*/events.sqlite")):
        click.echo(f"{folder} 里已有数据 holds data already", err=True)
        return 1
    stage = Stage(folder, moment("2021-01-01 09:00"), language, config)
    try:
        stage.open()
        Story(stage, click.echo).run()
        unclean = stage.close()
        if unclean:
            raise Deviation(f"did not end cleanly: {', '.join(unclean)}")
        rebuilt = rebuild_and_compare(stage.config)
    except Deviation as deviation:
        click.echo(f"\n✗ 与措施不符 deviation: {deviation}\n  logs: {folder}/*.log", err=True)
        return 1
    finally:
        stage.close()
    click.echo(
        f"\n✓ 从日志重建 {rebuilt} 个视图，与在用的逐行一致。 {rebuilt} views rebuilt from the logs equal the live ones."
    )
    click.echo(f"✓ {time.monotonic() - started:.0f} s")
    click.echo(how_to_look_further(folder))
    return 0


def rebuild_and_compare(config: Config) -> int:
    """Rebuild every view of every service from the logs; how many. Raises Deviation with what came out otherwise."""
    number = 0
    for name, runtime in open_suite(config, config.make_clock()).items():
        views = list(runtime.views.views)
        for difference in runtime.views.rebuild(views, runtime.follower, compare=True):
            raise Deviation(
                f"{name}.{difference.view} {difference.id}: {difference.live} but rebuilt {difference.rebuilt}"
            )
        number += len(views)
        parked = [row.reason for _, row in runtime.parked()]
        runtime.close()
        if parked:
            raise Deviation(f"{name} has parked messages: {parked}")
    return number


def how_to_look_further(folder: Path) -> str:
    """Commands that work on the demo's data, at the demo's own time."""
    clock = f"DUBAN_CLOCK={shlex.quote(f'file:{folder.resolve()}/clock')}"
    assert SteppedClock(folder / "clock")() is not None
    data = shlex.quote(str(folder))
    return f"""
数据目录 data folder: {folder}
继续查看 look further (the clock stands where the story ended):
  {clock} .venv/bin/duban serve --data {data} --port 8080 &
  TOKEN=$({clock} .venv/bin/duban token --data {data} --unit inspect --post inspect/chief --role supervision_office)
  curl -s -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:8080/api/v1/namings'
  curl -s -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:8080/api/v1/tasks?state=closed'
  curl -s -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:8080/api/v1/due?rule=contact&start=2021-02-05'
  .venv/bin/duban log --data {data} --service supervision | head -3"""
