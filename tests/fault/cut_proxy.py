"""A proxy before the server that loses what it is told to lose, as a network does at the worst moment."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from pathlib import Path
from typing import Self

from tests.postgres import Server

CHUNK = 1 << 16


class Loss(enum.Enum):
    """What becomes of the next message that holds the mark."""

    REQUEST = "request"
    """It never arrives."""
    ANSWER = "answer"
    """It arrives; the answer does not."""
    LATE_REQUEST = "late request"
    """The client is cut off; the message arrives when `deliver_late` is called."""


class CutProxy:
    """Listens on a socket of its own; `address` is what clients connect to."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._upstream = f"{server['host']}/.s.PGSQL.{server['port']}"
        self._socket = folder / f".s.PGSQL.{server['port']}"
        self.address: Server = {**server, "host": str(folder)}
        self._loss: Loss | None = None
        self._mark = b""
        self._late: tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lose(self, loss: Loss, mark: bytes = b"") -> None:
        """Lose the next message that holds `mark`, and the client's connection with it."""
        self._loss, self._mark = loss, mark
        self.lost.clear()

    async def deliver_late(self) -> bytes:
        """Send the message that was held back; return what the server answers."""
        assert self._late is not None
        reader, writer, message = self._late
        writer.write(message)
        answer = await reader.read(CHUNK)
        writer.close()
        return answer

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._upstream)
        answers = asyncio.ensure_future(self._answer(server, to_client))
        task = asyncio.current_task()
        assert task is not None
        self._tasks |= {answers, task}
        try:
            while message := await client.read(CHUNK):
                if self._loss is not None and self._mark in message:
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    await self._lose(server, to_server, message)
                    break
                to_server.write(message)
        except ConnectionError:
            pass
        finally:
            to_client.close()
            if self._late is None or self._late[1] is not to_server:
                to_server.close()
            self._tasks.discard(task)

    async def _lose(self, server: asyncio.StreamReader, to_server: asyncio.StreamWriter, message: bytes) -> None:
        loss, self._loss = self._loss, None
        if loss is Loss.ANSWER:
            to_server.write(message)
            assert await server.read(CHUNK)
        elif loss is Loss.LATE_REQUEST:
            self._late = (server, to_server, message)
        self.lost.set()

    async def _answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while answer := await server.read(CHUNK):
                to_client.write(answer)
        to_client.close()
