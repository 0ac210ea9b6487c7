"""`csp-v1`: the exact optimum, what ignoring something costs, what groups learn with PPO, and ablations.

    python benchmarks/self_knowledge.py --seeds 0,1,2,3,4 --parts exact,train,ablations,cross --out groups

A trained group is kept in the folder, and is not trained again. Values are exact over all questions that the
world could have (`clarify_env.agents.csp.recall_account`); of rules that this does not know they are means of
8,000 episodes. What is measured in play is on held-out questions.
"""

import argparse
import time
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import clarify_env
from clarify_env.agents.csp.recall_account import account
from clarify_env.agents.csp.recall_policy import RecallPolicy
from clarify_env.agents.csp.recall_scripted import RecallOptimum, recall_optimal
from clarify_env.agents.roster import teams_of
from clarify_env.games.csp import RecallCosts, Sure, Unsure
from clarify_env.games.csp.recall_optimum import solve_alone, solve_recall
from clarify_env.games.csp.recall_world import SIGHTS, RecallWorld
from clarify_env.rollout import rollout
from clarify_env.trainers.algorithms.ppo import PPO
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.calibration import transfer
from clarify_env.trainers.evaluation.self_knowledge import fit_marks, self_knowledge
from clarify_env.trainers.learners.softmax_policy import ScorerLearner

torch.set_num_threads(1)
COSTS = RecallCosts()
PLAYERS = ("asker", "helper1", "helper2")


class ByHeart(RecallPolicy):
    """Its helpers go by the name of the question alone; one that they have not met is taken for another."""

    size = 200
    clues_size = 1 + size

    def __init__(self, game, *args, **kwargs):
        super().__init__(game, *args, **kwargs)
        self.met = {task.text: k for k, task in enumerate(game.tasks)}

    def goes_by(self, seen):
        """Which question it is."""
        other = zlib.crc32(seen.question.encode()) % self.size
        return [0, 1 + self.met.get(seen.question, other)]


class Rewarded(PPO):
    """PPO in which each helper is rewarded for itself: by its own answer, or where the asker takes it."""

    kind = "own"
    keeps = 0.0

    def _groups(self, batch):
        game, player = self.env.game, batch.player
        for group in super()._groups(batch):
            if player != "asker":
                for k, played in enumerate(group):
                    rewards_T = self.keeps * np.array(played.rewards_T)
                    rewards_T[-1] += self.own(game, played.episode, player)
                    group[k] = played._replace(rewards_T=rewards_T)
            yield group

    def own(self, game, episode, player):
        """What this helper is paid for an episode, besides the share `keeps` of the group's reward."""
        *before, last = episode.moves(player) or [None]
        says = isinstance(last, (Sure, Unsure))
        right = says and game.grade(last.text, episode.setup["answers"])[1] > 0
        paid = COSTS.search * len(before) + COSTS.say * says
        if self.kind == "own":
            return right - COSTS.wrong * (says and not right) - paid
        taken = [move.text for move in episode.moves("asker")]
        return float(right and last.text in taken) - paid


class Credit(Rewarded):
    """The same by credit: paid where the asker takes its answer and it is right."""

    kind = "credit"


class Modest(Rewarded):
    """The group's reward, from which a helper pays half for each wrong answer that it is sure of."""

    keeps = 1.0

    def own(self, game, episode, player):
        """The price of claiming too much."""
        *_, last = episode.moves(player) or [None]
        wrong = isinstance(last, Sure) and not game.grade(last.text, episode.setup["answers"])[1]
        return -0.5 * wrong


class Kind(NamedTuple):
    """How a group is trained."""

    algorithm: type = PPO
    options: Mapping = {}
    grounding: float = 0.0  # how far the start means what the words say
    costs: Mapping = {"search": (COSTS.search,)}  # that it is trained at
    policy: type = RecallPolicy


KINDS = {
    "group": Kind(),
    "grounded": Kind(grounding=1.0),
    "steered": Kind(costs={}),  # at the game's own grid
    "own": Kind(Rewarded),
    "credit": Kind(Credit),
    "modest": Kind(Modest),
    "shuffled": Kind(options={"shuffled": True}),
    "speaking": Kind(options={"silent": False}),  # nobody may be silent
    "by-heart": Kind(options={"size": ByHeart.size}, policy=ByHeart),
}


def group(kind, seed, out, scale=1.0):
    """A trained group and its game; kept in `out`, from where it is read the next time."""
    how = KINDS[kind]
    env = clarify_env.make("csp-v1", **how.options)
    config = recipe(env="csp-v1", env_options=how.options, costs=how.costs, seed=seed, eval_train_tasks=0)
    config = config.changed(iterations=max(1, round(scale * config.iterations)))
    rate = config.algorithm.learning_rate
    learners = {
        player: ScorerLearner(
            how.policy(env.game, config.policy.hidden, how.grounding, seed=100 * seed + k), learning_rate=rate
        )
        for k, player in enumerate(PLAYERS)
    }
    folder = out / f"{kind}-{seed}"
    if folder.exists():
        for player, one in learners.items():
            one.load(folder / player)
        return env, learners
    began = time.process_time()
    first, *more = PLAYERS
    partners = {player: learners[player] for player in more}
    for line in how.algorithm(config, learners[first], {}, partners=partners, env=env).train():
        if line["iteration"] % 10 == 9:
            print(f"    {kind}-{seed}: {value(env, learners):.4f}", flush=True)
    print(f"    {kind}-{seed}: {time.process_time() - began:.0f} s of CPU", flush=True)
    for player, one in learners.items():
        (folder / player).mkdir(parents=True, exist_ok=True)
        one.save(folder / player)
    return env, learners


