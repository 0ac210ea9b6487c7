"""Types of the arrays that the project passes around, and arrays that nobody can change."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@lru_cache(maxsize=4096)
def frozen(values: tuple[float, ...], dtype: type = np.float64) -> NDArray[Any]:
    """The values as an array that cannot be written to, the same one each time."""
    array: NDArray[Any] = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array
