"""Several environments stepped together; observations come as lists, as `Agent.act` takes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from clarify_env.env import GameEnv, check_action
from clarify_env.errors import ClarifyError
from clarify_env.rollout import child_seed

_Batch = dict[str, list[Any]]


class VectorEnv:
    """Environments of the same players, stepped together.

    Observations are lists by player, so that `agents["asker"].act(observations["asker"])` plays them all.
    An environment whose episode ended starts the next one at the following `step`, which ignores its
    actions and pays 0 (gymnasium's AutoresetMode.NEXT_STEP).

    Args:
        envs: one or more environments with the same players.
    """

    def __init__(self, envs: Sequence[GameEnv[Any]]) -> None:
        self.envs = list(envs)
        if not self.envs:
            raise ClarifyError("VectorEnv([]): needs at least one environment")
        self.possible_agents = self.envs[0].possible_agents

    @property
    def num_envs(self) -> int:
        """Number of environments."""
        return len(self.envs)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[_Batch, _Batch]:
        """Start an episode in every environment; environment i is seeded with (seed, i)."""
        seeds = [None if seed is None else child_seed(seed, i) for i in range(self.num_envs)]
        results = [env.reset(own, options) for env, own in zip(self.envs, seeds, strict=True)]
        return self._gather([r[0] for r in results]), self._gather([r[1] for r in results])

    def step(self, actions: Mapping[str, Sequence[Any]]) -> tuple[_Batch, _Batch, _Batch, _Batch, _Batch]:
        """Play `actions[player][i]` in environment i.

        Raises:
            ClarifyError: the actions of a player are missing or not as many as there are environments, or
                something is no action; nothing changes then.
        """
        if set(actions) != set(self.possible_agents):
            raise ClarifyError(f"step: actions of {sorted(actions)}; the players are {self.possible_agents}")
        for player, listed in actions.items():
            if len(listed) != self.num_envs:
                raise ClarifyError(f"step: {len(listed)} actions of {player!r} for {self.num_envs} envs")
            for i, action in enumerate(listed):
                check_action(player, action, f"step, environment {i}")
        rows: list[tuple[dict[str, Any], ...]] = []
        for i, env in enumerate(self.envs):
            if env.agents:
                rows.append(env.step({player: listed[i] for player, listed in actions.items()}))
            else:
                observations, infos = env.reset()
                zero, no = dict.fromkeys(env.agents, 0.0), dict.fromkeys(env.agents, False)
                rows.append((observations, zero, no, no.copy(), infos))
        first, *rest = (self._gather([row[k] for row in rows]) for k in range(5))
        return (first, *rest)  # type: ignore[return-value]

    def _gather(self, dicts: Sequence[Mapping[str, Any]]) -> _Batch:
        return {player: [d[player] for d in dicts] for player in self.possible_agents}
