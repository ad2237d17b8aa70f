"""A test that hangs ends with its time limit, whichever loop it runs on."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.conftest import ASYNCIO, UVLOOP, LoopFactory


async def wait_for_ever() -> None:
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    await asyncio.Event().wait()


@pytest.mark.parametrize("new_loop", [ASYNCIO, UVLOOP])
def test_what_waits_for_ever_is_ended(new_loop: LoopFactory) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: pytest.fail("took too long"))
    try:
        with (
            asyncio.Runner(loop_factory=new_loop) as runner,
            pytest.raises((pytest.fail.Exception, asyncio.CancelledError), match="took too long"),
        ):
            runner.run(wait_for_ever())
    finally:
        signal.signal(signal.SIGUSR1, before)
