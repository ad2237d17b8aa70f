"""The HTTP server of one running app: it listens on loopback and can be found without its port being told."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from runtime.cells.rendezvous import Announcement, RendezvousError, announce, withdraw
from runtime.clock import Clock
from runtime.http.address import Address, listen_error, parse_address
from runtime.http.errors import tell_errors
from runtime.http.in_flight import InFlight
from runtime.http.openapi import openapi
from runtime.http.requests import decode_body, decode_query
from runtime.http.route import Call, Route
from runtime.http.routes import ROUTES
from runtime.http.security import guard
from runtime.operations import Operations
from runtime.settings import DEFAULT_MAX_PAYLOAD_BYTES
from runtime.views import Health

ENVELOPE_BYTES = 64 * 1024
"""What a request's body may hold beside the payload."""
CUT_SECONDS = 0.1
"""How long answers may take to leave once their time is up; aiohttp takes 0 for no limit."""

log = logging.getLogger("postroom.http")


class HttpServer:
    """Serves an app's operations on a loopback address, and announces where to the user's other programs.

    `address` is `HOST:PORT`; port 0 takes a free port.
    `incarnation` is the process's identity (one is made if none is given) and `data_dir` its data directory; both are
    told to those who look for a running app. Requests larger than `max_payload_bytes` and 64 KiB are refused. `routes`
    are served beside the runtime's own.

    Raises:
        BadAddressError: the address is not `HOST:PORT` on loopback.
    """

    def __init__(
        self,
        operations: Operations,
        address: str,
        *,
        clock: Clock,
        incarnation: UUID | None = None,
        data_dir: Path | None = None,
        max_payload_bytes: int = DEFAULT_MAX_PAYLOAD_BYTES,
        routes: Iterable[Route] = (),
    ) -> None:
        self._operations = operations
        self._address = parse_address(address)
        self._clock = clock
        self._health = Health(operations.app_name, incarnation or uuid4(), os.getpid())
        self._data_dir = str(data_dir.resolve()) if data_dir else None
        self._max_body_bytes = max_payload_bytes + ENVELOPE_BYTES
        self._routes = (*ROUTES, *routes)
        self._document = functools.cache(lambda: openapi(self._routes))
        self._in_flight = InFlight()
        self._runner: web.AppRunner | None = None
        self._bound: Address | None = None

    @property
    def url(self) -> str | None:
        """Where it listens, such as `http://127.0.0.1:8321`, or None while it does not."""
        return self._bound.url if self._bound else None

    async def start(self) -> None:
        """Return when requests are answered. May be called again after `stop`.

        Raises:
            AddressInUseError: something else listens on the port.
            ListenError: the address cannot be listened on for another reason.
        """
        if self._runner is not None:
            return
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=CUT_SECONDS)
        try:
            await runner.setup()
            await web.TCPSite(runner, self._address.host, self._address.port).start()
        except BaseException as error:
            await runner.cleanup()
            if isinstance(error, OSError):
                raise listen_error(self._address, error) from error
            raise
        self._runner = runner
        self._bound = Address(self._address.host, runner.addresses[0][1])
        self._announce(self._bound.url)

    async def stop(self, shutdown_seconds: float) -> None:
        """Stop listening, let the requests that run finish within `shutdown_seconds`, then close all connections.

        Safe to call twice and before `start`.
        """
        runner, self._runner, self._bound = self._runner, None, None
        if runner is None:
            return
        withdraw(self._health.incarnation)
        try:
            for site in list(runner.sites):
                await site.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(shutdown_seconds):
                    await self._in_flight.wait_idle()
        finally:
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._in_flight.track, tell_errors, guard], client_max_size=self._max_body_bytes
        )
        for route in self._routes:
            application.router.add_route(route.method, route.path, self._endpoint(route))
        return application

    def _endpoint(self, route: Route) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            query: object = decode_query(request.query, route.query)
            body = decode_body(await request.read(), route.body) if route.body else None
            status, value = await route.handle(
                Call(self._operations, self._health, self._document, dict(request.match_info), query, body)
            )
            text = msgspec.json.encode(value)
            return web.Response(body=text, status=status, content_type="application/json", charset="utf-8")

        return answer

    def _announce(self, url: str) -> None:
        """Being found is a convenience: where it cannot be had, the app runs and `--url` reaches it."""
        health = self._health
        try:
            announce(Announcement(health.app, health.pid, health.incarnation, url, self._data_dir, self._clock.now()))
        except RendezvousError as error:
            log.warning("%s", error)
