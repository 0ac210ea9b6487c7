"""What a team of `csp-v1` earns over all questions that its world could have, exactly: nothing is played.

Every clue that a helper may have on a topic is shown to it once, and everything that the asker may hear to
the asker; their chances are known (`clarify_env.games.csp.recall_world.information`).
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent, Observation
from clarify_env.agents.csp.recall_scripted import clues
from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError
from clarify_env.games.csp.game import State
from clarify_env.games.csp.recall_game import Recalled, RecallGame
from clarify_env.games.csp.recall_optimum import HelperStrategy, Outcomes
from clarify_env.games.csp.recall_world import GOOD_TOPICS, Information, Lead, information
from clarify_env.games.csp.records import MARKS, Hedge, RecallCosts, Search, Silent
from clarify_env.games.csp.world import TOPICS
from clarify_env.moves import Answer, Move
from clarify_env.rollout import decide

# Recalls of each agreement, the usual one 0, and the passages that each number of agreeing recalls allows.
_RECALLS = {0: (), 1: (0, 1, 2), 2: (0, 0, 1), 3: (0, 0, 0)}


class Part(NamedTuple):
    """What a helper does on a topic.

    Args:
        known: what it may know there.
        strategy: what it does.
        outcome_4: how often it says sure and is right, sure and wrong, unsure and right, unsure and wrong.
        searches: how often it searches.
        share: how often it is told what it is told.
    """

    known: Information
    strategy: HelperStrategy
    outcome_4: Floats
    searches: float
    share: float


class Account(NamedTuple):
    """What a team earns, and how.

    Args:
        value: its expected reward.
        parts: of each helper by topic; where familiarity is shuffled one for each that it may be told.
    """

    value: float
    parts: Mapping[tuple[int, int], Sequence[Part]]


def account(game: RecallGame, agents: Mapping[str, Agent], costs: RecallCosts) -> Account:
    """What a team that draws nothing earns.

    Args:
        game: of two helpers who may search once and be silent.
        agents: who plays; what they do may depend on the topic and the clues, not on names.
        costs: what they pay.

    Raises:
        ClarifyError: another game, or a helper says what it has neither recalled most often nor found.
    """
    if len(game.numbers) != 2 or game.searches != 1 or not game.silent or game.world.recalls != 3:
        raise ClarifyError("account: of two helpers who may search once and be silent")
    right, wrong = 1.0 - costs.word, -costs.wrong - costs.word
    same = 1.0 / (game.world.values - 1)
    total, parts = 0.0, {}
    for topic in range(len(TOPICS)):
        chances, paid = [], 0.0
        for k in range(2):
            own = parts[k, topic] = _parts(game, agents[game.helpers[k]], k, topic, costs)
            outcome_4 = sum((part.share * part.outcome_4 for part in own), np.zeros(4))
            paid += costs.say * outcome_4.sum() + costs.search * sum(p.share * p.searches for p in own)
            chances.append(np.append(outcome_4, 1.0 - outcome_4.sum()))
        taken = _taken(game, agents["asker"], topic, costs)
        total -= paid
        for pair in product(range(5), repeat=2):
            chance = float(chances[0][pair[0]] * chances[1][pair[1]])
            right_2 = [one < 4 and one % 2 == 0 for one in pair]
            wrong_2 = [one < 4 and one % 2 == 1 for one in pair]
            alike = 1.0 if all(right_2) else same if all(wrong_2) else 0.0
            for equal, share in ((True, alike), (False, 1.0 - alike)):
                if chance * share == 0.0:
                    continue
                for first in (0, 1):
                    order = (first, 1 - first)
                    at = taken[pair[order[0]] // 2, pair[order[1]] // 2, equal]
                    if at is not None:
                        total += 0.5 * chance * share * (right if right_2[order[at]] else wrong)
    return Account(total / len(TOPICS), parts)


def _parts(game: RecallGame, agent: Agent, helper: int, topic: int, costs: RecallCosts) -> list[Part]:
    good = topic in GOOD_TOPICS[game.numbers[helper]]
    if not game.shuffled:
        return [_part(game, agent, helper, topic, costs, information(game.world, good), None, 1.0)]
    known = information(game.world, good, "no-familiarity")
    shares = enumerate(game.world.familiarity)
    return [_part(game, agent, helper, topic, costs, known, told, share) for told, share in shares]


def _part(
    game: RecallGame,
    agent: Agent,
    helper: int,
    topic: int,
    costs: RecallCosts,
    known: Information,
    told: int | None,
    share: float,
) -> Part:
    name = game.helpers[helper]
    points = [(point[0] if told is None else told, point[-1]) for point in known.before_I]
    starts = [_start(game, helper, topic, costs, point) for point in points]
    before = [game.view(state, name) for state in starts]
    moves = _moves(agent, before)
    search_I = np.array([isinstance(move, Search) for move in moves])
    say_I = np.array(
        [2 if isinstance(m, Search) else _said(m, o) for m, o in zip(moves, before, strict=True)]
    )
    after = []
    for parent, point in zip(known.parent_J.tolist(), known.after_J, strict=True):
        state = starts[parent]
        match, agreeing, usual = point
        recalls = state.drawn.recalls[helper]
        value = -1
        if match < 2:
            fits = (v for v in range(game.world.values) if recalls.count(v) == agreeing)
            value = next(v for v in fits if (v == 0 and bool(recalls)) == bool(usual))
        leads = list(state.task.leads)
        leads[game.numbers[helper]] = Lead(match, value)
        state = state._replace(task=state.task._replace(leads=tuple(leads)))
        after.append(game.view(game.apply(state, {name: Search(state.task.text)})[0], name))
    says = [_said(m, o) for m, o in zip(_moves(agent, after), after, strict=True)]
    say_J = np.array([4 if said == 2 else said % 3 + 2 * (said > 2) for said in says])
    strategy = HelperStrategy(search_I, say_I, say_J)
    return Part(known, strategy, *Outcomes(known, costs.search).of(strategy), share)


def _start(game: RecallGame, helper: int, topic: int, costs: RecallCosts, point: tuple[int, int]) -> State:
    task = next(task for task in game.tasks if task.topic == list(TOPICS)[topic])
    state = game.start(np.random.default_rng(0), {"task": task.id, "costs": costs})
    told, recalls = list(state.drawn.told), list(state.drawn.recalls)
    told[helper], recalls[helper] = point[0], _RECALLS[point[1]]
    return game.anew(state, task, Recalled(tuple(recalls), tuple(told), (0, 1)))


def _moves(agent: Agent, observations: Sequence[Observation]) -> list[Move]:
    rngs = [np.random.default_rng(0) for _ in observations]
    moves = [decision.move for decision in decide("account", agent, observations, rngs)]
    made = [move for move in moves if isinstance(move, Move)]
    if len(made) < len(moves):
        raise ClarifyError(f"account: {type(agent).__name__} has made no move at all somewhere")
    return made


def _said(move: Move, observation: Observation) -> int:
    """0, 1 the usual recall, sure or unsure; 2 silent; 3, 4 the passage."""
    if isinstance(move, Silent):
        return 2
    seen = clues(observation)
    if move.text not in (seen.recall, seen.passage) or not move.text:
        raise ClarifyError(
            f"account: a helper says {move.text!r:.40}, neither its usual recall nor a passage"
        )
    return MARKS.index(type(move)) + (0 if move.text == seen.recall else 3)


def _taken(game: RecallGame, asker: Agent, topic: int, costs: RecallCosts) -> dict[Any, int | None]:
    """Which of the answers the asker takes, by their marks and by whether they are the same."""
    start = _start(game, 0, topic, costs, (0, 3))
    texts = [value[0] for value in start.task.values[:2]]
    cases = list(product(range(3), range(3), (True, False)))
    heard = []
    for one, two, equal in cases:
        pair = (texts[0], texts[0] if equal else texts[1])
        says = [Silent() if m == 2 else MARKS[m](t) for m, t in zip((one, two), pair, strict=True)]
        heard.append(game.view(game.apply(start, dict(zip(game.helpers, says, strict=True)))[0], "asker"))
    found: dict[Any, int | None] = {}
    for case, move, observation in zip(cases, _moves(asker, heard), heard, strict=True):
        said = [turn.move.text for turn in observation["transcript"]]
        if isinstance(move, Answer) and move.text in said:
            found[case] = said.index(move.text)
        elif isinstance(move, Hedge):
            found[case] = None
        else:
            raise ClarifyError(f"account: the asker answers {move.text!r:.40}, which nobody has said")
    return found
