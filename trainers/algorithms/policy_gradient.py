"""What the policy-gradient algorithms share: credit for every decision, and minibatches that go down a loss.

They learn on policy: all episodes of an iteration are played by the current policy, at costs that the
episodes of one question share, so that they can be compared (`start_share`=0, `shared_costs`); nothing is
re-scored, since what a policy does depends on the costs that it is told.
"""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clarify_env.arrays import Floats
from clarify_env.errors import ClarifyError, choose
from clarify_env.simulate import credited
from clarify_env.trainers.algorithms.advantages import Played, by_key, returns_to_go
from clarify_env.trainers.algorithms.exact_worth import exact_worths
from clarify_env.trainers.algorithms.losses import kl
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.algorithms.simulated_futures import advantages as branched
from clarify_env.trainers.algorithms.simulated_futures import check_counts, check_futures
from clarify_env.trainers.learners import Example, Experience, Learner, Scored
from clarify_env.trainers.loop import Loop

PROVERS = {"start": 1, "best-of-4": 4}  # of how many futures the best one counts


class Credited(NamedTuple):
    """A decision with its credit: its advantage, and what was earned from it on."""

    example: Example
    advantage: float
    to_go: float


class PolicyGradient(Loop):
    """Base of the algorithms that follow the gradient of the expected reward.

    An algorithm of yours defines `credit` and `loss`; the rest is here.

    Options: `kl` (weight of the divergence from the start policy), `kl_kind` (its estimator, k1, k2 or k3),
    `epochs`, `terms` (names of the reward terms that are learnt from; all of them if empty), `credit`: the
    algorithm's own, or "exact", which takes the luck of meanings and replies out (`algorithms.exact_worth`),
    with `deep` (4) messages sampled at a point at most, and `width` (64) at the points of one depth.
    """

    skips: ClassVar[bool] = True  # decisions without an advantage, unless there is a penalty
    credits: ClassVar[tuple[str, ...]] = ("own",)  # kinds of `credit` beside "exact"
    defaults: ClassVar[dict[str, Any]] = {
        "kl": 0.0,
        "kl_kind": "k3",
        "epochs": 1,
        "terms": (),
        "credit": "own",
        "deep": 4,
        "width": 64,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.options["terms"]:
            choose("reward term", name, self.env.game.terms)
        choose("credit", self.options["credit"], (*self.credits, "exact"))
        self.exact = self.options["credit"] == "exact"
        check_counts(self.options, "deep", "width")
        if self.config.rollout.start_share:
            raise ClarifyError(
                f"start_share={self.config.rollout.start_share}: {type(self).__name__} learns from its own "
                "episodes only; give start_share=0"
            )

    @abstractmethod
    def credit(self, batch: Batch, groups: Sequence[Sequence[Played]]) -> Iterator[tuple[Played, Floats]]:
        """Each episode with its advantages_T; a group has the episodes of one question at the same costs."""

    @abstractmethod
    def loss(self, scored: Scored, old_N: Tensor, advantages_B: Tensor, to_go_B: Tensor) -> Tensor:
        """What this part adds to the loss of a minibatch; `old_N` are the tokens under who sampled."""

    def examples(self, batch: Batch) -> list[Credited]:
        """Every decision with its credit."""
        if self.exact:
            return self._exact(batch)
        found = []
        for played, advantages_T in self.credit(batch, list(self._groups(batch))):
            to_go_T = returns_to_go(played.rewards_T)
            for example, advantage, to_go in zip(played.examples, advantages_T, to_go_T, strict=True):
                found.append(Credited(example, float(advantage), float(to_go)))
        return found

    def _exact(self, batch: Batch) -> list[Credited]:
        """Every message of the trees, credits divided by their root mean square."""
        options, groups = self.options, list(self._groups(batch))
        worths = list(exact_worths(batch, groups, options["deep"], options["width"], options["terms"]))
        scale = float(np.sqrt(np.mean([one.credit**2 for one in worths]))) if worths else 0.0
        self.note(batch.player, "messages", float(len(worths)))
        return [
            Credited(batch.example(one.choice), one.credit / scale if scale > 1e-12 else 0.0, one.worth)
            for one in worths
        ]

    def _groups(self, batch: Batch) -> Iterator[list[Played]]:
        groups: dict[Any, list[Played]] = defaultdict(list)
        for episode in batch.episodes:
            terms = self.options["terms"] or tuple(episode.terms)
            pairs = credited(batch.env.game, episode, batch.player, terms)
            if pairs:
                key = episode.setup["task"], tuple(episode.costs.values())
                rewards_T = np.array([reward for _, reward in pairs])
                made = [choice for choice, _ in pairs]
                examples = [batch.example(choice) for choice in made]
                groups[key].append(Played(examples, rewards_T, made, episode))
        yield from groups.values()

    def fit(self, learner: Learner, examples: list[Credited], seed: int) -> dict[str, float]:
        """`epochs` passes over the decisions in minibatches; those without credit are skipped and counted."""
        skips = self.skips or self.exact
        held = [one for one in examples if one.advantage or self.options["kl"] or not skips]
        metrics = {"skipped": float(len(examples) - len(held)), "decisions": float(len(examples))}
        if not held:
            return metrics
        batch = learner.experience([one.example for one in held])
        old = sampled_logprobs(learner, batch)
        reference = self.start_of(learner).logprobs(batch).by_row() if self.options["kl"] else old
        advantages_E = torch.tensor([one.advantage for one in held], dtype=torch.float64)
        to_go_E = torch.tensor([one.to_go for one in held], dtype=torch.float64)
        divergences: list[float] = []

        def loss(scored: Scored) -> Tensor:
            rows_B, old_N = scored.rows_B.cpu(), scored.tokens(old)
            divergences.append(float(kl(scored.logprobs_N.detach(), old_N).mean()))
            advantages_B, to_go_B = (x_E[rows_B].to(scored.values_B) for x_E in (advantages_E, to_go_E))
            found = self.loss(scored, old_N, advantages_B, to_go_B)
            if self.options["kl"]:
                penalty = kl(scored.logprobs_N, scored.tokens(reference), self.options["kl_kind"]).mean()
                found = found + self.options["kl"] * scored.token_share * penalty
            return found

        rng, size = np.random.default_rng(seed), self.config.algorithm.batch_size
        steps = []
        for _ in range(self.options["epochs"]):
            order = rng.permutation(len(held))
            steps += [order[k : k + size].tolist() for k in range(0, len(order), size)]
        metrics |= learner.step(batch, loss, steps)
        tail = divergences[-len(divergences) // 10 :]
        return {**metrics, "steps": float(len(steps)), "approx_kl": float(np.mean(tail))}


class Grouped(PolicyGradient):
    """Base of those that compare the episodes of a group; one of yours defines `compare` and `loss`.

    Options: `credit`, what a decision is credited with:
        "episode": its episode's whole reward, compared within the group;
        "turn": what is paid from it on, compared with the others' decisions of the same turn;
        "branching": what it is worth in `futures` (3) simulated ones of at most `window` (2) exchanges, less
            what its point is worth (`algorithms.simulated_futures`), nothing else of the group;
        "progress": the same, and `alpha` (3) times its value to a `prover`: "start", the start policy, or
            "best-of-4" of its futures.
    For the last two, `meanings`: "own", the episode's, or "possible", all that the player cannot rule out;
    and `share` (1): of the decisions, drawn at random, that are branched from. The metric `simulated` counts
    the decisions in futures.
    """

    credits: ClassVar[tuple[str, ...]] = ("episode", "turn", "branching", "progress")
    defaults: ClassVar[dict[str, Any]] = {
        "credit": "episode",
        "futures": 3,
        "window": 2,
        "meanings": "own",
        "share": 1.0,
        "prover": "start",
        "alpha": 3.0,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose("prover", self.options["prover"], PROVERS)
        check_futures(self.options)
        if self.options["terms"] and self.options["credit"] in ("branching", "progress"):
            raise ClarifyError(
                f"terms={self.options['terms']!r}: futures earn the whole reward; give credit='episode' or "
                "'turn'"
            )

    @abstractmethod
    def compare(self, returns_G: Floats) -> Floats:
        """advantages_G of returns that are compared with each other, at least two."""

    def advantages(self, group: Sequence[Played]) -> list[Floats]:
        """advantages_T of each member of a group, by comparing them."""
        if self.options["credit"] == "episode":
            advantages_G = self.compare(np.array([played.rewards_T.sum() for played in group]))
            return [np.full(len(p.rewards_T), a) for p, a in zip(group, advantages_G, strict=True)]
        to_go = np.concatenate([returns_to_go(played.rewards_T) for played in group])
        turns = [t for played in group for t in range(len(played.rewards_T))]
        ends = np.cumsum([len(played.rewards_T) for played in group])
        return np.split(by_key(to_go, turns, self.compare), ends[:-1])

    def credit(self, batch: Batch, groups: Sequence[Sequence[Played]]) -> Iterator[tuple[Played, Floats]]:
        """Group by group."""
        if self.options["credit"] in ("episode", "turn"):
            found = [self.advantages(group) for group in groups]
        else:
            prover = self.starts[batch.player] if self.options["credit"] == "progress" else None
            options = {**self.options, "best_of": PROVERS[self.options["prover"]]}
            found, decisions = branched(batch, groups, self.learners[batch.player], prover, options)
            self.note(batch.player, "simulated", decisions)
        for group, parts in zip(groups, found, strict=True):
            yield from zip(group, parts, strict=True)


def sampled_logprobs(learner: Learner, batch: Experience) -> list[Tensor]:
    """Of each example's tokens: as recorded when they were sampled, computed where nothing was recorded."""
    missing = [e for e, recorded in enumerate(batch.recorded) if recorded is None]
    computed = iter(learner.logprobs(batch, missing).by_row() if missing else ())
    return [next(computed) if recorded is None else recorded for recorded in batch.recorded]
