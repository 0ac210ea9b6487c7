"""How like people each user of the panel is: on the questions that people answered, and in the games.

- people: the development and test files of ClariQ. Each user is asked what people were asked, with the same
  request and facet, and compared with what they said, in the same situations. The rows below are people with
  people: the first half of the topics and the second, drawn 20 times (split half), and the ceiling of a
  sample of this size (`likeness`).
- a game: the likeness and the faults that `clarify-env audit` finds, over validation questions.

    python benchmarks/user_panel.py --envs people synthetic-v0 synthetic-v1 ambigqa-v0

Needs CLARIFY_ENV_DATA. A prompted model joins by --users, such as --users panel,small.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from people import Row, rows

import clarify_env
from clarify_env import FixedCosts
from clarify_env.agents.catalog import load
from clarify_env.agents.roster import with_panel
from clarify_env.env import GameEnv
from clarify_env.games.clarification.game import Ask, ClarificationGame, Interpretation, Task
from clarify_env.games.clarification.habits import habit
from clarify_env.games.clarification.speech import Described, census
from clarify_env.trainers.evaluation.audit import audit, play_probes
from clarify_env.trainers.evaluation.audit_rules import Probe
from clarify_env.trainers.evaluation.likeness import ASPECTS, counts_of, index, likeness

FAULTS = ("right", "leak", "answer", "contradiction", "empty", "unreadable")


def asked_of(user: clarify_env.Agent, answers: Sequence[Row]) -> list[list[Described]]:
    """What a user says where people answered, by topic."""
    tasks = [Task(str(k), row.request, (Interpretation(row.facet, ("?",)),)) for k, row in enumerate(answers)]
    env = GameEnv(ClarificationGame(tasks, FixedCosts()), "people")
    listed = [Probe(k, 0, "question", Ask(row.question)) for k, row in enumerate(answers)]
    said = defaultdict(list)
    for row, found in zip(answers, play_probes(env, user, listed), strict=True):
        where, _ = row.described
        if found.said is not None:
            told = (row.question, row.request, row.facet)
            said[row.topic].append((where, habit(found.said.text, *told)))
    return list(said.values())


def split_half(answers: Sequence[Row], times: int = 20) -> list[float]:
    """The index of one half of the topics against the other."""
    topics, found = sorted({row.topic for row in answers}), []
    for seed in range(times):
        first = set(np.random.default_rng((seed, 29)).permutation(topics)[: len(topics) // 2].tolist())
        halves = [
            [row.described for row in answers if (row.topic in first) == half] for half in (True, False)
        ]
        found.append(index(*(counts_of(census(half)) for half in halves)))
    return found


def shown(alike: Mapping[str, Any]) -> str:
    """The index with its interval and the distances."""
    found = alike["index"]
    apart = " ".join(f"{alike['distances'][aspect]:>8.2f}" for aspect in ASPECTS)
    return f"{found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}] {alike['ceiling']:>8.3f} {apart}"


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--envs", nargs="+", default=["people", "synthetic-v0", "synthetic-v1", "ambigqa-v0"]
    )
    options.add_argument("--users", default="panel", help="names with commas; panel for all of the game's")
    options.add_argument("--tasks", type=int, default=200, help="questions of an audit")
    options.add_argument("--answers", type=int, default=None, help="answers of people; default: all")
    chosen = options.parse_args()
    answers = [row for name in ("dev", "test_with_labels") for row in rows(name)]
    heads = " ".join(f"{aspect:>8}" for aspect in ASPECTS)
    for name in chosen.envs:
        env = clarify_env.make("synthetic-v0" if name == "people" else name, split="validation")
        print(f"{name:<14} {'likeness':>20} {'ceiling':>8} {heads}", end="")
        print("" if name == "people" else " ".join(["", *(f"{fault:>8.8}" for fault in FAULTS)]), flush=True)
        for user in with_panel(chosen.users, env.game):
            agent = load(user, env, "user")
            if name == "people":
                print(f"{user:<14} {shown(likeness(asked_of(agent, answers[: chosen.answers])))}", flush=True)
                continue
            report = audit(env, agent, tasks=chosen.tasks)
            rates = {"right": report["right"], **report["rates"]}
            faults = (100 * (rates[fault]["mean"] or 0.0) for fault in FAULTS)
            print(
                f"{user:<14} {shown(report['likeness'])}", *(f"{fault:>8.1f}" for fault in faults), flush=True
            )
        if name == "people":
            halves = split_half(answers)
            print(
                f"{'split half':<14} {np.mean(halves):.3f} ({min(halves):.3f} to {max(halves):.3f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
