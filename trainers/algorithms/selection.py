"""Which moves of the collected episodes are worth imitating: the "improve" half of ReST (arXiv 2308.08998).

A rule gets all episodes of one iteration, grouped by task. With `cells`, every episode is scored again
under each pair of costs there (exactly, see `Episode.rescored`), so that one episode teaches what to do at
all of them; without, it counts only for the costs that it was played under.

Selection by averages over what a player cannot tell apart, for groups whose members move together.

A dialogue tree values a move by playing it on from every state that the player may be in; with several
players who each know something else, and moves at the same time, there are too many. Here the episodes
themselves are the sample: decisions at points that look alike to the *policy* (equal features, equal costs)
are pooled over all questions and all that the others know and do, and a move is worth the mean reward of the
episodes in which it was made there. That is the baseline per role and point: what is kept is by how much
a move beats the others at its point, not whether its episode was lucky.

Every decision is imitated with weight exp(advantage / temperature), so that one improve step multiplies the
odds of two moves by the exponential of what one is better by (arXiv 1910.00177 weighs so; the pooling and its
use within ReST are ours). All roles can be trained on the same episodes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from clarify_env.agent import Agent, Predictable
from clarify_env.agents.softmax_policy import SoftmaxPolicy
from clarify_env.env import GameEnv
from clarify_env.episode import Episode
from clarify_env.errors import ClarifyError, choose
from clarify_env.games import load_object
from clarify_env.simulate import Choice, choices, failed, seen
from clarify_env.trainers.learners import Example


class Batch(NamedTuple):
    """What a selection rule works on.

    Args:
        env: the game that was played.
        player: whose moves are selected.
        others: the agents of the other players, for rules that play on.
        episodes: the collected episodes.
        cells: the costs to score at, or None for each episode's own.
        seed: of whatever the rule draws.
        policy: that is trained, for rules that ask what looks alike to it.
        spent: what rules that play on have to count (see `clarify_env.rollout.decide`), or None.
    """

    env: GameEnv[Any]
    player: str
    others: Mapping[str, Agent]
    episodes: Sequence[Episode]
    cells: Sequence[Any] | None
    seed: int
    policy: Agent | None = None
    spent: Counter[str] | None = None

    @property
    def known(self) -> bool:
        """Whether all other players say what they may do, so that nothing has to be drawn of them."""
        rest = [name for name in self.env.game.players if name != self.player]
        return all(isinstance(self.others.get(name), Predictable) for name in rest)

    def example(self, choice: Choice, costs: Any = None, weight: float = 1.0) -> Example:
        """A decision of the player as a training example, by default under its own costs."""
        observation = seen(self.env.game, choice.state, self.player, costs)
        return Example(observation, choice.move, choice.trace, weight)


class Selection(Protocol):
    """A selection rule."""

    def select(self, batch: Batch) -> list[Example]:
        """The moves to imitate, each under costs for which it is good."""
        ...


def grouped(batch: Batch) -> Iterator[tuple[list[Any], list[Episode]]]:
    """The episodes that are compared with each other, and the costs at which they are.

    With re-scoring those of one task, at every pair of costs; without, those of one task and own costs.
    Episodes that failed are left out.
    """
    groups: dict[Any, list[Episode]] = defaultdict(list)
    for episode in batch.episodes:
        if failed(episode):
            continue
        own = batch.env.game.costs_type(**episode.costs)
        groups[episode.setup["task"], None if batch.cells else own].append(episode)
    for (_, own), members in groups.items():
        yield (list(batch.cells) if batch.cells else [own]), members


def scored(batch: Batch) -> Iterator[tuple[Any, list[tuple[Episode, float]]]]:
    """For each group and each pair of costs there: the episodes with their rewards."""
    for cells, members in grouped(batch):
        for costs in cells:
            yield costs, [(episode, episode.rescored(**costs._asdict()).reward) for episode in members]


class _Whole:
    """Base of the rules that keep whole episodes."""

    def select(self, batch: Batch) -> list[Example]:
        """All decisions of the episodes that `keep` returns."""
        examples = []
        game = batch.env.game
        for costs, members in scored(batch):
            for episode in self.keep(members):
                examples += [batch.example(choice, costs) for choice in choices(game, episode, batch.player)]
        return examples

    def keep(self, members: list[tuple[Episode, float]]) -> list[Episode]:
        raise TypeError(f"{type(self).__name__} does not define keep()")


class Threshold(_Whole):
    """Keeps the episodes whose reward is at least `least`.

    Args:
        least: in the units of reward; rewards are at most 1.
    """

    def __init__(self, least: float = 0.7) -> None:
        self.least = least

    def keep(self, members: list[tuple[Episode, float]]) -> list[Episode]:
        """Those above the bar."""
        return [episode for episode, reward in members if reward >= self.least]


class TopK(_Whole):
    """Keeps the `k` best episodes of each task and pair of costs.

    It rewards lucky guesses: the best episode of a question is often the one whose intent was guessed.

    Args:
        k: episodes per task and costs, >= 1.
    """

    def __init__(self, k: int = 2) -> None:
        if k < 1:
            raise ClarifyError(f"TopK(k={k!r}): at least 1")
        self.k = k

    def keep(self, members: list[tuple[Episode, float]]) -> list[Episode]:
        """The first `k` by reward; the earlier of equals."""
        return [episode for episode, _ in sorted(members, key=lambda pair: -pair[1])[: self.k]]


SELECTION_RULES: dict[str, str | Callable[[], Selection]] = {
    "threshold": "clarify_env.trainers.algorithms.selection:Threshold",
    "top-k": "clarify_env.trainers.algorithms.selection:TopK",
    "clustering": "clarify_env.trainers.algorithms.action_clustering:ActionClustering",
    "clustering-mean": "clarify_env.trainers.algorithms.action_clustering:clustering_mean",
    "clustering-plain": "clarify_env.trainers.algorithms.action_clustering:clustering_plain",
    "best-continuation": "clarify_env.trainers.algorithms.best_continuation:BestContinuation",
    "averaged": "clarify_env.trainers.algorithms.selection:Averaged",
}


def register_rule(name: str, kind: Callable[[], Selection]) -> None:
    """Make a selection rule known by its name; raises ClarifyError where that is taken."""
    if name in SELECTION_RULES:
        raise ClarifyError(f"register_rule({name!r}): this name is taken")
    SELECTION_RULES[name] = kind


def make_rule(name: str) -> Selection:
    """The selection rule of this name, with its default settings.

    Args:
        name: a registered one, or "module:Class" for one of yours.

    Raises:
        ClarifyError: no rule has this name, or it does not load.
    """
    found = name if ":" in name else SELECTION_RULES[choose("selection rule", name, SELECTION_RULES)]
    kind: Callable[[], Selection] = load_object(found) if isinstance(found, str) else found
    return kind()


class Averaged:
    """The rule; see the module's docstring.

    Args:
        temperature: in units of reward, > 0; smaller is greedier.
        prior: episodes without an advantage that a move's average starts with, >= 0: rare moves are trusted
            less.
    """

    def __init__(self, temperature: float = 0.05, prior: float = 4.0) -> None:
        if temperature <= 0.0 or prior < 0.0:
            raise ClarifyError(f"Averaged(temperature={temperature}, prior={prior}): above 0, and at least 0")
        self.temperature = temperature
        self.prior = prior

    def select(self, batch: Batch) -> list[Example]:
        """Every decision, weighted by how much its move is worth more than its point; own costs only.

        Raises:
            ClarifyError: the policy that is trained is no `SoftmaxPolicy`.
        """
        policy, game = batch.policy, batch.env.game
        if not isinstance(policy, SoftmaxPolicy):
            raise ClarifyError(
                f"averaged: pools what looks alike to a small policy, and {type(policy).__name__} is none; "
                "select for it by threshold, top-k or clustering"
            )
        pools: dict[Hashable, list[tuple[Example, int, float]]] = defaultdict(list)
        for episode in batch.episodes:
            if failed(episode):
                continue
            reward = episode.reward
            for choice in choices(game, episode, batch.player):
                example = batch.example(choice)
                moves, features_M_F, _ = policy.point(policy.key(example.observation))
                alike = features_M_F.numpy().tobytes(), tuple(example.observation["costs"].tolist())
                made = moves.index(choice.move) if choice.move in moves else -1
                pools[alike].append((example, made, reward))
        examples = []
        for pool in pools.values():
            mean = sum(reward for _, _, reward in pool) / len(pool)
            earned, times = defaultdict[int, float](float), defaultdict[int, float](float)
            for _, made, reward in pool:
                earned[made] += reward - mean
                times[made] += 1.0
            for example, made, _ in pool:
                advantage = earned[made] / (times[made] + self.prior)
                examples.append(example._replace(weight=float(np.exp(advantage / self.temperature))))
        return examples
