"""Who plays `animals-v0`: scripted teams, a small policy, and what a language model reads as the guesser."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from animals.game import ANIMALS, PROPERTIES, Guess, Hint, Question
from clarify_env.agent import Agent, Observation
from clarify_env.agents.roster import Roster
from clarify_env.codec import decode, encode
from clarify_env.env import GameEnv
from clarify_env.errors import Unreadable
from clarify_env.game import Turn
from clarify_env.moves import Move


class Keeper(Agent):
    """Says yes if the question names a property of its animal."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        asked = observation["transcript"][-1].move.text.lower()
        return Hint("yes" if any(word in asked for word in ANIMALS[observation["animal"]]) else "no")


class Guessing(Agent):
    """Names the same animal each time: the floor."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        return Guess("bat")


class Halving(Agent):
    """Asks for the property that divides best what is left, until one animal is left."""

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        left = remaining(observation["transcript"])
        if len(left) == 1:
            return Guess(left[0])
        halves = {word: sum(word in ANIMALS[animal] for animal in left) for word in PROPERTIES}
        return Question(min(halves, key=lambda word: abs(2 * halves[word] - len(left))))


def remaining(transcript: tuple[Turn, ...]) -> list[str]:
    """The animals of which everything said is true."""
    said = zip(transcript[::2], transcript[1::2], strict=True)
    hints = {asked.move.text: hint.move.text == "yes" for asked, hint in said}
    return [name for name, held in ANIMALS.items() if all((w in held) == yes for w, yes in hints.items())]


class GuesserPrompt:
    """What a language model reads as the guesser, and its message back as a move."""

    def messages(self, observation: Observation) -> list[dict[str, str]]:
        """Rules and price, then the questions with their hints."""
        rules = (
            f"Guess which animal is meant: {', '.join(ANIMALS)}. Write <question>a property</question>, one "
            f"of {', '.join(PROPERTIES)}, or <guess>the animal</guess>, and nothing else."
        )
        price = f"A question costs {observation['costs'][0]:g}; the right animal earns 1."
        chat = [{"role": "system", "content": rules}, {"role": "user", "content": price}]
        for turn in observation["transcript"]:
            asked = isinstance(turn.move, Question)
            content = encode(turn.move) if asked else turn.move.text
            chat.append({"role": "assistant" if asked else "user", "content": content})
        return chat

    def read(self, text: str, observation: Observation) -> Move:
        """The one tagged block of the message."""
        move = decode(text, (Question, Guess))
        if not isinstance(move, (Question, Guess)):
            raise Unreadable(f"no move in {text[:80]!r}; expected <question> or <guess>")
        return move

    def write(self, move: Move, observation: Observation) -> str:
        """The move as a tagged block."""
        return encode(move)


def guessing(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """The floor."""
    return {"guesser": Guessing(), "keeper": Keeper()}


def halving(env: GameEnv[Any], knobs: Mapping[str, float]) -> Mapping[str, Agent]:
    """The best known."""
    return {"guesser": Halving(), "keeper": Keeper()}


def policy(env: GameEnv[Any], knobs: Mapping[str, float], player: str, hidden: int, seed: int) -> Agent:
    """The small policy of the guesser; loads torch."""
    from animals.policy import GuesserPolicy

    return GuesserPolicy(hidden, seed)


ROSTER = Roster(
    trained=("guesser",),
    teams={"guessing": guessing, "halving": halving},  # from the floor to the best
    policy=policy,
    prompts={"guesser": GuesserPrompt},
)
