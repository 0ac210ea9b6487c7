"""Worked dialogues: what a game's scripted players do and say, as a language model would see and write it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from clarify_env.agent import Agent, Observation
from clarify_env.agents.llm.prompt import Message, Prompt, say, tags_of
from clarify_env.agents.llm.role_prompt import RolePrompt
from clarify_env.agents.roster import others_of, roster_of
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError
from clarify_env.moves import Move
from clarify_env.rollout import Player, rollout
from clarify_env.simulate import choices, seen

LOOKED_THROUGH = 64  # scripted episodes among which the dialogues are chosen


class WorkedDialogue(NamedTuple):
    """A worked dialogue of one player.

    Args:
        role: of the player, as its observations state it.
        chat: what it saw and wrote, from the rules to its last message.
        kinds: of the moves that it made there.
    """

    role: str
    chat: tuple[Message, ...]
    kinds: frozenset[str]

    def rules(self) -> tuple[Message, ...]:
        """The system message, where there is one."""
        return self.chat[: self.chat[0]["role"] == "system"]


class WithExamples:
    """A prompt with worked dialogues between the rules and the game.

    Only the dialogues of the role and the rules that a turn is played by are shown.

    Args:
        dialogues: such as of `worked`.
        prompt: how a turn is put to the model; by default `RolePrompt()`.
    """

    def __init__(self, dialogues: Sequence[WorkedDialogue], prompt: Prompt | None = None) -> None:
        self.prompt = prompt or RolePrompt()
        self.shown: dict[tuple[str, str], list[Message]] = {}
        for one in dialogues:
            rules = one.rules()
            self.shown.setdefault((one.role, _text(rules)), []).extend(one.chat[len(rules) :])

    def messages(self, observation: Observation) -> list[Message]:
        """The chat of the turn, with the dialogues after its rules."""
        chat = self.prompt.messages(observation)
        rules = chat[: chat[0]["role"] == "system"]
        shown = self.shown.get((observation.get("role", ""), _text(rules)), [])
        return [*rules, *shown, *chat[len(rules) :]]

    def read(self, text: str, observation: Observation) -> Move:
        """As the prompt reads it."""
        return self.prompt.read(text, observation)

    def tags(self, observation: Observation) -> Sequence[str]:
        """As those of the prompt."""
        return tags_of(self.prompt, observation)

    def write(self, move: Move, observation: Observation) -> str:
        """As the prompt writes it."""
        return self.prompt.write(move, observation)


def _text(rules: Sequence[Message]) -> str:
    return rules[0]["content"] if rules else ""


def demonstrations(
    env: GameEnv[Any],
    team: Mapping[str, Player],
    episodes: int,
    seed: int = 0,
    spent: Counter[str] | None = None,
) -> list[Episode]:
    """Episodes of scripted players, who may play from more than the players of `env` see, such as notes.

    Args:
        env: the game.
        team: those who play; by default, player by player, the best scripted team that is known.
        episodes: how many.
        seed: of everything random.
        spent: grows by what they decide (see `clarify_env.rollout.decide`).
    """
    informed = roster_of(env.game).informed(env)
    agents = {**others_of(informed), **team}
    return list(rollout(informed, agents, episodes, seed, spent=spent))


def decisions(env: GameEnv[Any], episode: Episode, player: str) -> Iterator[tuple[Observation, Move]]:
    """What a player of `env` would have seen at each of its decisions in an episode, and what it did."""
    for choice in choices(env.game, episode, player):
        yield seen(env.game, choice.state, player), choice.move


def worked(
    env: GameEnv[Any],
    players: Sequence[str],
    count: int,
    seed: int = 0,
    *,
    team: Mapping[str, Agent] | None = None,
    prompt: Prompt | None = None,
) -> list[WorkedDialogue]:
    """Worked dialogues for these players, chosen so that every kind of move is shown as early as possible.

    Args:
        env: the game, with questions that nothing is measured on and costs that differ.
        players: whose dialogues; also those of another's role are made once.
        count: dialogues of each set of rules, >= 1.
        seed: of the episodes that they are chosen from.
        team: who plays; by default the best scripted team.
        prompt: how a turn is put to the model, by default `RolePrompt()`.

    Raises:
        ClarifyError: `count` is out of range, or no scripted team plays this game.
    """
    if count < 1:
        raise ClarifyError(f"examples={count!r}: at least 1 worked dialogue, or leave it out")
    prompt = prompt or RolePrompt()
    found: dict[tuple[str, str], list[WorkedDialogue]] = {}
    for episode in demonstrations(env, team or {}, LOOKED_THROUGH, seed):
        for player in players:
            latest: dict[tuple[str, str], WorkedDialogue] = {}
            for observation, move in decisions(env, episode, player):
                chat = (*prompt.messages(observation), say("assistant", prompt.write(move, observation)))
                one = WorkedDialogue(env.game.role(player), chat, frozenset({move.kind}))
                key = (one.role, _text(one.rules()))
                before = latest[key].kinds if key in latest else frozenset()
                latest[key] = one._replace(kinds=one.kinds | before)
            for key, one in latest.items():
                found.setdefault(key, []).append(one)
    return [one for listed in found.values() for one in _varied(listed, count)]


def _varied(listed: Sequence[WorkedDialogue], count: int) -> list[WorkedDialogue]:
    """`count` of them: each time the first of those whose kinds of moves were shown least before."""
    left, chosen = list(listed), list[WorkedDialogue]()
    shown: Counter[str] = Counter()
    while left and len(chosen) < count:
        one = max(left, key=lambda one: sum(1.0 / (1 + shown[kind]) for kind in sorted(one.kinds)))
        left.remove(one)
        chosen.append(one)
        shown.update(one.kinds)
    return chosen
