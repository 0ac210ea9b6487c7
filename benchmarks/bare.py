"""A bare two-agent text environment for `env_speed.py`: the rules, five new dicts a step, no more."""

import string
from bisect import bisect
from collections import Counter
from itertools import accumulate

import numpy as np
from pettingzoo import ParallelEnv

from clarify_env.games.clarification.synthetic import tasks


def squad_f1(text, golds):
    """Token F1 of `text` with the best of `golds`, as in SQuAD's evaluation script."""

    def normal(answer):
        answer = "".join(c for c in answer.lower() if c not in string.punctuation)
        return [word for word in answer.split() if word not in ("a", "an", "the")]

    said, best = normal(text), 0.0
    for gold in map(normal, golds):
        common = sum((Counter(said) & Counter(gold)).values())
        best = max(best, 2 * common / (len(said) + len(gold)))
    return best


class Bare(ParallelEnv):
    """Question, meaning and costs as in `synthetic-v0`; actions are pairs (kind, content)."""

    possible_agents = ("asker", "user")

    def __init__(self, score):
        self.score, self.tasks, self.rng = score, tasks(), np.random.default_rng()
        self.chances = [list(accumulate(m.weight for m in task.interpretations)) for task in self.tasks]
        self.turn_cost, self.word_cost = 0.1, 0.01
        self.costs = np.array([self.turn_cost, self.word_cost])

    def reset(self, seed=None, options=None):
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        at = int(self.rng.integers(len(self.tasks)))
        self.task, self.agents = self.tasks[at], list(self.possible_agents)
        self.intent = self.task.interpretations[bisect(self.chances[at][:-1], self.rng.random())]
        self.transcript, self.allowed, self.asks = [], ("ask", "enumerate", "answer"), 0
        return self.observe(), {agent: {} for agent in self.agents}

    def observe(self):
        shared = {"question": self.task.question, "costs": self.costs, "allowed": self.allowed}
        asker = {**shared, "notes": self.task.interpretations, "transcript": list(self.transcript)}
        return {
            "asker": asker,
            "user": {**shared, "intent": self.intent.text, "transcript": list(self.transcript)},
        }

    def step(self, actions):
        player = "asker" if "ask" in self.allowed else "user"
        kind, content = actions[player]
        terms = {"accuracy": 0.0, "turn_cost": 0.0, "word_cost": 0.0}
        ended = kind not in self.allowed
        if ended:
            self.allowed = ()
        elif kind == "ask":
            self.asks, self.allowed, terms["turn_cost"] = self.asks + 1, ("reply",), -self.turn_cost
        elif kind == "reply":
            self.allowed = ("ask", "enumerate", "answer")
        elif kind == "select":
            ended, terms["accuracy"] = True, self.score(content, self.intent.answers)
        else:
            said = content if kind == "answer" else " ".join(f"{label} {answer}" for label, answer in content)
            self.allowed, terms["word_cost"] = ("select",), -self.word_cost * len(said.split())
        self.transcript.append((player, kind, content))
        cut, reward, agents = self.asks >= 5, sum(terms.values()), self.agents
        self.agents = [] if ended or cut else agents
        return (
            self.observe(),
            dict.fromkeys(agents, reward),
            dict.fromkeys(agents, ended),
            dict.fromkeys(agents, cut),
            {agent: {"terms": dict(terms)} for agent in agents},
        )
