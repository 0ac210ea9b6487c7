"""The algorithms by name; one of yours is a subclass of `Loop` and one line of registration.

Another person's package adds one by the entry point group "clarify_env.algorithms": the name, and
"package:Class".
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from clarify_env.errors import ClarifyError

if TYPE_CHECKING:  # the loop reads settings, and settings the rules of this package
    from clarify_env.trainers.loop import Loop

ALGORITHMS: dict[str, "str | Callable[..., Loop]"] = {
    "rest": "clarify_env.trainers.algorithms.rest:ReST",
    "dpo": "clarify_env.trainers.algorithms.dpo:DPO",
    "distillation": "clarify_env.trainers.algorithms.distillation:Distillation",
    "rloo": "clarify_env.trainers.algorithms.rloo:RLOO",
    "grpo": "clarify_env.trainers.algorithms.grpo:GRPO",
    "ppo": "clarify_env.trainers.algorithms.ppo:PPO",
}


def register_algorithm(name: str, kind: "Callable[..., Loop]") -> None:
    """Make an algorithm known by its name.

    Args:
        name: as in `AlgorithmConfig.name`.
        kind: a subclass of `Loop`.

    Raises:
        ClarifyError: the name is taken.
    """
    if name in ALGORITHMS:
        raise ClarifyError(f"register_algorithm({name!r}): this name is taken")
    ALGORITHMS[name] = kind
