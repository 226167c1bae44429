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
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, the paths of test folders are longer
    "max_connections": "200",
    "shared_buffers": "32MB",
    "fsync": "on",  # what the tests kill must come back with everything it confirmed
}
SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres(Program):
    """One PostgreSQL with its data in ``folder``; every user of this machine may log in as its owner ``duban``.

    As root it runs as the user ``postgres``, since PostgreSQL refuses to run as root.
    """

    name = "postgres"

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    def start(self, *, detached: bool = False) -> None:
        """Start it and wait until it accepts connections; nothing happens if it runs already.

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
        """Stop it and wait; nothing happens if it does not run. TimeoutError if it runs on for 30 s.

        ``smart`` waits for clients to leave, ``fast`` sends them away, ``immediate`` leaves recovery to the next start.
        """
        self._end(SIGNALS[mode])

    def url(self, database: str, port: int | None = None) -> str:
        """The URL of a database, at another port (a proxy's) if one is given."""
        return f"postgresql://duban@127.0.0.1:{port or self.port}/{database}"

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run SQL; the rows, one a line, columns between ``|``. RuntimeError with the server's message if it fails."""
        command = [self._program("psql"), "-XAtq", "--set=ON_ERROR_STOP=1", f"--command={sql}"]
        done = subprocess.run([*command, self.url(database)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.rstrip("\n")

    def create_database(self, name: str) -> None:
        """Create a database, unless it is there."""
        if not self.psql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.psql(f'CREATE DATABASE "{name}"')

    def _make_data(self) -> None:
        new = (
            self.folder / "data.new"
        )  # renamed when it is whole, so that a killed initdb leaves no half of it
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(new, *_owner())
        # The collation of bytes, as SQLite has it: both order text alike.
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
        # pytest closes its folders to everybody but root; this capability lets one process through, and no one else.
        return [*change, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]

    def _program(self, name: str) -> str:
        return str(postgres_programs() / name)


def _owner() -> tuple[int, int]:
    """The ids of the user and group that PostgreSQL runs as when this process is root's."""
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise ComponentMissing(
            "PostgreSQL: this is root, and there is no user postgres to run it as"
        ) from None
    return user.pw_uid, user.pw_gid
