"""Environment steps per second on one core: `synthetic-v0` against a bare two-agent text environment.

Both play the same canned episode (ask, reply, enumerate, select), reset included, with moves that are built
once; both draw the question and its meaning, price questions and words, score by token F1 and return five
new dicts a step. The bare one has what such an environment needs and no more: no record, no notes, no masks,
no checks beyond whose turn it is. Bars: 200,000 steps/s, and 0.8 of the bare environment in the same run.
"""

import gc
import statistics
from bisect import bisect
from itertools import accumulate
from time import perf_counter
from typing import Any

import numpy as np
from pettingzoo import ParallelEnv

import clarify_env
from clarify_env import Ask, Enumerate, Reply, Select
from clarify_env.synthetic import tasks
from clarify_env.text import best_f1

EPISODES, REPEATS = 5_000, 15
OPTIONS = (("the painter", "Port Arden"), ("the chemist", "New Port Arden"))
CANNED = (Ask("Which one do you mean?"), Reply("the chemist"), Enumerate(OPTIONS), Select("New Port Arden"))
BARE = (("ask", "Which one do you mean?"), ("reply", "the chemist"), ("enumerate", OPTIONS), ("select", "New Port Arden"))  # fmt: skip
TURNS = ("asker", "user", "asker", "user")


class Bare(ParallelEnv):
    """The same game as a script would write it."""

    metadata = {"name": "bare"}  # noqa: RUF012
    possible_agents = ["asker", "user"]  # noqa: RUF012

    def __init__(self, turn_cost: float = 0.1, word_cost: float = 0.01) -> None:
        self.tasks = tasks()
        self.cumulative = [list(accumulate(m.weight for m in task.interpretations)) for task in self.tasks]
        self.turn_cost, self.word_cost = turn_cost, word_cost
        self.costs = np.array([turn_cost, word_cost])
        self.rng = np.random.default_rng()
        self.agents: list[str] = []

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        at = int(self.rng.integers(len(self.tasks)))
        self.task = self.tasks[at]
        meanings = self.task.interpretations
        intent = min(bisect(self.cumulative[at], self.rng.random()), len(meanings) - 1)
        self.intent = meanings[intent]
        self.agents = list(self.possible_agents)
        self.turn = "asker"
        self.transcript: tuple[tuple[str, str, Any], ...] = ()
        return self.observe(), {agent: {} for agent in self.agents}

    def observe(self) -> dict[str, dict[str, Any]]:
        shared = {
            "question": self.task.question,
            "costs": self.costs,
            "transcript": self.transcript,
            "turn": self.turn,
        }
        return {"asker": {**shared}, "user": {**shared, "intent": self.intent.text}}

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        player = self.turn
        kind, content = actions[player]
        self.transcript = (*self.transcript, (player, kind, content))
        terms = {"accuracy": 0.0, "turn_cost": 0.0, "word_cost": 0.0}
        done = False
        if kind == "ask":
            terms["turn_cost"] = -self.turn_cost
        elif kind == "enumerate":
            count = sum(len(label.split()) + len(answer.split()) for label, answer in content)
            terms["word_cost"] = -self.word_cost * count
        elif kind == "select":
            terms["accuracy"] = best_f1(content, self.intent.answers)
            done = True
        self.turn = "user" if player == "asker" else "asker"
        reward = sum(terms.values())
        agents = self.agents
        results = (
            self.observe(),
            {agent: reward for agent in agents},
            {agent: done for agent in agents},
            {agent: False for agent in agents},
            {agent: {"terms": dict(terms)} for agent in agents},
        )
        if done:
            self.agents = []
        return results


def speed(env: Any, moves: tuple[Any, ...], seed: int) -> float:
    """Steps per second over EPISODES episodes."""
    script = [{player: move} for player, move in zip(TURNS, moves, strict=True)]
    env.reset(seed=seed)
    gc.collect()
    start = perf_counter()
    for _ in range(EPISODES):
        env.reset()
        for actions in script:
            env.step(actions)
    return EPISODES * len(script) / (perf_counter() - start)


if __name__ == "__main__":
    ours, bare = clarify_env.make("synthetic-v0"), Bare()
    rows = [(speed(ours, CANNED, i), speed(bare, BARE, i)) for i in range(REPEATS)]
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    ratio = statistics.median(a / b for a, b in rows)
    print(f"synthetic-v0  {medians[0]:9,.0f} steps/s   bar 200,000")
    print(f"bare          {medians[1]:9,.0f} steps/s")
    print(f"ratio         {ratio:9.2f}           bar 0.80")
