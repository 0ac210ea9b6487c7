"""Teach costs to a model that cannot be trained: it proposes messages, a small scorer learns to choose.

python examples/steer_an_api_model.py
python examples/steer_an_api_model.py --base-url http://localhost:8000/v1 --model NAME --questions 20

Without a server a stand-in writes the messages: it asks, lists or guesses at random, whatever the costs, and
one message in eight cannot be read. It is measured by itself first, then under the scorer.
"""

import argparse

import clarify_env
from clarify_env import Agent
from clarify_env.agents import MoveScorer, ScriptedUser
from clarify_env.agents.clarification.model_proposer import ModelProposer
from clarify_env.codec import encode
from clarify_env.games.clarification import Answer, Ask, Costs, Enumerate
from clarify_env.games.clarification.optimum import WHICH, questions
from clarify_env.trainers.algorithms.rest import ReST
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.measure import measure, measures_of, pick_questions
from clarify_env.trainers.evaluation.parallel import set_threads
from clarify_env.trainers.learners.softmax_policy import ScorerLearner

TURNS = (0.01, 0.1, 0.4)  # none of them is trained on but 0.1
WORD = 0.04


class StandIn(Agent):
    """Writes messages as a model might that has never heard of costs."""

    def move(self, observation, rng):
        """A message, in one of eight cases one that holds no move."""
        notes, kind = observation["notes"], int(rng.integers(8))
        if kind == 0:
            return "It depends on whom you mean."
        if kind < 4:
            asks = questions(notes) or [Ask(WHICH)]
            return encode(asks[int(rng.integers(len(asks)))])
        if kind < 6:
            return encode(Enumerate((note.text, note.answers[0]) for note in notes))
        return encode(Answer(notes[int(rng.integers(len(notes)))].answers[0]))


def model(chosen):
    """The model behind a server, or the stand-in."""
    if not chosen.model:
        return StandIn()
    from clarify_env.agents.llm.openai_agent import OpenAIAgent

    return OpenAIAgent(chosen.model, base_url=chosen.base_url)


def show(name, agent, chosen):
    """Reward and questions an episode at each turn cost, on validation questions."""
    env = clarify_env.make("synthetic-v0", split="validation")
    players = {"asker": agent, "user": ScriptedUser()}
    cells = [Costs(turn, WORD) for turn in TURNS]
    measured = measure(env, players, pick_questions(env, chosen.questions), cells).mean(axis=0)
    for cell, means in zip(cells, measured, strict=True):
        found = dict(zip(measures_of(env, "asker"), means, strict=True))
        print(
            f"{name}: a question costs {cell.turn:g}: reward {found['reward']:+.2f}, asks {found['asks']:.2f}"
        )


def main():
    """Measure the model, train the scorer over its messages, measure both together."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base-url", help="of an OpenAI-compatible server")
    options.add_argument("--model", help="what the server calls it; default: the stand-in")
    options.add_argument("--questions", type=int, default=40, help="of training and of each measurement")
    options.add_argument("--samples", type=int, default=10, help="messages sampled at each point")
    chosen = options.parse_args()
    set_threads(1)
    agent = model(chosen)
    show("alone", agent, chosen)
    config = Config().changed(
        iterations=2, tasks=chosen.questions, group_size=12, gradient_steps=200, eval_train_tasks=0
    )
    scorer = MoveScorer(proposer=ModelProposer(agent, samples=chosen.samples))
    learner = ScorerLearner(scorer, config.algorithm.gradient_steps, config.algorithm.batch_size)
    for line in ReST(config, learner, {"user": ScriptedUser()}).train():
        print(f"iteration {line['iteration']}: played {line['play/reward']:+.2f}")
    show("steered", learner.greedy(), chosen)


if __name__ == "__main__":
    main()
