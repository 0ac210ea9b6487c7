"""Playing many episodes at once: the one loop of this project."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from clarify_env.agent import Action, Decision, Observation
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError


def child_seed(seed: int, *path: int) -> int:
    """A seed for the generator at `path` below `seed`; independent of all others (numpy's SeedSequence).

    The path's length is part of the entropy: SeedSequence pads with zeros, so that (s,) and (s, 0) are alike.
    """
    low, high = np.random.SeedSequence((seed, *path, 1 + len(path))).generate_state(2).tolist()
    return int(low) | int(high & 0x7FFFFFFF) << 32


def agent_generator(seed: int, player: int) -> np.random.Generator:
    """The generator of an agent in an episode: from the seed of nature's draws, but no way leads back to it.

    Args:
        seed: of the episode, from which nature draws what is meant.
        player: position of the agent's player in the game.
    """
    digest = hashlib.sha256(f"{seed} {player}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype="<u4"))


class Player(Protocol):
    """Anything that acts on a batch of observations; `clarify_env.Agent` is its usual base."""

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator]
    ) -> Sequence[Action]:
        """One action per observation."""
        ...


@dataclass(slots=True)
class _Slot:
    """One episode under way."""

    index: int
    env: GameEnv[Any]
    rngs: dict[str, np.random.Generator]
    observations: dict[str, Observation]
    states: list[Any]


def decide(
    name: str,
    agent: Player,
    observations: Sequence[Observation],
    rngs: Sequence[np.random.Generator],
    spent: Counter[str] | None = None,
) -> list[Decision]:
    """What `agent` decides in these dialogues.

    Args:
        name: of the player.
        agent: who plays it.
        observations: one a dialogue.
        rngs: one a dialogue.
        spent: grows by "decisions/NAME", and by "tokens/NAME" where the traces tell how many were sampled.

    Raises:
        ClarifyError: the agent did not return one action per observation.
    """
    actions = agent.act(observations, rngs)
    if not isinstance(actions, Sequence) or isinstance(actions, str) or len(actions) != len(observations):
        got = f"{len(actions)} actions" if isinstance(actions, (list, tuple)) else f"{type(actions).__name__}"
        raise ClarifyError(
            f"agent {name!r} ({type(agent).__name__}.act) returned {got} for "
            f"{len(observations)} observations; it has to return a list with one action each"
        )
    made = [action if isinstance(action, Decision) else Decision(action) for action in actions]
    if spent is not None:
        spent[f"decisions/{name}"] += len(made)
        if tokens := sum(_tokens(decision.trace) for decision in made):
            spent[f"tokens/{name}"] += tokens
    return made


def _tokens(trace: Any) -> int:
    """The tokens that were sampled for a decision, as far as its trace tells."""
    if not isinstance(trace, Mapping):
        return 0
    return len(trace["ids"]) if "ids" in trace else int(trace.get("sampled_tokens") or 0)


def rollout(
    env: GameEnv[Any],
    agents: Mapping[str, Player],
    episodes: int,
    seed: int = 0,
    *,
    batch: int = 256,
    first: int = 0,
    options: Callable[[int], dict[str, Any]] | None = None,
    states: bool = False,
    spent: Counter[str] | None = None,
) -> Iterator[Episode]:
    """Play episodes and yield their records in order; memory stays flat however many there are.

    Episode i is a function of (seed, i) and the agents alone: `batch`, and where the collection starts,
    change nothing. An episode that ends makes room for the next at once.

    Args:
        env: the game to play; it is forked, so its own episode is left alone.
        agents: one for every player of the game.
        episodes: how many to play, >= 0.
        seed: of everything random: nature's draws and one generator per player and episode.
        batch: episodes under way at the same time, >= 1.
        first: index of the first episode.
        options: gives the reset options of episode i, for example the task and the costs.
        states: whether the episodes carry their states, for who works on them next.
        spent: grows by what the players decide (see `decide`).

    Raises:
        ClarifyError: a player has no agent, or an agent returns too few actions.
    """
    missing = [player for player in env.possible_agents if player not in agents]
    if missing:
        raise ClarifyError(f"rollout: no agent for {missing[0]!r}; agents has {sorted(agents)}")
    if episodes < 0 or batch < 1:
        raise ClarifyError(f"rollout: episodes={episodes!r}, batch={batch!r}; at least 0 and 1 are needed")
    players = env.possible_agents
    waiting = iter(range(first, first + episodes))
    envs = [env.fork() for _ in range(min(batch, episodes))]
    slots: list[_Slot] = []
    done: list[tuple[int, Episode]] = []
    due = first
    while True:
        while envs and (index := next(waiting, None)) is not None:
            slots.append(_begin(envs.pop(), players, seed, index, options))
        if not slots:
            return
        decisions: list[dict[str, Decision]] = [{} for _ in slots]
        for player in players:
            turn = [k for k, slot in enumerate(slots) if not slot.observations[player]["action_mask"][0]]
            if turn:
                made = decide(
                    player,
                    agents[player],
                    [slots[k].observations[player] for k in turn],
                    [slots[k].rngs[player] for k in turn],
                    spent,
                )
                for k, decision in zip(turn, made, strict=True):
                    decisions[k][player] = decision
        going = []
        for slot, chosen in zip(slots, decisions, strict=True):
            if states:
                slot.states.append(slot.env.game_state)
            observations = slot.env.step(chosen)[0]
            if slot.env.agents:
                slot.observations.update(observations)
                going.append(slot)
            else:
                kept = tuple(slot.states) if states else None
                episode = replace(slot.env.episode(), index=slot.index, states=kept)
                heapq.heappush(done, (slot.index, episode))
                envs.append(slot.env)
        slots = going
        while done and done[0][0] == due:
            yield heapq.heappop(done)[1]
            due += 1


def _begin(
    env: GameEnv[Any],
    players: Sequence[str],
    seed: int,
    index: int,
    options: Callable[[int], dict[str, Any]] | None,
) -> _Slot:
    own = child_seed(seed, index)
    observations, _ = env.reset(own, options(index) if options else None)
    rngs = {player: agent_generator(own, k) for k, player in enumerate(players)}
    return _Slot(index, env, rngs, dict(observations), [])
