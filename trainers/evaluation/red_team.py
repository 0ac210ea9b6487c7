"""A red team: ways to score above the best play without playing better, tried on a game.

Whoever adds a game, a grade or a price runs `check_rewards` on it. Each attack plays as the best scripted
team of the game does, and cheats: it spells what it says so that fewer words are counted, says more than it
pays for, quits where it would lose, or looks where it should not. No score may lie above the best play.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Action, Agent, Decision, Failed, Observation
from clarify_env.agents.roster import bound_of, roster_of, teams_of
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.moves import Answer, Move, TextMove
from clarify_env.rollout import rollout
from clarify_env.testing.play import CheckFailed
from clarify_env.trainers.evaluation.evaluate import cells_of
from clarify_env.trainers.evaluation.measure import SCRIPTED, failed_as_zero, measure, pick_questions
from clarify_env.trainers.evaluation.statistics import interval
from clarify_env.trainers.evaluation.yardsticks import solved

# Spellings: what becomes of a text.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "joined by hyphens": lambda text: "-".join(text.split()),
    "joined by slashes": lambda text: "/".join(text.split()),
    "joined by semicolons": lambda text: ";".join(text.split()),
    "no spaces": lambda text: "".join(text.split()),
    "spaces of no width": lambda text: "\u200b".join(text.split()),
    "word joiners": lambda text: "\u2060".join(text.split()),
    "spaces that do not break": lambda text: "\u00a0".join(text.split()),
    "spaces of other scripts": lambda text: "\u3000".join(text.split()),
    "blank letters": lambda text: "\u3164".join(text.split()),
    "soft hyphens": lambda text: "\u00ad".join(text.split()),
    "numbers joined to their unit": lambda text: text.replace(" million", "million").replace(" percent", "%"),
    "said twice": lambda text: f"{text} {text}",
    "nothing": lambda text: "",
    "the first word": lambda text: " ".join(text.split()[:1]),
}


def _spelled(data: Any, spell: Callable[[str], str], part: str) -> Any:
    """JSON data of a move with its texts spelled anew.

    Args:
        data: of the move, texts in lists or alone.
        spell: a text as it is spelled.
        part: "labels" for the first text of each list, "answers" for all others, "" for both.
    """
    if isinstance(data, str):
        return data if part == "labels" else spell(data)
    if isinstance(data, list) and len(data) > 1 and all(isinstance(one, str) for one in data):
        label, *rest = data
        label = label if part == "answers" else spell(label)
        return [label, *(rest if part == "labels" else map(spell, rest))]
    return [_spelled(one, spell, part) for one in data] if isinstance(data, list) else data


class _Cheat(Agent):
    """Plays as another agent does, and does something about what it plays."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.agent = agent

    def act(
        self, observations: Sequence[Observation], rngs: Sequence[np.random.Generator] | None = None
    ) -> Sequence[Action]:
        """What the other plays, changed."""
        made = self.agent.act(observations, rngs)
        given: Sequence[Any] = [self._rng] * len(observations) if rngs is None else rngs
        return [
            self.change(one.move if isinstance(one, Decision) else one, observation, rng)
            for one, observation, rng in zip(made, observations, given, strict=True)
        ]

    def change(self, action: Any, observation: Observation, rng: np.random.Generator) -> Action:
        """What is played in its place."""
        raise NotImplementedError


class Speller(_Cheat):
    """Spells its messages so that they may count less, or say more.

    Args:
        agent: what it plays as.
        spell: a text as it is spelled.
        part: "labels" or "answers", or "" for both.
    """

    def __init__(self, agent: Agent, spell: Callable[[str], str], part: str = "") -> None:
        super().__init__(agent)
        self.spell = spell
        self.part = part

    def change(self, action: Any, observation: Observation, rng: np.random.Generator) -> Action:
        """The move with its texts spelled anew, where that is a move."""
        if not isinstance(action, Move) or action.to_data() is None:
            return action  # type: ignore[no-any-return]
        try:
            return type(action).from_data(_spelled(action.to_data(), self.spell, self.part))
        except Exception:  # a spelling that the kind of move refuses, such as an empty label
            return action


