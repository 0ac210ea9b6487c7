"""A helper on its own: what collaborative self-play has taught it for other uses (arXiv 2503.14481).

It answers each question twice from the same memory: with its tool, and closed-book. So its searches are
set against what it would have got right without them, and its marks against whether its answers are right.
"""

from typing import Any

import numpy as np

from clarify_env.agent import Agent
from clarify_env.agents.csp import TakesFirst
from clarify_env.collaboration import CollaborationGame, State
from clarify_env.collect import rollout
from clarify_env.csp_records import CONFIDENCE, Sure, Unsure
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError, choose
from clarify_env.trainers.calibration import auroc, covered, expected_calibration_error
from clarify_env.trainers.replay import failed


def alone(env: GameEnv[State], player: str, searches: int | None = None) -> GameEnv[State]:
    """The game with this helper and no other, its searches as in `env` by default."""
    game = env.game
    if not isinstance(game, CollaborationGame):
        raise ClarifyError(f"{env.name}: no game of helpers; transfer is measured on csp-v0")
    choose("helper", player, game.helpers)
    at = game.helpers.index(player)
    world = game.world
    if world is not None:
        world = world._replace(skills={topic: (own[at],) for topic, own in world.skills.items()})
    tasks = [t._replace(passages=t.passages[at : at + 1]) for t in game.tasks]
    most = game.searches if searches is None else searches
    own = CollaborationGame(tasks, [game.tools[at]], game.costs, world, True, most, game.grade)
    return GameEnv(own, env.name)


def transfer(
    env: GameEnv[State], helper: Agent, player: str, episodes: int = 1000, seed: int = 0
) -> dict[str, float]:
    """How one helper does alone.

    Args:
        env: the game of the group.
        helper: the policy.
        player: whose memory, tool and name it has.
        episodes: to play with the tool, and as many without.
        seed: of nature and of the helper.

    Returns:
        f1 and closed_f1 (token F1 with the tool and without), search_rate, searched_right and searched_wrong
        (search rate where its closed-book answer is right, or wrong), f1_per_search (f1 by searches an
        episode; NaN without any), sure (share of answers marked so: coverage), sure_f1 (of those), ece
        (of the marks as `CONFIDENCE` reads them), auroc (of the marks).
    """
    agents: dict[str, Any] = {"asker": TakesFirst(), "helper1": helper}
    pairs = []
    with_tool = rollout(alone(env, player), agents, episodes, seed)
    without = rollout(alone(env, player, 0), agents, episodes, seed)
    for one, closed in zip(with_tool, without, strict=True):
        if not failed(one) and not failed(closed) and _marked(one) and _marked(closed):
            pairs.append((one, closed))
    if not pairs:
        raise ClarifyError(f"transfer: no episode of {episodes} in which {player!r} gave a marked answer")
    f1, closed_f1 = (np.array([e.quantities["accuracy"] for e in side]) for side in zip(*pairs, strict=True))
    right = np.array([one.quantities["exact"] for one, _ in pairs])
    known = np.array([closed.quantities["exact"] for _, closed in pairs]) > 0.0
    searches = np.array([one.quantities["searches"] for one, _ in pairs])
    stated = np.array([CONFIDENCE[one.moves("helper1")[-1].kind] for one, _ in pairs])
    coverage, sure_f1 = covered(stated == CONFIDENCE["sure"], f1)
    return {
        "f1": float(f1.mean()),
        "closed_f1": float(closed_f1.mean()),
        "search_rate": float((searches > 0).mean()),
        "searched_right": _mean((searches > 0)[known]),
        "searched_wrong": _mean((searches > 0)[~known]),
        "f1_per_search": float(f1.sum() / searches.sum()) if searches.any() else float("nan"),
        "sure": coverage,
        "sure_f1": sure_f1,
        "ece": expected_calibration_error(stated, f1),
        "auroc": auroc(stated, right),
    }


def _marked(episode: Episode) -> bool:
    """Whether the helper has given an answer with a mark."""
    made = episode.moves("helper1")
    return bool(made) and isinstance(made[-1], (Sure, Unsure))


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
