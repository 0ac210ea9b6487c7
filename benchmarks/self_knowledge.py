"""`csp-v1`: the exact optimum, what ignoring something costs, what groups learn with PPO, and ablations.

    python benchmarks/self_knowledge.py --seeds 0,1,2,3,4 --parts exact,train,ablations,cross --out groups

A trained group is kept in the folder, and is not trained again. Values are exact over all questions that the
world could have (`clarify_env.agents.csp.recall_account`); what is measured in play is on held-out questions.
"""

import argparse
import time
from functools import partial
from pathlib import Path

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
from clarify_env.trainers.algorithms.ppo import PPO
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.calibration import transfer
from clarify_env.trainers.evaluation.self_knowledge import fit_marks, self_knowledge
from clarify_env.trainers.learners.softmax_policy import ScorerLearner

torch.set_num_threads(1)
COSTS = RecallCosts()
PLAYERS = ("asker", "helper1", "helper2")
FAST = {"iterations": 36, "tasks": 256, "batch_size": 256, "learning_rate": 6e-3}
FINE = {"iterations": 16, "tasks": 512, "batch_size": 512, "learning_rate": 3e-3}  # less noise, smaller steps
SETTLE = {**FINE, "iterations": 6, "learning_rate": 1e-3}
STAGES = (
    {**FAST, "options": {"clip_range": 0.3, "kl": 0.03}},  # kept near its start, which tries everything
    {**FINE, "options": {"clip_range": 0.2}},
    {**SETTLE, "options": {"clip_range": 0.2}},
)


class Rewarded(PPO):
    """PPO in which each helper is rewarded for itself: by its own answer, or where the asker takes it."""

    kind = "own"

    def _groups(self, batch):
        game, player = self.env.game, batch.player
        for group in super()._groups(batch):
            if player != "asker":
                for k, played in enumerate(group):
                    rewards_T = np.zeros(len(played.rewards_T))
                    rewards_T[-1] = self.own(game, played.episode, player)
                    group[k] = played._replace(rewards_T=rewards_T)
            yield group

    def own(self, game, episode, player):
        """What this helper is paid for an episode."""
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


KINDS = {  # of groups: the algorithm, options of the game, how far the start means what the words say
    "group": (PPO, {}, 0.0),
    "grounded": (PPO, {}, 1.0),
    "own": (Rewarded, {}, 0.0),
    "credit": (Credit, {}, 0.0),
    "shuffled": (PPO, {"shuffled": True}, 0.0),
}


def learners_of(game, grounding, seed):
    """Fresh ones, by player."""
    made = {}
    for k, player in enumerate(PLAYERS):
        policy = RecallPolicy(game, 32, grounding, seed=100 * seed + k)
        made[player] = ScorerLearner(policy)
    return made


def group(kind, seed, out, scale=1.0):
    """A trained group and its game; kept in `out`, from where it is read the next time."""
    algorithm, options, grounding = KINDS[kind]
    env = clarify_env.make("csp-v1", **options)
    learners = learners_of(env.game, grounding, seed)
    folder = out / f"{kind}-{seed}"
    if folder.exists():
        for player, one in learners.items():
            one.load(folder / player)
        return env, learners
    began = time.process_time()
    for k, stage in enumerate(STAGES):
        config = Config().changed(
            algorithm="ppo",
            env="csp-v1",
            env_options=options,
            costs={"search": (COSTS.search,)},
            seed=10 * seed + k,
            group_size=8,
            start_share=0.0,
            shared_costs=True,
            eval_train_tasks=0,
            **{**stage, "iterations": max(1, round(scale * stage["iterations"]))},
        )
        for one in learners.values():
            one.learning_rate = stage["learning_rate"]
        first, *more = PLAYERS
        partners = {player: learners[player] for player in more}
        for line in algorithm(config, learners[first], {}, partners=partners, env=env).train():
            if line["iteration"] % 6 == 5:
                print(f"    {kind}-{seed}: {value(env, learners):.4f}", flush=True)
    print(f"    {kind}-{seed}: {time.process_time() - began:.0f} s of CPU", flush=True)
    for player, one in learners.items():
        (folder / player).mkdir(parents=True, exist_ok=True)
        one.save(folder / player)
    return env, learners


def value(env, learners):
    """Exact value of the greedy policies."""
    return account(env.game, {player: one.greedy() for player, one in learners.items()}, COSTS).value


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
    best = solve_recall(RecallWorld(), COSTS).value
    for kind in kinds:
        values = [value(*group(kind, seed, out, scale)) for seed in seeds]
        shares = " ".join(f"{v / best:.3f}" for v in values)
        print(
            f"  {kind:<11} mean {np.mean(values):.4f}, share {np.mean(values) / best:.3f}; by seed {shares}",
            flush=True,
        )


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


def cross(seeds, out, kinds=("group", "grounded")):
    """Askers with the helpers of other seeds."""
    for kind in kinds:
        groups = [group(kind, seed, out)[1] for seed in seeds]
        env = clarify_env.make("csp-v1")
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
    "grounded": partial(train, kinds=("grounded",)),
    "ablations": partial(train, kinds=("own", "credit", "shuffled")),
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