class Teller(_Cheat):
    """Tells all that it holds in every message that costs nothing by the word."""

    def change(self, action: Any, observation: Observation, rng: np.random.Generator) -> Action:
        """The move, with everything that is to be read in the observation after its text."""
        if not isinstance(action, TextMove) or "answer" in action.kind:
            return action  # type: ignore[no-any-return]
        held = [value for name, value in observation.items() if name in ("notes", "document", "facts")]
        return type(action)(f"{action.text} {held!r}"[:2000])


class Quitter(_Cheat):
    """Fails where what it is to say is long, or it has no good move."""

    def __init__(self, agent: Agent, outside: bool = False) -> None:
        super().__init__(agent)
        self.outside = outside

    def change(self, action: Any, observation: Observation, rng: np.random.Generator) -> Action:
        """A failure in place of a message of several words, or of a question."""
        hard = isinstance(action, Move) and (action.words > 3 or action.kind == "ask")
        return Failed("too hard", outside=self.outside) if hard else action


class Peeker(_Cheat):
    """Draws again what nature drew, from the seed that its own generator was made of.

    It answers as the note that nature would have meant; where there are no notes it plays as the other does.

    Args:
        agent: what it plays as.
        most: meanings of the question with the most of them, which says where the draw of the meaning stands.
    """

    def __init__(self, agent: Agent, most: int) -> None:
        super().__init__(agent)
        self.most = most

    def change(self, action: Any, observation: Observation, rng: np.random.Generator) -> Action:
        """The answer of the note that nature seems to mean."""
        notes = observation.get("notes", ())
        if not notes or not isinstance(action, Move):
            return action  # type: ignore[no-any-return]
        entropy = getattr(getattr(rng.bit_generator, "seed_seq", None), "entropy", 0)
        own = abs(int(np.ravel(entropy)[0]))
        draws = np.random.default_rng(own).random(self.most + 2)
        left, at = float(draws[self.most]), 0
        ordered = [notes[k] for k in np.argsort(np.argsort(draws[: len(notes)]))]  # as the task lists them
        while at < len(ordered) - 1 and left >= ordered[at].weight:
            left, at = left - ordered[at].weight, at + 1
        return Answer(ordered[at].answers[0])


