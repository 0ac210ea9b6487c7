"""Work shared out to processes; the results come in order and are the same whatever their number."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from clarify_env.errors import ClarifyError

T = TypeVar("T")


def in_order(work: Callable[[int], T], count: int, processes: int = 1) -> Iterator[T]:
    """work(0), work(1), ... up to work(count - 1), computed by forked processes.

    Process w does w, w + processes, and so on. It starts as a copy of this process, so `work` can be any
    function, and what it changes stays its own. Without fork (anywhere but on Linux) all is done here.

    Args:
        work: whose results multiprocessing can send.
        count: how many there are.
        processes: >= 1; 1 starts none.

    Raises:
        ClarifyError: as `work` raised it, or a process was killed.
        RuntimeError: another error in `work`, with its traceback as text.
    """
    processes = min(processes, count)
    if processes < 2 or sys.platform != "linux":
        yield from map(work, range(count))
        return
    fork = multiprocessing.get_context("fork")
    readers: list[Connection] = []
    children = []
    try:
        for w in range(processes):
            reader, writer = fork.Pipe(duplex=False)
            readers.append(reader)
            mine = range(w, count, processes)
            child = fork.Process(target=_serve, args=(work, mine, writer, tuple(readers)), daemon=True)
            child.start()
            writer.close()
            children.append(child)
        for k in range(count):
            try:
                fine, result = readers[k % processes].recv()
            except EOFError:
                raise ClarifyError(
                    f"one of {processes} processes was killed (out of memory?); try --processes 1"
                ) from None
            if not fine:
                raise result
            yield result
    finally:
        for reader in readers:
            reader.close()
        for child in children:
            child.terminate()
            child.join()


def _serve(
    work: Callable[[int], Any], mine: Sequence[int], writer: Connection, inherited: Sequence[Connection]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which ends this one
    for reader in inherited:
        reader.close()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    try:
        for k in mine:
            writer.send((True, work(k)))
    except BrokenPipeError:  # nobody waits for it any more
        pass
    except ClarifyError as error:
        writer.send((False, ClarifyError(str(error))))
    except BaseException:
        writer.send((False, RuntimeError(traceback.format_exc())))


def default_processes() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(count: int) -> None:
    """Threads that torch computes with; other work on the machine can make two slower than one."""
    import torch

    torch.set_num_threads(max(1, min(count, os.cpu_count() or 1)))
