"""Hostile messages through every prompt's `read`: a move or `Unreadable`, nothing else, in linear time.

    python benchmarks/hostile_messages.py [--messages 1000000]

Messages are drawn from tags of all games, marks of thoughts and channels, control tokens, odd Unicode and
numbers, repeated up to thousands of times; each is read at a state of an episode where the role of
the prompt is on turn. Then each piece is repeated to 100,000 and 200,000 characters: twice the length should
take twice the time.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from clarify_env import make, registry
from clarify_env.agent import Observation
from clarify_env.agents.llm.prompt import decision
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.agents.llm.thoughts import PAIRS
from clarify_env.agents.roster import others_of
from clarify_env.rollout import rollout
from clarify_env.simulate import choices, seen

ODD = [
    "\x00",
    "\ud800",
    "\u200b",
    "\u202e",
    "\U0001f600",
    "e\u0301",
    "\ufeff",
    "\x1b[2J",
    "\r\n",
    "\t",
    "&#10;",
]
WORDS = [
    "<",
    ">",
    "</",
    "/>",
    "=>",
    "|",
    "&lt;",
    "&amp;",
    "<reply>",
    "</reply>",
    "a",
    "Oslo",
    "1",
    "-1",
    "\u0663",
]
CONTROLS = [
    "<|im_end|>",
    "<|channel|>final<|message|>",
    "<|channel|>",
    "<|message|>",
    "[INST]",
    "</s>",
    "{",
    '"a":',
]


def turns() -> list[tuple[str, Observation]]:
    """One observation of every role of every game that needs no data, at each of a few turns."""
    found = []
    for id in registry:
        if "data_dir" in registry[id].options:
            continue  # their roles are those of synthetic-v0
        env: Any = make(id)
        team = others_of(env)
        for episode in rollout(env, team, 2, seed=0):
            for player in env.possible_agents:
                for choice in choices(env.game, episode, player):
                    found.append((env.game.role(player), seen(env.game, choice.state, player)))
    return found


def pieces() -> list[str]:
    """What hostile messages are made of."""
    tags = sorted(
        {
            kind.kind
            for id in ("synthetic-v0", "csp-v0")
            for kinds in make(id).game.moves.values()
            for kind in kinds
        }
    )
    tags += ["say", "propose", "agree"]
    marks = [mark for pair in PAIRS for mark in pair]
    return [*(f"<{tag}>" for tag in tags), *(f"</{tag}>" for tag in tags), *marks, *ODD, *WORDS, *CONTROLS]


def drawn(parts: list[str], rng: np.random.Generator) -> Iterator[str]:
    """Messages without end."""
    while True:
        count = int(rng.integers(1, 12))
        text = "".join(parts[k] for k in rng.integers(0, len(parts), count))
        if rng.random() < 0.02:
            text *= int(rng.integers(2, 2000))
        if rng.random() < 0.3:
            kind = parts[int(rng.integers(0, 12))].strip("</>")
            text = f"<{kind}>{text}</{kind}>"
        yield text


def grown(prompt: RolePrompt, observation: Observation, part: str) -> float:
    """How many times as long a message of twice the length takes."""
    took = [float("inf")] * 2
    for _ in range(3):
        for n in (0, 1):
            text = part * (100_000 * (n + 1) // len(part))
            begin = time.perf_counter()
            decision(prompt, text, observation, None)
            took[n] = min(took[n], time.perf_counter() - begin)
    return took[1] / took[0] if took[1] > 2e-3 else 0.0  # below that it is the clock that is measured


def main() -> None:
    """Print what the messages came to, and the slowest growth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    given = parser.parse_args()
    prompt, listed, parts = RolePrompt(), turns(), pieces()
    rng = np.random.default_rng(0)
    ends: dict[str, Counter[str]] = {role: Counter() for role, _ in listed}
    start = time.perf_counter()
    for k, text in zip(range(given.messages), drawn(parts, rng), strict=False):
        role, observation = listed[k % len(listed)]
        made = decision(prompt, text, observation, None)  # any other error ends the benchmark with it
        ends[role]["no move" if type(made.move).__name__ == "NoMove" else "move"] += 1
    seconds = time.perf_counter() - start
    for role, counts in ends.items():
        print(f"  {role:24} {counts['move']:9,} moves {counts['no move']:9,} unreadable")
    print(f"  {given.messages:,} messages in {seconds:.0f} s, no other error")
    by_role = dict(listed)
    slowest = (0.0, "", "")
    for role, observation in by_role.items():
        for part in parts:
            growth = min(grown(prompt, observation, part) for _ in range(3))  # others use the machine too
            slowest = max(slowest, (growth, role, part))
    ratio, role, part = slowest
    print(f"  twice the length takes at most {ratio:.2f} times the time ({role}, {part!r})")
    sys.exit(ratio > 3.0)


if __name__ == "__main__":
    main()
