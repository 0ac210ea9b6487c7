"""Train a small policy on a game of your own, the one of `custom_game.py`: say who plays it, and that is all.

ReST learns to halve what is left in seconds; `--algorithm ppo` and the other policy gradients, which value a
question by what a policy that cannot use its answer makes of it, stop asking and stay at the floor.
"""

import argparse
from functools import partial

import numpy as np
import torch
from custom_game import ANIMALS, WORDS, Guess, Halver, Keeper

import clarify_env
from clarify_env import Agent, CostGrid, GameEnv
from clarify_env.agents.roster import Roster, register_roster
from clarify_env.agents.softmax_policy import ScoreNetwork, SoftmaxPolicy
from clarify_env.games.clarification import Answer, Ask, Costs
from clarify_env.trainers.evaluation.runs import evaluate_run
from clarify_env.trainers.experiment import train
from clarify_env.trainers.recipes import recipe
from clarify_env.trainers.run_directory import RunDirectory

FEATURES = 4  # is it a question, how well it divides what is left, was it asked, is the answer still possible


class Guesser(SoftmaxPolicy):
    """Chooses among all questions and all answers."""

    context_size = FEATURES

    def key(self, observation):
        """The questions and replies so far."""
        return tuple(turn.move.text for turn in observation["transcript"])

    def moves(self, key):
        """Every question and every answer."""
        return [*map(Ask, WORDS), *map(Answer, ANIMALS)]

    def describe(self, key, moves):
        """A row for each move."""
        said = dict(zip(key[::2], key[1::2], strict=True))
        left = [a for a in ANIMALS if all((w in ANIMALS[a]) == (r == "yes") for w, r in said.items())]
        rows = []
        for move in moves:
            if isinstance(move, Ask):
                share = sum(move.text in ANIMALS[a] for a in left) / len(left)
                rows.append([1.0, min(share, 1.0 - share), float(move.text in said), 0.0])
            else:
                rows.append([0.0, 0.0, 0.0, (move.text in left) / len(left)])
        return np.array(rows)


class Guessing(Agent):
    """Names any animal at once: the floor."""

    def move(self, observation, rng):
        return Answer(list(ANIMALS)[rng.integers(len(ANIMALS))])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--algorithm", default="rest")
    options.add_argument("--iterations", type=int, default=4)
    given = options.parse_args()
    torch.set_num_threads(1)  # two are slower where other work shares the cores
    costs = {
        "costs": Costs(turn=0.1, word=0.01),
        "seen": CostGrid(turn=(0.05, 0.4)),
        "unseen": CostGrid(turn=(0.1, 0.2)),
    }
    clarify_env.register(
        "animals-v0",
        lambda costs: GameEnv(Guess(costs), "animals-v0"),
        family="animals",
        **costs,
    )
    teams = {
        "guessing": lambda env, knobs: {"guesser": Guessing(), "keeper": Keeper()},
        "halving": lambda env, knobs: {"guesser": Halver(), "keeper": Keeper()},
    }
    network = partial(ScoreNetwork, FEATURES + 4)

    def policy(env, player, hidden, seed):
        return Guesser(network(hidden, seed), seed=seed)

    register_roster("animals", Roster(("guesser",), teams, policy))
    budget = {"iterations": given.iterations, "tasks": 4, "samples": 48, "batch": 64, "updates": 200}
    settings = recipe("move-scorer", given.algorithm, env="animals-v0", **budget)
    run = RunDirectory(f"runs/animals-{given.algorithm}")
    for line in train(settings, run):
        print(f"iteration {line['iteration'] + 1}: reward {line['play/reward']:+.3f}")
    summary = evaluate_run(run, processes=1)
    print(f"unseen costs: {summary['unseen']['normalized']['mean']:.2f} (0 guessing, 1 halving)")


if __name__ == "__main__":
    main()
