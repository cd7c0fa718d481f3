"""How processes share connections and processors: each has its part, whatever becomes of the others."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from service.sharing import Tally, keep_to_share, loop_that_shares, set_free

# Another process: it tells its share, and lives until its standard input ends.
_OTHER = """
import sys
from pathlib import Path
from service.sharing import Tally
print(Tally(Path(sys.argv[1]), int(sys.argv[2])).share, flush=True)
sys.stdin.read()
"""


def another(folder, shares):
    command = [sys.executable, "-c", _OTHER, str(folder), str(shares)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def test_a_process_sees_what_others_have(tmp_path):
    first, second = Tally(tmp_path, 2), Tally(tmp_path, 2)
    first.add(3)
    second.add(1)
    assert (first.connections, second.connections) == (3, 1)
    assert first.fewest == second.fewest == 1
    second.add(-1)
    assert first.fewest == 0


def test_nobody_waits_for_one_that_has_left_and_its_place_is_free(tmp_path):
    staying, leaving = Tally(tmp_path, 2), Tally(tmp_path, 2)
    staying.add(2)
    leaving.leave()
    assert staying.fewest == 2
    coming = Tally(tmp_path, 2)
    leaving.add(-1)  # a connection that it still had
    assert (coming.share, coming.connections) == (leaving.share, 0)
    until = time.monotonic() + 10
    while staying.fewest:  # it is noticed a moment later
        assert time.monotonic() < until
        time.sleep(0.01)


def test_each_has_a_share_and_whoever_replaces_one_that_died_has_its_share(tmp_path):
    mine = Tally(tmp_path, 3)
    others = [another(tmp_path, 3) for _ in range(2)]
    assert [mine.share, *(share for _, share in others)] == [0, 1, 2]
    process, share = others[0]
    process.communicate()
    assert Tally(tmp_path, 3).share == share
    others[1][0].communicate()
    assert mine.fewest == 0  # of the new one; those that died count no more


def test_when_all_are_replaced_in_turn_each_new_one_has_the_share_of_the_one_that_goes(tmp_path):
    old = [another(tmp_path, 2) for _ in range(2)]
    new = []
    for process, _ in old:
        new.append(another(tmp_path, 2))
        process.communicate()
    assert [share for _, share in new] == [share for _, share in old] == [0, 1]
    for process, _ in new:
        process.communicate()


class Greeter(asyncio.Protocol):
    """Says which of the listeners took the connection."""

    def __init__(self, name, tally):
        self._name, self._tally = name, tally

    def connection_made(self, transport):
        transport.write(self._name)
        self._transport = transport

    def shutdown(self):
        self._transport.close()

    def connection_lost(self, error):
        self._tally.add(-1)


@contextmanager
def listening(shared, name, tally):
    """A listener in a thread of its own, as others are in processes of their own."""
    ready, end = threading.Event(), threading.Event()

    async def listen():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Greeter(name, tally), sock=shared, backlog=64)
        ready.set()
        while not end.is_set():
            await asyncio.sleep(0.01)
        server.close()
        await server.wait_closed()

    def run():
        with asyncio.Runner(loop_factory=loop_that_shares(tally)) as runner:
            runner.run(listen())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        end.set()
        thread.join(10)


@pytest.fixture
def shared():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        yield made


def connections(shared, number):
    made = [socket.create_connection(shared.getsockname(), timeout=10) for _ in range(number)]
    return made, [connection.recv(1) for connection in made]


def test_connections_are_shared_out_evenly(shared, tmp_path):
    first, second = Tally(tmp_path, 2), Tally(tmp_path, 2)
    with listening(shared, b"1", first), listening(shared.dup(), b"2", second):
        made, names = connections(shared, 20)
        assert abs(names.count(b"1") - 10) <= 2  # none, but that one may be slow for a moment
        assert (first.connections, second.connections) == (names.count(b"1"), names.count(b"2"))
        for connection in made:
            connection.close()
        until = time.monotonic() + 10
        while first.connections or second.connections:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert first.share != second.share


def test_one_that_hangs_keeps_nobody_out(shared, tmp_path):
    working, hanging = Tally(tmp_path, 2), Tally(tmp_path, 2)
    with listening(shared, b"1", working):
        made, names = connections(shared, 5)
        assert (names, hanging.connections) == ([b"1"] * 5, 0)
        for connection in made:
            connection.close()


def test_a_listener_that_is_closed_takes_no_more(shared, tmp_path):
    with listening(shared, b"1", Tally(tmp_path, 1)):
        pass
    shared.settimeout(10)
    with socket.create_connection(shared.getsockname(), timeout=10) as connection:
        shared.accept()[0].close()  # it was left to whoever comes
        assert connection.recv(1) == b""


def test_a_connection_taken_just_before_the_listener_is_closed_is_shut_down(shared, tmp_path):
    tally = Tally(tmp_path, 1)

    async def listen():
        server = await asyncio.get_running_loop().create_server(
            lambda: Greeter(b"1", tally), sock=shared, backlog=64
        )
        connection = socket.create_connection(shared.getsockname(), timeout=10)
        while not tally.connections:  # until it is accepted; whoever speaks for it comes later
            await asyncio.sleep(0)
        server.close()
        return connection

    with asyncio.Runner(loop_factory=loop_that_shares(tally)) as runner, runner.run(listen()) as connection:
        runner.run(asyncio.sleep(0.1))
        assert connection.recv(2) in (b"", b"1")
        assert connection.recv(2) == b""


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the system does not tell")
def test_who_has_hung_up_before_the_connection_was_taken_costs_nothing(shared, tmp_path):
    tally, made = Tally(tmp_path, 1), []

    async def listen():
        def greeter():
            made.append(Greeter(b"1", tally))
            return made[-1]

        shared.listen()
        for _ in range(3):
            socket.create_connection(shared.getsockname(), timeout=10).close()
        staying = socket.create_connection(shared.getsockname(), timeout=10)
        server = await asyncio.get_running_loop().create_server(greeter, sock=shared, backlog=64)
        while not made:
            await asyncio.sleep(0.01)
        server.close()
        return staying

    with asyncio.Runner(loop_factory=loop_that_shares(tally)) as runner, runner.run(listen()) as staying:
        runner.run(asyncio.sleep(0.1))
        assert staying.recv(1) == b"1"
        assert (len(made), tally.connections) == (1, 1)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no system with affinities")
def test_processes_keep_to_their_share_of_the_processors_and_what_they_start_may_be_set_free():
    mine = sorted(os.sched_getaffinity(0))
    share = mine[len(mine) // 2 :] if len(mine) % 2 == 0 else mine
    done = threading.Event()

    def look():  # a thread of its own, so that the tests keep all processors
        keep_to_share(1, 2)
        seen.append(sorted(os.sched_getaffinity(0)))
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        seen.append(sorted(os.sched_getaffinity(child.pid)))
        set_free(child.pid)
        seen.append(sorted(os.sched_getaffinity(child.pid)))
        child.communicate(b"\n")
        done.set()

    seen: list[list[int]] = []
    threading.Thread(target=look).start()
    assert done.wait(30)
    assert seen == [share, share, mine]
    assert sorted(os.sched_getaffinity(0)) == mine
