"""An asker of your own beside the fixed strategies and the optimum.

python examples/custom_agent.py --questions 100
"""

import argparse

import numpy as np

import clarify_env
from clarify_env import Agent
from clarify_env.agents import FIXED, ScriptedUser, load
from clarify_env.agents.clarification.scripted import belief
from clarify_env.games.clarification import UNSEEN, Answer
from clarify_env.games.clarification.optimum import questions
from clarify_env.testing.agent_checks import check_agent
from clarify_env.trainers.evaluation.measure import measure, measures_of
from clarify_env.trainers.evaluation.yardsticks import yardsticks


class AskIfCheap(Agent):
    """Asks while the likeliest meaning is less sure than a question is dear."""

    def move(self, observation, rng: np.random.Generator):
        """An `Ask` while the doubt costs more than a question, else an `Answer`."""
        notes, transcript = observation["notes"], observation["transcript"]
        turn_cost, _ = observation["costs"]
        chances = belief(observation["question"], notes, transcript)
        asked = [turn.move for turn in transcript]
        left = [ask for ask in questions(notes) if ask not in asked]
        if left and 1.0 - chances.max() > turn_cost and len(asked) < 6:
            return left[0]
        return Answer(notes[int(np.argmax(chances))].answers[0])


def main() -> None:
    """Check the agent, then compare it at costs that differ from cell to cell."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--questions", type=int, default=60)
    chosen = options.parse_args()
    env = clarify_env.make("synthetic-v0", split="validation")
    check_agent(AskIfCheap(), env)
    some, cells = range(chosen.questions), list(UNSEEN)
    print(f"{'asker':<18} " + " ".join(f"{name:>9}" for name in measures_of(env, "asker")[:4]))
    for name, asker in {"ask-if-cheap": AskIfCheap(), **{n: load(n, env, "asker") for n in FIXED}}.items():
        means = measure(env, {"asker": asker, "user": ScriptedUser()}, some, cells).mean(axis=(0, 1))
        print(f"{name:<18} " + " ".join(f"{value:>9.3f}" for value in means[:4]))
    yard = yardsticks(env, some, cells)
    best = [values.mean() for values in yard.optimum.values()]
    print(f"{yard.name:<18} " + " ".join(f"{value:>9.3f}" for value in best))


if __name__ == "__main__":
    main()
