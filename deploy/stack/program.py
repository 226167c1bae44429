"""One program of the stack: a process with its files in a folder, by which any process can find and stop it."""

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

# Below the ephemeral port range: a client that keeps reconnecting to a dead server's port *in* that range is at some
# point assigned that port itself, connects to itself, and the server cannot bind it again.
SERVER_PORTS = range(15_000, 32_000)


_given: deque[int] = deque(maxlen=200)


def free_port() -> int:
    """A free port of 127.0.0.1, not one returned recently whose server may not listen yet."""
    own = SERVER_PORTS[os.getpid() % 16 :: 16]  # other processes choose at the same time
    # hypothesis seeds the global generator: with it every test process would try the same ports.
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
    """Whether a thread in ``/proc/PID/task`` is stopped or has ended."""
    fields = _stat(int(thread.name))
    return fields is None or fields[0] == "T"


def _stat(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` from the state on, of a process or a thread; None if it has ended."""
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

    The program is killed when the process that started it ends, in any way, unless it was started detached.
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
        """Start it and wait until it is ready; no effect if it runs already.

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
        """Stop it by SIGTERM and wait; no effect if it does not run. TimeoutError after 30 s."""
        self._end(signal.SIGTERM)

    @property
    def pid(self) -> int | None:
        """The process's id while it runs, whoever started it."""
        if not self._pid_file.exists():
            return None
        pid, started, _ = self._pid_file.read_text("ascii").split()
        fields = _stat(int(pid))
        # The process id alone is not enough: it may have been reused, for example after a reboot.
        return int(pid) if fields is not None and fields[19] == started else None

    @property
    def running(self) -> bool:
        """Whether its process exists (it may be suspended)."""
        return self.pid is not None

    def kill(self) -> None:
        """``kill -9`` the process and its children; no effect if it does not run."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGSTOP)  # so that it starts no child before it is killed
            family = [pid, *_children(pid)]
            for member in family:
                os.kill(member, signal.SIGKILL)
            self._wait_for_end(family)
        self._forget()

    def suspend(self) -> None:
        """SIGSTOP: its connections stay open and do not answer. RuntimeError if it does not run."""
        pid = self._signal(signal.SIGSTOP)
        until = time.monotonic() + STOP_SECONDS
        while not all(_is_stopped(thread) for thread in Path(f"/proc/{pid}/task").iterdir()):
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} in {self.folder} is not stopped after {STOP_SECONDS:.0f} s")
            time.sleep(0.001)  # a thread on another core may still run for a moment

    def resume(self) -> None:
        """SIGCONT. RuntimeError if it does not run."""
        self._signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # a suspended process does not handle the first signal
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
        """The port of the last run, so that settings that name it stay valid, unless it is in use."""
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
                start_new_session=True,  # Ctrl-C goes to the tests only; they stop the program
            )
        pid = self._handle.pid
        fields = _stat(pid)
        started = "ended" if fields is None else fields[19]
        new = self._pid_file.with_suffix(".new")
        new.write_text(f"{pid} {started} {self.port}\n", "ascii")
        new.replace(self._pid_file)  # atomic: another process may be reading
        if not detached:
            # The pipe is closed however this process ends; an exit handler would not run on kill -9.
            self._lifeline = subprocess.Popen(
                ["sh", "-c", 'read -r released || kill -9 "$0"', str(pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _forget(self) -> None:
        """Reap the ended processes."""
        if self._lifeline is not None:
            self._lifeline.communicate(b"released\n")
            self._lifeline = None
        if self._handle is not None:
            self._handle.wait()
            self._handle = None

    def _tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])
