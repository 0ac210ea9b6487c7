"""The event loop beside ordinary code: interrupted, closed, and used where another loop runs already."""

import asyncio
import signal
import threading

import pytest

from clarify_env.agents.llm.event_loop import Background


@pytest.fixture
def background():
    """A loop whose closing is counted in `closed`."""

    async def closing():
        made.closed += 1

    made = Background(closing)
    made.closed = 0
    yield made
    made.close()


async def number(value):
    await asyncio.sleep(0)
    return value


def threads():
    return [t for t in threading.enumerate() if t.name == "clarify_env server"]


def test_an_interruption_comes_through_and_cancels_what_was_running(background):
    cancelled = threading.Event()

    async def long():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            background.run(long())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, old)
    assert cancelled.wait(2.0)
    assert background.run(number(3)) == 3


def test_the_loop_is_kept_between_calls_and_ends_with_close(background):
    async def loop():
        return id(asyncio.get_running_loop())

    before = len(threads())
    first = background.run(loop())
    assert background.run(loop()) == first
    assert len(threads()) == before + 1
    background.close()
    assert len(threads()) == before
    assert background.closed == 1
    assert background.run(number(4)) == 4


def test_it_works_where_a_loop_runs_already_and_passes_errors_on(background):
    async def outer():
        return background.run(number(5))

    async def fails():
        raise ValueError("told")

    assert asyncio.run(outer()) == 5
    with pytest.raises(ValueError, match="told"):
        background.run(fails())