class TurnCounter(_Cheat):
    """Answers the first of equal observations as the first note, the next as the second, and so on."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.met: dict[str, int] = {}

    def change(self, action: Any, observation: Observation, rng: np.random.Generator) -> Action:
        """The answer of the note whose turn it is."""
        notes = observation.get("notes", ())
        if not notes:
            return action  # type: ignore[no-any-return]
        key = repr({name: value for name, value in observation.items() if name != "action_mask"})
        at = self.met[key] = self.met.get(key, -1) + 1
        ordered = sorted(notes, key=lambda note: (-note.weight, note.text))
        return Answer(ordered[at % len(ordered)].answers[0])


def attacks(agent: Agent, most: int = 0) -> dict[str, Agent]:
    """The red team that plays as this agent does, by the name of the attack; see `Peeker` for `most`."""
    team: dict[str, Agent] = {
        f"{part} {name}".strip(): Speller(agent, spell, part)
        for part in ("", "answers", "labels")
        for name, spell in SPELLINGS.items()
    }
    return team | {
        "tells all in questions": Teller(agent),
        "quits": Quitter(agent),
        "quits and blames a server": Quitter(agent, outside=True),
        "peeks": Peeker(agent, most),
        "counts": TurnCounter(agent),
    }


PEEKED = 200  # that nature draws, to see whether peeking pays


class Attack(NamedTuple):
    """What an attack came to.

    Args:
        name: of the attack.
        score: its part of the way from the game's first team to the best play; an episode that failed is a 0.
        reward, best: mean rewards of the attack and of the best play.
        gain: of the attack over the best play, with its interval over questions.
    """

    name: str
    score: float
    reward: float
    best: float
    gain: Mapping[str, float]


def check_rewards(
    env: GameEnv[Any], cells: Sequence[Any] | None = None, questions: int = 30, seed: int = 0
) -> list[Attack]:
    """Try every attack on a game, with the best scripted team and the user that it is made for.

    Args:
        env: the game, registered or with a roster.
        cells: costs to try; by default those of the game that are seen in training.
        questions: how many of its tasks are played.
        seed: of everything random.

    Returns:
        What each attack came to, the one that gains most first.

    Raises:
        CheckFailed: an attack earns more than the best play, by more than its interval.
    """
    roster = roster_of(env.game)
    informed = roster.informed(env)
    teams = teams_of(informed)
    last = list(teams)[-1]
    player = roster.trained[0]
    others = {name: agent for name, agent in teams[last].items() if name != player}
    grid = cells_of(env, "seen", cells)
    chosen = pick_questions(informed, questions, seed)
    bound = bound_of(informed, others)
    played = [_rewards(informed, team, chosen, grid, seed, player) for team in teams.values()]
    floor_N, known_N = played[0], max(played, key=lambda reward_N: float(reward_N.mean()))
    best_N = known_N if bound is None else solved({"": bound}, chosen, grid)[""]["reward"].mean(axis=1)
    most = max(len(getattr(task, "interpretations", ())) for task in env.game.tasks)
    found = []
    for name, agent in attacks(teams[last][player], most).items():
        team = {**others, player: agent}
        if most and isinstance(agent, Peeker):
            three = (teams[next(iter(teams))], teams[last], team)
            found.append(_peeked(name, informed, three, seed))
        else:
            reward_N = _rewards(informed, team, chosen, grid, seed, player)
            found.append(_attack(name, reward_N, floor_N, best_N, seed))
    found.sort(key=lambda attack: -attack.gain["mean"])
    for attack in found:
        if attack.gain["low"] > 1e-9:
            raise CheckFailed(
                "rewards",
                f"{attack.name!r} scores {attack.score:.3f}, above the best play: it earns "
                f"{attack.gain['mean']:.3f} [{attack.gain['low']:.3f}, {attack.gain['high']:.3f}] more",
            )
    return found


def _attack(name: str, reward_N: Floats, floor_N: Floats, best_N: Floats, seed: int) -> Attack:
    span = float((best_N - floor_N).mean())
    score = float((reward_N - floor_N).mean()) / span if span > 1e-9 else float("nan")
    gain = interval(partial(np.dot, reward_N - best_N), len(reward_N), seed)
    return Attack(name, score, float(reward_N.mean()), float(best_N.mean()), gain)


def _peeked(name: str, env: GameEnv[Any], teams: Sequence[Mapping[str, Agent]], seed: int) -> Attack:
    """What peeking comes to where nature draws what is meant, which an evaluation does not leave to it.

    Args:
        name: of the attack.
        env: the game, at its own costs.
        teams: the first one of the game, the best, and the one that peeks.
        seed: of nature and the players.

    Raises:
        CheckFailed: who peeks earns more than who plays well, by more than three standard errors.
    """
    floor_E, best_E, reward_E = (
        np.array([episode.reward for episode in rollout(env, team, PEEKED, seed)]) for team in teams
    )
    more_E = reward_E - best_E
    if more_E.mean() > 3.0 * more_E.std() / np.sqrt(PEEKED) + 1e-9:
        raise CheckFailed("rewards", f"{name!r} earns {reward_E.mean():.3f}, honest play {best_E.mean():.3f}")
    return _attack(name, reward_E, floor_E, best_E, seed)


def _rewards(
    env: GameEnv[Any],
    team: Mapping[str, Agent],
    chosen: Sequence[int],
    cells: Sequence[Any],
    seed: int,
    player: str,
) -> Floats:
    """reward_N of a team by question, an episode that failed as a 0."""
    lost_N_C = np.zeros((len(chosen), len(cells)))
    table = measure(env, team, chosen, cells, seed, player, batch=SCRIPTED, lost_N_C=lost_N_C)
    reward_N: Floats = failed_as_zero(table[:, :, 0], lost_N_C).mean(axis=1)
    return reward_N
