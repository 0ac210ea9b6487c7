"""Users who are noisy and vague (10% each): ReST with replies whose chances are known, and with drawn ones.

The score is from the best single strategy (0) to the optimum (1), at unseen costs. Bar: at least 0.95 with
known chances, in at most twice the time of the same training with 24 draws.

    python benchmarks/noisy_users.py --env synthetic-v0
    python benchmarks/noisy_users.py --env ambigqa-v0 --data-dir DIR
"""

import argparse
import time
from typing import Any

import torch

import clarify_env
from clarify_env.agents import ScriptedUser
from clarify_env.games.clarification import UserModel
from clarify_env.reference import scaled
from clarify_env.registry import registry
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.measure import measure, pick_questions
from clarify_env.trainers.evaluation.yardsticks import yardsticks
from clarify_env.trainers.experiment import build

KNOBS = {"noise": 0.1, "vagueness": 0.1}


class Sampling(clarify_env.Agent):
    """The same user, but it does not say what it may do."""

    def __init__(self, user: clarify_env.Agent) -> None:
        super().__init__()
        self.user = user

    def act(self, observations: Any, rngs: Any = None) -> Any:
        """What the user does."""
        return self.user.act(observations, rngs)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--env", default="synthetic-v0")
    options.add_argument("--data-dir", default="")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--arms", nargs="+", default=["known", "sampled"], choices=["known", "sampled"])
    options.add_argument("--questions", type=int, default=500, help="validation questions of the score")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    own = {"data_dir": chosen.data_dir} if chosen.data_dir else {}
    env = clarify_env.make(chosen.env, split="validation", **own)
    cells, asked = list(registry[chosen.env].unseen), pick_questions(env, chosen.questions)
    yard = yardsticks(env, asked, cells, knobs=KNOBS)
    optimum = yard.optimum["reward"].mean()
    every = range(len(cells))
    zeros = [fixed_F_N.mean(axis=1).max() for fixed_F_N in (yard.zero_F_N(every), yard.low_F_N(every))]
    user = ScriptedUser(UserModel(**KNOBS))
    print(f"{'seed':>4} {'replies':>8} {'from table':>10} {'from single':>11} {'seconds':>8}", flush=True)
    for seed in chosen.seeds:
        for arm in chosen.arms:
            config = recipe(
                env=chosen.env,
                env_options=own,
                seed=seed,
                knobs=KNOBS,
                eval_train_tasks=0,
                options={"replies": 24},
            )
            trainer = build(config)
            trainer.others["user"] = user if arm == "known" else Sampling(user)
            begun = time.perf_counter()
            for _ in trainer.train():
                pass
            spent = time.perf_counter() - begun
            agents = {"asker": trainer.learner.greedy(), "user": user}
            reward = measure(env, agents, asked, cells)[:, :, 0].mean()
            table, single = (scaled(reward, zero, optimum) for zero in zeros)
            print(f"{seed:>4} {arm:>8} {table:>10.3f} {single:>11.3f} {spent:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
