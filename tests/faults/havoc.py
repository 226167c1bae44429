"""The killer: every few seconds one of the things that happen to processes, servers and links; it always heals."""

import random
import threading
import time
from collections.abc import Callable
from functools import partial

from tests.faults.cluster import Cluster, Member


class Havoc(threading.Thread):
    """Kills until told to stop; the same seed kills the same in the same order.

    Every kind of fault has its turn before one comes again, and the first is one that requests meet: a run that is
    too short for all kinds, by chance without it, would disturb nobody.
    """

    FIRST = "assignment web killed"

    def __init__(self, cluster: Cluster, seed: int) -> None:
        super().__init__(name="havoc")
        self.cluster = cluster
        self.chance = random.Random(f"{seed}/havoc")
        self.done: list[str] = []
        """What was done, with the second of the run."""
        self.failure: BaseException | None = None
        self._over = threading.Event()
        self._deck: list[tuple[str, Callable[[], None]]] = []

    @property
    def kinds(self) -> list[tuple[str, Callable[[], None]]]:
        """Every fault there is."""
        found: list[tuple[str, Callable[[], None]]] = [
            ("PostgreSQL restarted at once", self._database),
            ("broker killed", self._broker),
        ]
        for name in self.cluster.links:
            found += [
                (f"link {name} cut", partial(self._cut, name)),
                (f"link {name} black-holed", partial(self._black_hole, name)),
            ]
        for service, role in dict.fromkeys((one.service, one.role) for one in self.cluster.members):
            found.append((f"{service} {role} killed", partial(self._kill, service, role)))
        return found

    def run(self) -> None:
        """Kill, wait, kill."""
        started = time.monotonic()
        try:
            while not self._over.wait(self.chance.uniform(2, 4)):
                if not self._deck:
                    self._deck = self.kinds
                    self.chance.shuffle(self._deck)
                    if not self.done:
                        self._deck.sort(key=lambda kind: kind[0] == self.FIRST)  # from whose end is taken
                name, act = self._deck.pop()
                self.done.append(f"{time.monotonic() - started:.1f} {name}")
                act()
        except BaseException as error:  # noqa: BLE001 - shown by ``end``
            self.failure = error

    def end(self) -> None:
        """Stop killing, and heal. Raises what went wrong with the killing itself."""
        self._over.set()
        self.join()
        self.cluster.heal()
        if self.failure is not None:
            raise self.failure

    def _kill(self, service: str, role: str) -> None:
        member: Member = self.chance.choice(self.cluster.of(service, role))
        self.cluster.kill(member)
        self._over.wait(self.chance.uniform(0, 1))
        self.cluster.start(member)

    def _database(self) -> None:
        self.cluster.postgres.stop("immediate")
        self._over.wait(self.chance.uniform(0, 1))
        self.cluster.postgres.start()

    def _broker(self) -> None:
        self.cluster.broker.kill()
        self._over.wait(self.chance.uniform(0, 1))
        self.cluster.broker.start()

    def _cut(self, name: str) -> None:
        self.cluster.links[name].cut()
        self._over.wait(self.chance.uniform(0.2, 1.5))
        self.cluster.links[name].passing()

    def _black_hole(self, name: str) -> None:
        self.cluster.links[name].black_hole()
        self._over.wait(self.chance.uniform(1, 3))
        self.cluster.links[name].passing()
