"""The producer of a crash campaign: another process, which notes what it sends and what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
from pathlib import Path
from typing import IO
from uuid import UUID

import aiohttp
import msgspec

from runtime.durable.ids import IdSource
from tests.fault.campaign_app import FLAKY, LATE_SECONDS, LEDGERS, TRACKERS, end_with_campaign

SENT = "sent.jsonl"
TENANTS = 3
KEYS = (*(f"k{number}" for number in range(4)), FLAKY)
SERVICES = (*LEDGERS, *TRACKERS, "pooled")
PAUSE_SECONDS = 0.04
RETRY_SECONDS = 0.05


class Sent(msgspec.Struct, frozen=True):
    """An event that was acknowledged."""

    event: UUID
    service: str
    tenant: str
    key: str
    n: int


class Producer:
    """Sends one event after another for each service, tenant and key, and the same again until it is acknowledged."""

    def __init__(self, session: aiohttp.ClientSession, ports: list[int], log: IO[bytes], source: random.Random) -> None:
        self._session = session
        self._ports = ports
        self._log = log
        self._random = source
        self._ids = IdSource()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for tenant in range(TENANTS):
                for key in KEYS:
                    group.create_task(self._feed(f"t{tenant}", key))

    async def _feed(self, tenant: str, key: str) -> None:
        n = 0
        while not self.stopping.is_set():
            for service in SERVICES:
                await self._send(Sent(self._ids.new_id(), service, tenant, key, n))
            n += 1
            await asyncio.sleep(self._random.uniform(0, PAUSE_SECONDS))

    async def _send(self, sent: Sent) -> None:
        late = sent.service == "pooled" and sent.n % 9 == 0
        body = {
            "tenant": sent.tenant,
            "key": sent.key,
            "payload": {"n": sent.n},
            "id": sent.event,
            "delay_seconds": LATE_SECONDS if late else 0.0,
        }
        data = msgspec.json.encode(body)
        while not await self._post(sent.service, data):  # noqa: ASYNC110 # another process, which can only be asked
            await asyncio.sleep(RETRY_SECONDS)
        self._log.write(msgspec.json.encode(sent) + b"\n")
        self._log.flush()

    async def _post(self, service: str, data: bytes) -> bool:
        url = f"http://127.0.0.1:{self._random.choice(self._ports)}/v1/services/{service}/events"
        with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError):
            async with self._session.post(url, data=data, headers={"Content-Type": "application/json"}) as answer:
                if answer.status not in {202, 503}:
                    sys.exit(f"an event was refused: {answer.status} {await answer.text()}")
                return answer.status == 202
        return False


async def main(home: Path, ports: list[int], seed: int) -> None:
    """Send until SIGTERM, then until all that was sent is acknowledged."""
    end_with_campaign()
    timeout = aiohttp.ClientTimeout(total=3)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        with (home / SENT).open("ab") as log:
            producer = Producer(session, ports, log, random.Random(seed))
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, producer.stopping.set)
            await producer.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), [int(port) for port in sys.argv[2].split(",")], int(sys.argv[3])))
