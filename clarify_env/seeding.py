"""Seeds of generators that are independent of each other."""

import numpy as np


def child_seed(seed: int, *path: int) -> int:
    """A seed for the generator at `path` below `seed`; independent of all others (numpy's SeedSequence).

    The path's length is part of the entropy: SeedSequence pads with zeros, so that (s,) and (s, 0) are alike.
    """
    low, high = np.random.SeedSequence((seed, *path, 1 + len(path))).generate_state(2).tolist()
    return int(low) | int(high & 0x7FFFFFFF) << 32
