"""Several processes, as `accelerate launch` starts them: who one is, and sums over all of them.

Every process plays and selects the same episodes, which follow from the seed; the passes of an update are
shared out, and their gradients summed. Only the first process writes to the run directory.
"""

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist

from clarify_env.errors import ClarifyError


def join() -> tuple[int, int]:
    """Join the processes that were launched together; returns one's rank and their number."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        try:
            from accelerate import PartialState
        except ModuleNotFoundError:
            raise ClarifyError("several processes need accelerate: pip install 'clarify_env[llm]'") from None
        PartialState(cpu=not torch.cuda.is_available())
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def add_up(tensors: Iterable[torch.Tensor]) -> None:
    """Replace each tensor by its sum over the processes."""
    if dist.is_initialized():
        for tensor in tensors:
            dist.all_reduce(tensor)


def share(tensors: Iterable[torch.Tensor]) -> None:
    """Replace each tensor by that of the first process."""
    if dist.is_initialized():
        for tensor in tensors:
            dist.broadcast(tensor, 0)
