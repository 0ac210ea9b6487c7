"""The scripted user: it knows its question and what it means by it, and speaks from that alone."""

from collections.abc import Callable, Sequence

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.agents.clarification.belief import said_before
from clarify_env.errors import ClarifyError
from clarify_env.games.clarification.game import Ask, Enumerate, Reply, Select
from clarify_env.games.clarification.scripted_user import UserModel, closest, pick
from clarify_env.moves import Answer, Move

Matcher = Callable[[tuple[str, ...], str, str], int | None]  # (labels, meaning, question) -> position


class ScriptedUser(Agent):
    """Answers questions by `UserModel`, and takes the branch of an enumeration whose label fits best.

    Args:
        model: how reliable it is, such as UserModel(noise=0.1); by default perfectly.
        seed: of the agent's own generator.
        matcher: which label fits a meaning in text best, or None where none does; by default the F1 of their
            stems, which the exact optimum counts on; `clarify_env.agents.EmbeddingMatcher` is another.
    """

    def __init__(
        self, model: UserModel | None = None, seed: int | None = None, matcher: Matcher = closest
    ) -> None:
        super().__init__(seed)
        self.model = model or UserModel()
        self.matcher = matcher

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> Sequence[Move]:
        """One move per observation; a matcher with `read` is shown all texts of the batch first."""
        read = getattr(self.matcher, "read", None)
        if read:
            read([text for observation in observations for text in _texts(observation)])
        if rngs is None:
            rngs = [self._rng] * len(observations)
        return [self.move(observation, rng) for observation, rng in zip(observations, rngs, strict=True)]

    def move(self, observation: Observation, rng: np.random.Generator) -> Move:
        """A `Reply` to a question, a `Select` from a final message."""
        message = observation["transcript"][-1].move
        if isinstance(message, Ask):
            return Reply(self._reply(message, observation, rng))
        if isinstance(message, Enumerate):
            at = self._picked(message, observation)
            return Select("" if at is None else message.options[at][1])
        if isinstance(message, Answer):
            return Select(message.text)
        raise ClarifyError(f"ScriptedUser: does not know what to do about a {message.kind!r}")

    def _picked(self, message: Enumerate, observation: Observation) -> int | None:
        intent, facts, question = observation["intent"], observation["facts"], observation["question"]
        if facts:
            return pick(message.options, intent, facts, question)
        return self.matcher(tuple(label for label, _ in message.options), intent, question)

    def _reply(self, ask: Ask, observation: Observation, rng: np.random.Generator) -> str:
        facts = observation["facts"]
        said = () if facts else said_before(observation["transcript"])
        replies = self.model.replies(ask.text, observation["question"], observation["intent"], facts, said)
        if len(replies) > 1:
            draw = rng.random()
            for text, chance in replies[:-1]:
                draw -= chance
                if draw < 0.0:
                    return text
        return replies[-1][0]


def _texts(observation: Observation) -> list[str]:
    """What a matcher compares in this observation."""
    message = observation["transcript"][-1].move
    if not isinstance(message, Enumerate) or observation["facts"]:
        return []
    return [*(label for label, _ in message.options), observation["intent"], observation["question"]]
