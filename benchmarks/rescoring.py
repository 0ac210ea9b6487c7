"""Re-scoring: episodes that ReST needs to reach 0.9 with it and without, everything else the same.

For each seed and each arm the budget doubles until the normalised score at unseen costs reaches 0.9. A
budget is spent in two iterations of equal size, 36 episodes a question, so that an arm is never judged on
the leftovers of a smaller budget. Bar: with re-scoring at most a quarter of the episodes, 5 seeds.

    python benchmarks/rescoring.py
"""

import argparse
import time

import torch

import clarify_env
from clarify_env.agents import ScriptedUser
from clarify_env.games.clarification import UNSEEN
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.measure import measure, pick_questions
from clarify_env.trainers.evaluation.yardsticks import yardsticks
from clarify_env.trainers.experiment import build

TARGET = 0.9


class Score:
    """Normalised score at unseen costs on some validation questions, from either zero to the optimum."""

    def __init__(self, questions: int) -> None:
        self.env = clarify_env.make("synthetic-v0", split="validation")
        self.cells = list(UNSEEN)
        self.questions = pick_questions(self.env, questions)
        yard = yardsticks(self.env, self.questions, self.cells)
        self.optimum = yard.optimum["reward"].mean()
        every = range(len(self.cells))
        self.zeros = {
            "single": float(yard.low_F_N(every).mean(axis=1).max()),
            "table": float(yard.zero_F_N(every).mean(axis=1).max()),
        }

    def __call__(self, asker: clarify_env.Agent, zero: str = "single") -> float:
        return self.both(asker)[zero]

    def both(self, asker: clarify_env.Agent) -> dict[str, float]:
        """The score from the best single strategy, and from the cost table."""
        agents = {"asker": asker, "user": ScriptedUser()}
        reward = measure(self.env, agents, self.questions, self.cells)[:, :, 0].mean()
        return {name: float((reward - low) / (self.optimum - low)) for name, low in self.zeros.items()}


def needed(score: Score, config: Config, most: int) -> tuple[int | None, list[float]]:
    """Episodes of the first budget that reaches the target, or None, and the score of each budget."""
    scores = []
    tasks = 1
    while 2 * tasks * config.rollout.group_size <= most:
        trainer = build(config.changed(tasks=tasks))
        for _ in trainer.train():
            pass
        scores.append(score(trainer.learner.greedy()))
        if scores[-1] >= TARGET:
            return 2 * tasks * config.rollout.group_size, scores
        tasks *= 2
    return None, scores


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--questions", type=int, default=150, help="validation questions of the score")
    options.add_argument("--most", type=int, default=40_000, help="episodes of the largest budget")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    score = Score(chosen.questions)
    print(f"{'seed':>4} {'with':>8} {'without':>8} {'ratio':>6}   scores per budget (doubling)")
    for seed in range(chosen.seeds):
        begun = time.perf_counter()
        base = Config().changed(seed=seed, iterations=2, eval_train_tasks=0)
        found = [needed(score, base.changed(options={"rescore": r}), chosen.most) for r in (True, False)]
        (first, own), (second, other) = found
        ratio = f"{second / first:.1f}x" if first and second else f">{chosen.most / (first or 1):.0f}x"
        curves = " | ".join(" ".join(f"{s:.2f}" for s in curve) for curve in (own, other))
        print(
            f"{seed:>4} {first or '-':>8} {second or '-':>8} {ratio:>6}   {curves}"
            f"   ({time.perf_counter() - begun:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
