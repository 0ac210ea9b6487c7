"""What the helpers of a group know of what they know, measured in play (`csp-v1`; after arXiv 2503.14481).

Whether they search where a thing is less familiar, whether their marks tell right from wrong, and whether
they are silent where they would be wrong. A group may mean the opposite by its marks, since nothing in the
rules says what they mean: so calibration is measured as the words say (`CONFIDENCE`), and as a listener would
read the marks who has heard the group on other questions (`fit_marks`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.csp.recall_scripted import clues, recall_game
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.games.csp.recall_world import FAMILIARITY
from clarify_env.games.csp.records import CONFIDENCE, Search, Sure, Unsure
from clarify_env.moves import Move
from clarify_env.rollout import rollout
from clarify_env.trainers.evaluation.calibration import auroc, expected_calibration_error


class Helped(NamedTuple):
    """One helper's part of an episode.

    Args:
        familiarity: that it was told, by its position in `FAMILIARITY`.
        searched: whether it searched.
        move: its last one.
        right: whether its answer was right; of one that was silent, whether what it had found was, or else
            what it had recalled most often.
    """

    familiarity: int
    searched: bool
    move: Move
    right: bool


def helped(env: GameEnv[Any], agents: Mapping[str, Agent], episodes: int, seed: int = 0) -> Iterator[Helped]:
    """The helpers' parts of episodes that were played to their end.

    Args:
        env: the game.
        agents: who plays.
        episodes: to play.
        seed: of nature and of the players.
    """
    game = recall_game(env)
    for episode in rollout(env, agents, episodes, seed, states=True):
        if episode.stop != "selected" or not episode.states:
            continue
        state = episode.states[-1]
        for name, told in zip(game.helpers, state.drawn.told, strict=True):
            *before, last = episode.moves(name)
            seen = clues(game.view(state, name))
            text = last.text if isinstance(last, (Sure, Unsure)) else seen.passage or seen.recall
            right = bool(game.grade(text, game.truth(state))[1])
            yield Helped(told, any(isinstance(move, Search) for move in before), last, right)


def fit_marks(
    env: GameEnv[Any], agents: Mapping[str, Agent], episodes: int = 4000, seed: int = 0
) -> dict[str, float]:
    """How often an answer with each mark is right: what a listener learns who hears the group for long.

    Args:
        env: the game, with the questions of training.
        agents: who plays.
        episodes: to play.
        seed: of nature and of the players.
    """
    heard: dict[str, list[bool]] = defaultdict(list)
    for one in helped(env, agents, episodes, seed):
        heard[one.move.kind].append(one.right)
    return {mark: float(np.mean(heard[mark])) if heard[mark] else said for mark, said in CONFIDENCE.items()}


def information_bits(joint_X_Y: Floats) -> float:
    """Mutual information of two variables in bits, from their counts or chances."""
    chance_X_Y = np.asarray(joint_X_Y, dtype=np.float64) / np.sum(joint_X_Y)
    apart_X_Y = chance_X_Y.sum(1, keepdims=True) * chance_X_Y.sum(0, keepdims=True)
    met = chance_X_Y > 0.0
    return float((chance_X_Y[met] * np.log2(chance_X_Y[met] / apart_X_Y[met])).sum())


def self_knowledge(
    env: GameEnv[Any],
    agents: Mapping[str, Agent],
    episodes: int = 4000,
    seed: int = 0,
    fitted: Mapping[str, float] = CONFIDENCE,
) -> dict[str, float]:
    """What a group's helpers know of what they know; NaN for what does not occur.

    Args:
        env: the game, with held-out questions.
        agents: who plays.
        episodes: to play.
        seed: of nature and of the players.
        fitted: how often an answer with each mark is right, as `fit_marks` gives it from other questions.

    Returns:
        search_rate, and search_<familiarity>: share of helpers that search; search_bits: mutual information
        of searching and familiarity; ece, auroc: of the marks as `CONFIDENCE` reads them; ece_fitted,
        auroc_fitted: as `fitted` does; coverage: share of helpers that answer, accuracy: of their answers;
        silence_precision: share of the silent that would have been wrong, silence_recall: share of all that
        were or would have been wrong who are silent.
    """
    parts = list(helped(env, agents, episodes, seed))
    told = np.array([one.familiarity for one in parts])
    searched = np.array([one.searched for one in parts], dtype=bool)
    right = np.array([one.right for one in parts], dtype=bool)
    marks = [one.move.kind for one in parts if one.move.kind in CONFIDENCE]
    spoke = np.array([one.move.kind in CONFIDENCE for one in parts], dtype=bool)
    joint_F_2 = np.zeros((len(FAMILIARITY), 2))
    np.add.at(joint_F_2, (told, searched.astype(int)), 1.0)
    found = {
        "search_rate": _share(searched),
        **{f"search_{name}": _share(searched[told == k]) for k, name in enumerate(FAMILIARITY)},
        "search_bits": information_bits(joint_F_2),
        "coverage": _share(spoke),
        "accuracy": _share(right[spoke]),
        "silence_precision": _share(~right[~spoke]),
        "silence_recall": _share(~spoke[~right]),
    }
    for suffix, reading in (("", CONFIDENCE), ("_fitted", fitted)):
        stated = [reading[mark] for mark in marks]
        found[f"ece{suffix}"] = expected_calibration_error(stated, right[spoke]) if marks else float("nan")
        found[f"auroc{suffix}"] = auroc(stated, right[spoke]) if marks else float("nan")
    return found


def _share(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
