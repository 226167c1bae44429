"""One program of the stack: a process with its files in a folder, which any other process can find and stop."""

import os
import random
import signal
import socket
import subprocess
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

START_SECONDS = 60.0
STOP_SECONDS = 30.0

# Below the range from which the kernel takes the ports of clients: a client that tries again and again to reach a dead
# server on a port of *that* range is at some point given this very port itself, is connected to itself, and the
# server cannot come back.
SERVER_PORTS = range(15_000, 32_000)


_given: deque[int] = deque(maxlen=200)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that was not given to somebody who does not listen yet."""
    own = SERVER_PORTS[os.getpid() % 16 :: 16]  # other processes choose at the same time
    # hypothesis seeds the common generator, and then every test process would try the same ports.
    for port in random.SystemRandom().sample(own, len(own)):
        if port not in _given and _is_free(port):
            _given.append(port)
            return port
    raise RuntimeError(f"no free port on 127.0.0.1 in {SERVER_PORTS}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_stopped(thread: Path) -> bool:
    """Whether a thread in ``/proc/PID/task`` runs no more, or has ended."""
    fields = _stat(int(thread.name))
    return fields is None or fields[0] == "T"


def _stat(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` from the state on, of a process or a thread; None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields


def _children(pid: int) -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [child for child in pids if (fields := _stat(child)) is not None and int(fields[1]) == pid]


class Program:
    """What PostgreSQL and the broker have in common.

    The program dies with the process that started it, however that process ends, unless it was started detached.
    """

    name: ClassVar[str]

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / f"{self.name}.log"
        self._pid_file = self.folder / f"{self.name}.pid"
        self._handle: subprocess.Popen[bytes] | None = None
        self._lifeline: subprocess.Popen[bytes] | None = None
        self.port = port or self._port_of_last_time() or free_port()

    def start(self, *, detached: bool = False) -> None:
        """Start it and wait until it serves; nothing happens if it runs already.

        Raises ComponentMissing, or RuntimeError with the end of its log if it does not start within 60 s.
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end in order and wait; nothing happens if it does not run. TimeoutError if it runs on for 30 s."""
        self._end(signal.SIGTERM)

    @property
    def pid(self) -> int | None:
        """The process's id while it runs, whoever started it."""
        if not self._pid_file.exists():
            return None
        pid, started, _ = self._pid_file.read_text("ascii").split()
        fields = _stat(int(pid))
        # A process id alone is not enough: after a reboot it may be another program's.
        return int(pid) if fields is not None and fields[19] == started else None

    @property
    def running(self) -> bool:
        """Whether its process is there (perhaps suspended)."""
        return self.pid is not None

    def kill(self) -> None:
        """``kill -9`` of the process and its children, as a power cut would; nothing happens if it does not run."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGSTOP)  # so that it makes no child between the look and the blow
            family = [pid, *_children(pid)]
            for member in family:
                os.kill(member, signal.SIGKILL)
            self._wait_for_end(family)
        self._forget()

    def suspend(self) -> None:
        """SIGSTOP: its connections stand and nothing answers. RuntimeError if it does not run."""
        pid = self._signal(signal.SIGSTOP)
        until = time.monotonic() + STOP_SECONDS
        while not all(_is_stopped(thread) for thread in Path(f"/proc/{pid}/task").iterdir()):
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} in {self.folder} is not stopped after {STOP_SECONDS:.0f} s")
            time.sleep(0.001)  # a thread on another core may still answer for a moment

    def resume(self) -> None:
        """SIGCONT. RuntimeError if it does not run."""
        self._signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # a suspended process would not see the first one
            self._wait_for_end([pid])
        self._forget()

    def _signal(self, number: signal.Signals) -> int:
        pid = self.pid
        if pid is None:
            raise RuntimeError(f"{self.name} in {self.folder} does not run")
        os.kill(pid, number)
        return pid

    def _wait_for_end(self, pids: list[int]) -> None:
        until = time.monotonic() + STOP_SECONDS
        while any(_stat(pid) is not None for pid in pids):
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} in {self.folder} still runs after {STOP_SECONDS:.0f} s")
            time.sleep(0.02)

    def _port_of_last_time(self) -> int | None:
        """The same port again, so that what was configured with it still fits, unless another took it meanwhile."""
        if not self._pid_file.exists():
            return None
        port = int(self._pid_file.read_text("ascii").split()[2])
        return port if self.running or _is_free(port) else None

    def _spawn(self, command: list[str], *, detached: bool) -> None:
        self._forget()
        with self.log.open("ab") as log:
            self._handle = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the tests; they end the program in order
            )
        pid = self._handle.pid
        fields = _stat(pid)
        started = "ended" if fields is None else fields[19]
        new = self._pid_file.with_suffix(".new")
        new.write_text(f"{pid} {started} {self.port}\n", "ascii")
        new.replace(self._pid_file)  # at once: somebody may be looking
        if not detached:
            # Its pipe is closed when this process ends, in whatever way; a handler at exit would not outlive kill -9.
            self._lifeline = subprocess.Popen(
                ["sh", "-c", 'read -r released || kill -9 "$0"', str(pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _forget(self) -> None:
        """Reap what has ended."""
        if self._lifeline is not None:
            self._lifeline.communicate(b"released\n")
            self._lifeline = None
        if self._handle is not None:
            self._handle.wait()
            self._handle = None

    def _tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])