def value(env, learners, costs=COSTS):
    """Value of the greedy policies: exact, or of rules that `account` does not know by play."""
    team = {player: one.greedy() for player, one in learners.items()}
    by_heart = isinstance(learners["asker"].agent, ByHeart)
    if env.game.silent and not by_heart:
        return account(env.game, team, costs).value
    played = rollout(env, team, 8000, seed=1, batch=1000, options=lambda i: {"costs": costs})
    return float(np.mean([episode.reward for episode in played]))


def exact(seeds, out):
    world = RecallWorld()
    print("exact, by what helpers go by:")
    for sight in SIGHTS:
        began = time.process_time()
        found = solve_recall(world, COSTS, sight)
        print(f"  {sight:<18} {found.value:.6f}  {time.process_time() - began:.1f} s")
    alone = [solve_alone(world, COSTS, good).value for good in (False, True)]
    print(f"  one helper alone   {np.mean(alone):.4f} (bad tool {alone[0]:.4f}, good {alone[1]:.4f})")
    env = clarify_env.make("csp-v1")
    for name, team in teams_of(env).items():
        print(f"  team {name:<13} {account(env.game, team, COSTS).value:.4f}")


def train(seeds, out, kinds=("group",), scale=1.0):
    """The groups' values, at the usual costs and at others."""
    best = {
        cost: solve_recall(RecallWorld(), COSTS._replace(search=cost)).value for cost in (0.1, 0.075, 0.125)
    }
    for kind in kinds:
        groups = [group(kind, seed, out, scale) for seed in seeds]
        for cost, bound in best.items():
            values = [value(*one, COSTS._replace(search=cost)) for one in groups]
            shares = " ".join(f"{v / bound:.3f}" for v in values)
            print(
                f"  {kind:<9} search {cost:<5} mean {np.mean(values):.4f}, "
                f"share {np.mean(values) / bound:.3f}; by seed {shares}",
                flush=True,
            )
        if kind == "by-heart":
            others = clarify_env.make("csp-v1", split="validation")
            print("  held-out questions: " + " ".join(f"{value(others, one):.3f}" for _, one in groups))


def known(seeds, out):
    """What helpers know, on held-out questions; the optimum beside it."""
    print("self-knowledge on 400 validation questions, 8,000 episodes:")
    held_out, trained_on = clarify_env.make("csp-v1", split="validation"), clarify_env.make("csp-v1")
    teams = {"optimal": recall_optimal(trained_on, {})}
    for seed in seeds:
        _, learners = group("group", seed, out)
        teams[f"group-{seed}"] = {player: one.greedy() for player, one in learners.items()}
    for name, team in teams.items():
        fitted = fit_marks(trained_on, team, 4000, seed=5)
        found = self_knowledge(held_out, team, 8000, seed=6, fitted=fitted)
        print(f"  {name}: " + ", ".join(f"{key} {number:.3f}" for key, number in found.items()), flush=True)
        for helper in PLAYERS[1:]:
            told = transfer(held_out, team[helper], helper, 2000, seed=7)
            print(f"    {helper} alone: " + ", ".join(f"{k} {v:.3f}" for k, v in told.items()), flush=True)
    alone = [RecallOptimum(held_out.game.only(k)).value(COSTS) for k in (0, 1)]
    print(f"  alone, the optimum: {np.mean(alone):.3f}")


def cross(seeds, out, kinds=("group", "grounded", "speaking")):
    """Askers with the helpers of other seeds."""
    for kind in kinds:
        groups = [group(kind, seed, out)[1] for seed in seeds]
        env = clarify_env.make("csp-v1", **KINDS[kind].options)
        table = np.zeros((len(groups), len(groups)))
        for i, mine in enumerate(groups):
            for j, other in enumerate(groups):
                table[i, j] = value(env, {**other, "asker": mine["asker"]})
        own = np.diag(table).mean()
        others = (table.sum() - np.trace(table)) / (table.size - len(table)) if len(table) > 1 else np.nan
        print(f"  {kind}: own {own:.3f}, others {others:.3f}")


PARTS = {
    "exact": exact,
    "train": train,
    "starts": partial(train, kinds=("grounded", "steered")),
    "ablations": partial(
        train, kinds=("own", "credit", "modest", "shuffled", "speaking", "by-heart"), scale=0.5
    ),
    "known": known,
    "cross": cross,
}

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", default="0,1,2,3,4")
    options.add_argument("--parts", default=",".join(PARTS))
    options.add_argument("--out", type=Path, required=True)
    chosen = options.parse_args()
    for part in chosen.parts.split(","):
        PARTS[part]([int(seed) for seed in chosen.seeds.split(",")], chosen.out)
