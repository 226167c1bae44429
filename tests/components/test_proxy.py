"""Each thing that the proxy does to connections, before a real server."""

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from deploy.stack import Postgres
from tests.faults.proxy import Proxy


class Echo(socketserver.BaseRequestHandler):
    """Answers with what it is sent."""

    def handle(self) -> None:
        while received := self.request.recv(1 << 18):
            self.request.sendall(received)


class Server(socketserver.ThreadingTCPServer):
    """Notes how each of its connections ended."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.resets: list[BaseException] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionResetError):
            raise
        self.resets.append(error)


@pytest.fixture
def echo() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: Server) -> Iterator[Proxy]:
    with Proxy(echo.port) as running:
        yield running


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def ask(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return exactly(client, len(text))


def exactly(client: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (more := client.recv(1 << 18)):
        received += more
    return received


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(0.3)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)
    return False


def test_passing_carries_everything_unchanged_and_the_end_too(proxy: Proxy) -> None:
    sent = bytes(range(256)) * 4096 * 32  # 32 MiB
    with connect(proxy) as client:

        def send() -> None:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = bytearray()
        while more := client.recv(1 << 18):
            received += more
        sender.join()
    assert bytes(received) == sent


def test_a_black_hole_keeps_connections_and_what_is_sent_until_it_passes_again(proxy: Proxy) -> None:
    with connect(proxy) as old:
        assert ask(old, b"before") == b"before"
        proxy.black_hole()
        old.sendall(b"old")
        with connect(proxy) as new:
            new.sendall(b"new")
            assert hears_nothing(old)
            assert hears_nothing(new)
            proxy.passing()
            assert (exactly(old, 3), exactly(new, 3)) == (b"old", b"new")


def test_a_black_hole_holds_back_what_comes_from_the_server_too() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Proxy(listener.getsockname()[1]) as proxy,
        connect(proxy) as client,
        listener.accept()[0] as server,
    ):
        proxy.black_hole()
        server.sendall(b"reply")
        assert hears_nothing(client)
        proxy.passing()
        assert exactly(client, 5) == b"reply"


def test_a_cut_resets_both_sides_and_refuses_until_it_passes_again(proxy: Proxy, echo: Server) -> None:
    with connect(proxy) as client:
        assert ask(client, b"before") == b"before"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    deadline = time.monotonic() + 5
    while not echo.resets:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    proxy.passing()
    with connect(proxy) as client:
        assert ask(client, b"after") == b"after"


def test_a_connection_is_cut_after_so_many_bytes_from_the_server(proxy: Proxy) -> None:
    with connect(proxy) as old:
        assert ask(old, b"before") == b"before"
        proxy.cut_after(5)
        with connect(proxy) as new:
            for client in (old, new):
                assert ask(client, b"123") == b"123"
                client.sendall(b"456")
                assert exactly(client, 2) == b"45"
                with pytest.raises(ConnectionResetError):
                    client.recv(1)
    proxy.passing()
    with connect(proxy) as client:
        assert ask(client, b"as many as one likes") == b"as many as one likes"


def test_connections_go_to_the_new_target_from_now_on(proxy: Proxy, echo: Server) -> None:
    with connect(proxy) as old:
        assert ask(old, b"old") == b"old"
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # bound, and does not listen
            proxy.set_target(nobody.getsockname()[1])
            with pytest.raises(ConnectionResetError), connect(proxy) as lost:
                lost.recv(1)
        proxy.set_target(echo.port)
        with connect(proxy) as new:
            assert ask(new, b"new") == b"new"
        assert ask(old, b"still") == b"still"


def test_what_a_predicate_raises_comes_out_of_close(echo: Server) -> None:
    def broken(request: bytes) -> bool:
        raise LookupError(request)

    proxy = Proxy(echo.port)
    proxy.drop_reply_after(broken)
    with connect(proxy) as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ExceptionGroup) as raised:
        proxy.close()
    assert raised.group_contains(LookupError)
    proxy.close()


def test_the_reply_to_a_commit_is_dropped_and_the_commit_stands(server: Postgres) -> None:
    server.create_database("reply")
    server.psql("CREATE TABLE tasks (number int)", "reply")
    with Proxy(server.port) as proxy:
        url = server.url("reply", proxy.port)
        connection = psycopg.connect(url)
        dropped = proxy.drop_reply_after(lambda request: b"COMMIT" in request)
        connection.execute("INSERT INTO tasks VALUES (1)")
        assert not dropped.is_set()
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
        assert dropped.is_set()
        connection.close()
        assert server.psql("SELECT number FROM tasks", "reply") == "1"
        with psycopg.connect(url) as again:
            again.execute("INSERT INTO tasks VALUES (2)")
        assert server.psql("SELECT number FROM tasks ORDER BY 1", "reply") == "1\n2"
