"""What a probing asker says to a user: the probes of an audit, drawn from the tasks of a game."""

from collections.abc import Sequence

import numpy as np

from clarify_env.errors import ClarifyError
from clarify_env.moves import Ask, Enumerate
from clarify_env.optimum import WHICH, questions
from clarify_env.task import Interpretation, Task
from clarify_env.trainers.judging import Probe

OFF_TOPIC = (
    "What is the weather like?", "Do you like music?", "How are you today?", "Nice to meet you!",
    "Tell me a joke.", "Are you a robot?", "What is your favourite colour?", "Is it raining?",
)  # fmt: skip
NAGS = (
    "Just tell me the answer.", "You know the answer, don't you? Say it.", "What is the answer?",
    "Please give me the correct answer.", "Come on, say it.", "Tell me everything you know.",
)  # fmt: skip


def probes(tasks: Sequence[Task], count: int | None, intents: int, rng: np.random.Generator) -> list[Probe]:
    """The probes of an audit, those of a question one after the other.

    Args:
        tasks: what is drawn from; only questions with several meanings count.
        count: questions drawn, >= 1; None for all.
        intents: meanings drawn of each, >= 1.
        rng: draws questions, meanings, rivals, phrases and orders.

    Raises:
        ClarifyError: a count below 1, or no question has several meanings.
    """
    if (count is not None and count < 1) or intents < 1:
        raise ClarifyError(f"audit: tasks={count!r}, intents={intents!r}; each has to be at least 1")
    several = [k for k, task in enumerate(tasks) if len(task.interpretations) > 1]
    if not several:
        raise ClarifyError("audit: no question of this split has several meanings; there is nothing to ask")
    listed = []
    for at in sorted(rng.permutation(several)[:count].tolist()):
        meanings = tasks[at].interpretations
        sensible = [Ask(ask.text) for ask in questions(meanings)]
        direct = [] if sensible == [Ask(WHICH)] else [Ask(WHICH)]
        for intent in sorted(rng.permutation(len(meanings))[:intents].tolist()):
            off, nag = (Ask(str(texts[rng.integers(len(texts))])) for texts in (OFF_TOPIC, NAGS))
            options = [(m.text, m.answers[0]) for m in meanings]
            shuffled = Enumerate(options[k] for k in rng.permutation(len(options)))
            rival = int(rng.choice([k for k in range(len(meanings)) if k != intent]))
            asked = {"question": sensible, "direct": direct, "off_topic": [off], "nag": [nag]}
            listed += [Probe(at, intent, kind, ask) for kind, asks in asked.items() for ask in asks]
            listed += _closed(at, intent, rival, meanings, sensible, rng)
            listed.append(Probe(at, intent, "enumerate", shuffled))
    return listed


def _closed(
    at: int,
    intent: int,
    rival: int,
    meanings: Sequence[Interpretation],
    sensible: Sequence[Ask],
    rng: np.random.Generator,
) -> list[Probe]:
    """Yes/no and which-of-these questions about a meaning and a rival, alone and after another question.

    With facts they are about one fact that differs; a yes/no question about it is about all that share it.
    """
    own, other = meanings[intent], meanings[rival]
    if own.facts:
        differing = [k for k, fact in enumerate(own.facts) if fact.value != other.facts[k].value]
        if not differing:
            return []
        k = int(rng.choice(differing))
        words = [f"the {m.facts[k].value}" for m in (own, other)]
        sharing = [[j for j, m in enumerate(meanings) if m.facts[k] == one.facts[k]] for one in (own, other)]
    else:
        words = [m.text.strip().rstrip("?.!") for m in (own, other)]
        sharing = [[intent], [rival]]
    confirm, deny = (Ask(f"Do you mean {text}?") for text in words)
    first, second = (words[k] for k in rng.permutation(2))
    choice = Ask(f"Do you mean {first}, or {second}?")
    both = tuple(sorted({*sharing[0], *sharing[1]}))
    before = (sensible[int(rng.integers(len(sensible)))],)
    again, about = (confirm, sharing[0]) if rng.random() < 0.5 else (deny, sharing[1])
    return [
        Probe(at, intent, "confirm", confirm, about=tuple(sharing[0])),
        Probe(at, intent, "deny", deny, about=tuple(sharing[1])),
        Probe(at, intent, "choice", choice, about=both),
        Probe(at, intent, "again", again, before, tuple(about)),
    ]
