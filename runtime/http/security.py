"""What keeps web pages away from an API without passwords that listens on loopback."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from runtime.http.address import host_of, is_loopback
from runtime.http.errors import ForbiddenHostError, UnsupportedMediaTypeError


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that a foreign page could have made a browser send.

    A page may point a name of its own at 127.0.0.1 (DNS rebinding), but then the Host header carries that name. A page
    may also post a form anywhere, but a browser asks first before it posts JSON, or uses another method, and gets no
    permission here.
    """
    netloc = request.headers.get("Host", "")
    if not is_loopback(host_of(netloc)):
        raise ForbiddenHostError(f"the Host header must name a loopback address or localhost, not {netloc!r}")
    if request.method == "POST" and request.content_type != "application/json":
        raise UnsupportedMediaTypeError("POST needs the header Content-Type: application/json")
    return await handler(request)
