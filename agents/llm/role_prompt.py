"""A prompt for every player of every game, chosen by the role that the observation states."""

from collections.abc import Mapping, Sequence

from clarify_env.agent import Observation
from clarify_env.agents.llm.prompt import Message, Prompt, tags_of
from clarify_env.agents.roster import prompt_of
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move


class RolePrompt:
    """Passes each observation on to the prompt of its role.

    Args:
        prompts: by player, such as asker=..., prompts in place of those of the game's roster.
    """

    def __init__(self, **prompts: Prompt) -> None:
        self.prompts: Mapping[str, Prompt] = prompts

    def _of(self, observation: Observation) -> Prompt:
        role = observation.get("role")
        if not isinstance(role, str):
            raise ClarifyError(
                f"a language model: the observation states no role; it has {sorted(observation)}"
            )
        return self.prompts.get(role.rpartition("/")[2]) or prompt_of(role)

    def messages(self, observation: Observation) -> list[Message]:
        """The chat of the player on turn."""
        return self._of(observation).messages(observation)

    def read(self, text: str, observation: Observation) -> Move:
        """The move of the player on turn."""
        return self._of(observation).read(text, observation)

    def tags(self, observation: Observation) -> Sequence[str]:
        """The tags of the player on turn; none where its messages have another form."""
        return tags_of(self._of(observation), observation)

    def write(self, move: Move, observation: Observation) -> str:
        """The message of the player on turn."""
        return self._of(observation).write(move, observation)
