"""`MoveScorer`: a small network that chooses among proposed moves under the costs it is told.

Any black box that proposes moves becomes steerable this way, without touching its weights: the proposer
does not look at the costs, the scorer does nothing else. Only importing this module loads torch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from clarify_env.agent import Observation
from clarify_env.agents.policy import Floats, ScoreNetwork, SoftmaxPolicy
from clarify_env.agents.proposer import FEATURES, BatchProposer, Dialogue, NoteProposer, Proposer, describe
from clarify_env.moves import Move

COSTS = 6  # inputs made of costs and features together
SHARED = ("now_accuracy", "now_words", "belief", "entropy", "notes", "asked")  # by all candidates of a point
_AT = {name: i for i, name in enumerate(FEATURES)}
_CONTEXT = [_AT[name] for name in SHARED]


class Network(ScoreNetwork):
    """Scores of moves from their features and the costs, with what the costs make of some features.

    Args:
        hidden: units of each hidden layer.
        seed: of the initial weights.
    """

    def __init__(self, hidden: int = 64, seed: int = 0) -> None:
        super().__init__(len(FEATURES) + COSTS, hidden, seed)

    def inputs(self, features_R_F: Tensor, costs_R_K: Tensor) -> Tensor:
        """inputs_R_I: of R moves, each under its own (turn, word) costs."""
        turn, word = costs_R_K.unbind(1)
        ask, final = features_R_F[:, _AT["is_ask"]], 1.0 - features_R_F[:, _AT["is_ask"]]
        words, after = features_R_F[:, _AT["words"]], features_R_F[:, _AT["after_words"]]
        mixed = torch.stack(
            [
                torch.log10(turn + 1e-3),
                torch.log10(word + 1e-4),
                10.0 * turn * ask,
                100.0 * word * words,
                final * (features_R_F[:, _AT["accuracy"]] - 10.0 * word * words),
                ask * (features_R_F[:, _AT["after_accuracy"]] - 10.0 * word * after - turn),
            ],
            dim=1,
        )
        return torch.cat([features_R_F, mixed], dim=1)


class MoveScorer(SoftmaxPolicy[Dialogue]):
    """An asker that scores proposed moves with `Network` and plays one of them.

    Args:
        network: of the scores; a fresh one by default.
        proposer: lists the candidates; by default from the notes.
        greedy: play the best-scored move, rather than one drawn by softmax of the scores.
        seed: of the initial weights and the agent's own generator.
    """

    context_size = len(SHARED)

    def __init__(
        self,
        network: Network | None = None,
        proposer: Proposer | None = None,
        greedy: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(network or Network(seed=seed), greedy, seed)
        self.proposer = proposer or NoteProposer()

    def key(self, observation: Observation) -> Dialogue:
        """The point of the dialogue, its notes in canonical order."""
        return Dialogue.of(observation, "MoveScorer")

    def moves(self, key: Dialogue) -> Sequence[Move]:
        """What the proposer lists."""
        return self.proposer.propose(key)

    def describe(self, key: Dialogue, moves: Sequence[Move]) -> Floats:
        """features_M_F, in the order of `FEATURES`."""
        return describe(key, moves)

    def context(self, key: Dialogue, features_M_F: Floats) -> Floats:
        """The features of `SHARED`, which any candidate has."""
        return features_M_F[0, _CONTEXT]

    def prepare(self, keys: Sequence[Dialogue]) -> None:
        """A batch proposer samples for all new points at once, and keeps it."""
        if isinstance(self.proposer, BatchProposer):
            self.proposer.propose_all(keys)
