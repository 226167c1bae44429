"""PostgreSQL 15 or newer on a port of 127.0.0.1."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Literal

from deploy.stack.program import START_SECONDS, Program
from deploy.stack.programs import ComponentMissing, postgres_programs

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path is limited to 107 bytes; test folders have longer paths
    "max_connections": "200",
    "shared_buffers": "32MB",
    "fsync": "on",  # a killed server must come back with every commit that it acknowledged
}
SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres(Program):
    """A PostgreSQL server with its data in ``folder``; every local user may log in as its owner ``duban``.

    Started by root, it runs as the user ``postgres``: PostgreSQL refuses to run as root.
    """

    name = "postgres"

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    def start(self, *, detached: bool = False) -> None:
        """Start it and wait until it accepts connections; no effect if it runs already.

        Raises ComponentMissing, or RuntimeError with the end of its log if it does not start within 60 s.
        """
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.data.exists():
            self._make_data()
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": self.port}.items()]
        command = [self._program("postgres"), "-D", str(self.data), *settings]
        self._spawn([*self._as_owner(), *command], detached=detached)
        until = time.monotonic() + START_SECONDS
        ready = [self._program("pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        while subprocess.run(ready, check=False).returncode != 0:
            if not self.running or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"PostgreSQL did not start in {self.folder}:\n{self._tail()}")
            time.sleep(0.05)

    def stop(self, mode: Literal["fast", "immediate", "smart"] = "fast") -> None:
        """Stop it and wait; no effect if it does not run. TimeoutError after 30 s.

        ``smart`` waits for clients to disconnect, ``fast`` disconnects them, ``immediate``
        leaves recovery to the next start.
        """
        self._end(SIGNALS[mode])

    def url(self, database: str, port: int | None = None) -> str:
        """The URL of a database, through another port (a proxy's) if given."""
        return f"postgresql://duban@127.0.0.1:{port or self.port}/{database}"

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run SQL; the rows, one per line, columns separated by ``|``. RuntimeError with the server's message."""
        command = [self._program("psql"), "-XAtq", "--set=ON_ERROR_STOP=1", f"--command={sql}"]
        done = subprocess.run([*command, self.url(database)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.rstrip("\n")

    def create_database(self, name: str) -> None:
        """Create a database unless it exists."""
        if not self.psql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.psql(f'CREATE DATABASE "{name}"')

    def _make_data(self) -> None:
        new = self.folder / "data.new"  # renamed when complete: a killed initdb leaves no partial folder
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(new, *_owner())
        # Byte order, as in SQLite: both sort text alike.
        options = ["--username=duban", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        command = [*self._as_owner(), self._program("initdb"), *options, "-D", str(new)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed in {self.folder}:\n{done.stdout}{done.stderr}")
        new.rename(self.data)

    def _as_owner(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        user, group = _owner()
        change = ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups"]
        if all(parent.stat().st_mode & 0o001 for parent in [self.folder, *self.folder.parents]):
            return change
        # pytest's folders are for root only; this capability gives access to one process and no other user.
        return [*change, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]

    def _program(self, name: str) -> str:
        return str(postgres_programs() / name)


def _owner() -> tuple[int, int]:
    """The user and group ids that PostgreSQL runs as when this process runs as root."""
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise ComponentMissing(
            "PostgreSQL: this is root, and there is no user postgres to run it as"
        ) from None
    return user.pw_uid, user.pw_gid
