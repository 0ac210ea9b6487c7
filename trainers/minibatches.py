"""What a language model learns from in one step: which examples, and whether they are what was sampled."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from clarify_env.trainers.packing import Item, Packed

SORTED = 4  # steps whose examples are sorted together


def minibatches(
    drawn: Sequence[int], prompts: Mapping[int, tuple[int, ...]], batch: int, rng: np.random.Generator
) -> list[list[int]]:
    """The drawn examples as minibatches; every few of them in a row hold what was drawn for them, sorted."""
    steps: list[list[int]] = []
    for begin in range(0, len(drawn), SORTED * batch):
        block = sorted(drawn[begin : begin + SORTED * batch], key=lambda i: (prompts[i], i))
        rows = [block[k : k + batch] for k in range(0, len(block), batch)]
        steps += [rows[k] for k in rng.permutation(len(rows))]
    return steps


def differing(parts: Sequence[Packed], items: Sequence[Item]) -> int:
    """How many tokens of the items' messages are not trained on as they stand."""
    wanted = Counter(item.message for item in items)
    trained: Counter[tuple[int, ...]] = Counter()
    for packed in parts:
        ids, sources = packed.ids_R_T.flatten().tolist(), packed.from_N.tolist()
        starts = [0, *(k for k in range(1, len(sources)) if sources[k] != sources[k - 1] + 1), len(sources)]
        for start, end in pairwise(starts):
            message = tuple(ids[at + 1] for at in sources[start:end])
            if message == tuple(packed.targets_N[start:end].tolist()):
                trained[message] += 1
    return sum(len(message) * count for message, count in (wanted - trained).items())
