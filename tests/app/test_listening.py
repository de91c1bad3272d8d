"""A port is one process's from the choice on, although the HTTP server would share it."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from omniroute.app.listening import FILES_BESIDE, reserved, room_for
from omniroute.app.settings import Settings

HOST = "127.0.0.1"


@contextmanager
def sharing(port: int) -> Iterator[socket.socket]:
    """A listener as the HTTP server makes one."""
    with socket.socket() as listener:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.bind((HOST, port))
        listener.listen()
        yield listener


def settings(port: int) -> Settings:
    return Settings(http_host=HOST, http_port=port)


def test_a_reserved_port_is_refused_to_others_and_open_to_our_server() -> None:
    told: list[str] = []
    with reserved(settings(0), told.append) as (ours, listens):
        port = ours.http_port
        assert port
        with pytest.raises(ConnectionError, match=f"cannot listen on {HOST}:{port}"), reserved(settings(port), print):
            pass
        with sharing(port):
            listens("http://here")
            assert told == ["http://here"]
            with pytest.raises(ConnectionError, match="in use"), reserved(settings(port), print):
                pass
        with reserved(settings(port), print) as (next_, _):
            assert next_.http_port == port


def test_connections_of_a_process_that_is_gone_are_in_nobodys_way() -> None:
    with sharing(0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address), listener.accept()[0] as accepted:
            accepted.shutdown(socket.SHUT_RDWR)  # This side closes first, and waits out its time.
    with reserved(settings(address[1]), print) as (ours, _), sharing(ours.http_port):
        pass


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "fitting", "raised"),
    [
        (1_024, 4_096, 2_000, 2_000, 2_000 + FILES_BESIDE),
        (1_024, 4_096, 10_000, 4_096 - FILES_BESIDE, 4_096),
        (1_024, resource.RLIM_INFINITY, 10_000, 10_000, 10_000 + FILES_BESIDE),
        (65_536, 65_536, 10_000, 10_000, 65_536),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 10_000, 10_000, resource.RLIM_INFINITY),
        (256, 256, 10_000, 16, 256),
    ],
)
def test_open_files_are_allowed_for_as_many_connections_as_the_system_lets(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, wanted: int, fitting: int, raised: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, both: limits.append(both))
    assert room_for(wanted) == fitting
    assert limits[-1] == (raised, hard)
