"""How the HTTP server starts, stops and shares its port."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest

from runtime.clock import SystemClock
from runtime.http import Address, AddressInUseError, HttpServer, ListenError
from tests.desk import Desk

pytestmark = pytest.mark.usefixtures("private_rendezvous")


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_port_in_use_is_named_with_the_way_out(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HttpServer(desk, f"127.0.0.1:{port}", clock=SystemClock())
        with pytest.raises(AddressInUseError, match=rf"port {port} .* --http 127\.0\.0\.1:0"):
            await server.start()
    await server.start()
    await server.stop(1.0)


async def test_an_address_that_this_machine_does_not_have_is_told(desk: Desk) -> None:
    server = HttpServer(desk, "127.0.0.1:0", clock=SystemClock())
    server._address = Address("192.0.2.1", 0)
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0: .*--http"):
        await server.start()


async def test_stop_is_safe_twice_and_before_start_and_start_works_again(desk: Desk) -> None:
    server = HttpServer(desk, "127.0.0.1:0", clock=SystemClock())
    await server.stop(1.0)
    for _ in range(2):
        await server.start()
        await server.start()
        assert server.url is not None
        async with aiohttp.ClientSession() as session, session.get(server.url + "/healthz") as response:
            assert response.status == 200
        await server.stop(1.0)
        await server.stop(1.0)
        assert server.url is None


class Gate(Desk):
    """Its dead letters wait until the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()

    async def dead_letters(self, which: object) -> list[Any]:
        self.entered.set()
        await self.opened.wait()
        return []


async def test_stop_lets_running_requests_finish_and_refuses_new_ones() -> None:
    gate = Gate()
    server = HttpServer(gate, "127.0.0.1:0", clock=SystemClock())
    await server.start()
    url = server.url
    async with aiohttp.ClientSession() as session:
        request = asyncio.create_task(session.get(f"{url}/v1/dead-letters"))
        await gate.entered.wait()
        stopping = asyncio.create_task(server.stop(30.0))
        await asyncio.sleep(0)  # the stop begins, and waits for the request
        assert server.url is None
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/healthz")
        gate.opened.set()
        assert (await request).status == 200
        await stopping


async def test_stop_cuts_requests_that_outlast_their_time() -> None:
    gate = Gate()
    server = HttpServer(gate, "127.0.0.1:0", clock=SystemClock())
    await server.start()
    async with aiohttp.ClientSession() as session:
        request = asyncio.create_task(session.get(f"{server.url}/v1/dead-letters"))
        await gate.entered.wait()
        await server.stop(0.01)
        with pytest.raises(aiohttp.ClientError):
            await request


async def test_a_stop_without_time_cuts_at_once_and_one_that_is_cancelled_closes_all_the_same() -> None:
    gate = Gate()
    server = HttpServer(gate, "127.0.0.1:0", clock=SystemClock())
    for hurried in (True, False):
        await server.start()
        url = server.url
        gate.entered.clear()
        async with aiohttp.ClientSession() as session:
            request = asyncio.create_task(session.get(f"{url}/v1/dead-letters"))
            await gate.entered.wait()
            stopping = asyncio.create_task(server.stop(0.0 if hurried else 30.0))
            if not hurried:
                await asyncio.sleep(0)  # the stop begins, and waits for the request
                stopping.cancel()
            await asyncio.wait({stopping}, timeout=10)
            assert stopping.done()
            assert stopping.cancelled() is not hurried
            with pytest.raises(aiohttp.ClientError):
                await request
