"""A TCP proxy on 127.0.0.1 that does to connections what networks do to them."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self

from deploy.stack import free_port

CHUNK = 256 * 1024
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST and not FIN."""

Predicate = Callable[[bytes], bool]


@dataclass(eq=False)
class Connection:
    """A client's connection, and the one that is made to the target for it."""

    client: asyncio.StreamWriter
    target: asyncio.StreamWriter | None = None
    allowance: int | None = None
    """The bytes that may still pass from the target to the client; None: any number."""
    dropping: threading.Event | None = None
    """Set when the next reply has been swallowed and the client's connection reset; None: replies pass."""

    def reset(self) -> None:
        """RST to both sides."""
        _reset(self.client)
        if self.target is not None:
            _reset(self.target)


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()


class Proxy:
    """A proxy before ``target_port`` of 127.0.0.1; a thread of its own carries the bytes. It starts in `passing`.

    Every method returns when its mode is in force. What a predicate raises comes out of `close` as an ExceptionGroup.
    """

    def __init__(self, target_port: int, port: int | None = None) -> None:
        self.port = port or free_port()
        self._target_port = target_port
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._listener: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._allowance: int | None = None
        self._predicate: Predicate | None = None
        self._dropped = threading.Event()
        self._failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        self.passing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def passing(self) -> None:
        """Carry everything, held-back bytes and new connections too."""
        self._call(self._set_mode(is_open=True))

    def black_hole(self) -> None:
        """Accept and keep connections and carry nothing either way; what arrives goes on at the next `passing`."""
        self._call(self._set_mode(is_open=False))

    def cut(self) -> None:
        """Reset every connection and refuse new ones, until another mode is chosen."""
        self._call(self._cut())

    def cut_after(self, n_bytes: int) -> None:
        """Let ``n_bytes`` more from the target pass on each connection, then reset it."""
        self._call(self._set_mode(is_open=True, allowance=n_bytes))

    def drop_reply_after(self, predicate: Predicate) -> threading.Event:
        """Carry the first bytes from a client for which the predicate holds, swallow the reply, reset the client.

        Happens once, and the event that is returned is then set; everything else passes. The predicate sees bytes as
        they arrive, a long request in several pieces.
        """
        self._dropped = threading.Event()
        self._call(self._set_mode(is_open=True, predicate=predicate))
        return self._dropped

    def set_target(self, port: int) -> None:
        """Where connections made from now on lead."""
        self._target_port = port

    def close(self) -> None:
        """Reset every connection and end the thread; nothing happens the second time."""
        if self._loop.is_closed():
            return
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._failure is not None:
            raise self._failure

    def _call(self, action: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(action, self._loop).result()

    async def _set_mode(
        self, *, is_open: bool, allowance: int | None = None, predicate: Predicate | None = None
    ) -> None:
        self._predicate = predicate
        self._allowance = allowance
        for connection in self._connections.values():
            connection.allowance = allowance
        if is_open:
            self._open.set()
        else:
            self._open.clear()
        if self._listener is None:
            self._listener = await asyncio.start_server(
                self._accept, "127.0.0.1", self.port, limit=CHUNK, backlog=512
            )

    async def _cut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task, connection in self._connections.items():
            connection.reset()
            task.cancel()

    async def _end(self) -> None:
        await self._cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        connection = Connection(client, allowance=self._allowance)
        task = self._loop.create_task(self._serve(connection, from_client))
        self._connections[task] = connection
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        connection = self._connections.pop(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = self._failure or failure
            connection.reset()

    async def _serve(self, connection: Connection, from_client: asyncio.StreamReader) -> None:
        try:
            await self._carry(connection, from_client)
        except* OSError:
            connection.reset()  # one side was reset or cannot be reached: the other learns it in the same way

    async def _carry(self, connection: Connection, from_client: asyncio.StreamReader) -> None:
        await self._open.wait()
        from_target, target = await asyncio.open_connection("127.0.0.1", self._target_port, limit=CHUNK)
        connection.target = target
        for writer in (connection.client, target):
            writer.transport.set_write_buffer_limits(
                0
            )  # what was drained has left, and a reset cannot take it back
        async with asyncio.TaskGroup() as directions:
            directions.create_task(self._carry_requests(connection, from_client, target))
            directions.create_task(self._carry_replies(connection, from_target))
        connection.client.close()
        target.close()

    async def _carry_requests(
        self, connection: Connection, from_client: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        while chunk := await self._next(from_client):
            if self._predicate is not None and self._predicate(chunk):
                self._predicate = None
                connection.dropping = self._dropped
            target.write(chunk)
            await target.drain()
        target.write_eof()

    async def _carry_replies(self, connection: Connection, from_target: asyncio.StreamReader) -> None:
        while chunk := await self._next(from_target):
            if connection.dropping is not None:
                # The target is not reset: it would throw away what it has not read yet, the request itself perhaps.
                _reset(connection.client)
                connection.dropping.set()
                continue
            allowed = chunk[: connection.allowance]
            connection.client.write(allowed)
            await connection.client.drain()
            if connection.allowance is not None:
                connection.allowance -= len(allowed)
                if connection.allowance == 0:
                    connection.reset()
                    return
        connection.client.write_eof()

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        chunk = await reader.read(CHUNK)
        await self._open.wait()
        return chunk
