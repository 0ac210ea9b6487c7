"""Runs coroutines from ordinary code, also where an event loop is running already, as in a notebook."""

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


class Background:
    """An event loop in a daemon thread; it runs on between calls, so that connections stay open.

    Args:
        closing: called and awaited in the loop before it ends, at the latest when Python exits.
    """

    def __init__(self, closing: Callable[[], Awaitable[object]]) -> None:
        self._closing = closing
        self._pid = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: Callable[[], object] = lambda: None

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run `coroutine` and return its result; an interruption (Ctrl-C) cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and its thread; the next `run` starts another."""
        self._end()
        self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._pid != os.getpid():  # a fork has no thread
            self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
            thread = threading.Thread(target=self._loop.run_forever, name="clarify_env server", daemon=True)
            thread.start()
            self._end = weakref.finalize(self, _finish, self._pid, self._loop, thread, self._closing)
        return self._loop


def _finish(
    pid: int,
    loop: asyncio.AbstractEventLoop,
    thread: threading.Thread,
    closing: Callable[[], Awaitable[object]],
) -> None:
    if pid != os.getpid() or thread is threading.current_thread():
        return

    async def last() -> None:
        try:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.wait_for(closing(), 2.0)
        finally:
            loop.stop()

    asyncio.run_coroutine_threadsafe(last(), loop)
    thread.join(5.0)
    if not thread.is_alive():
        loop.close()
