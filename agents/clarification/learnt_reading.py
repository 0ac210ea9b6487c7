"""`PairedScorer`: the small asker of a pair, which learns how its user is to be read as well as what to do.

`MoveScorer` reads every reply as the scripted user's. Here each candidate is described once under each
reading (`conventions.READINGS`), and the network learns which reading to trust: it works on the mean of the
descriptions under weights that are learnt. Only importing this module loads torch.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clarify_env.agents.clarification.conventions import READINGS
from clarify_env.agents.clarification.move_scorer import (
    FEATURES,
    SHARED,
    Asking,
    MoveScorer,
    Network,
    NoteProposer,
    describe,
)
from clarify_env.arrays import Floats
from clarify_env.games.clarification.game import Ask
from clarify_env.games.clarification.scripted_user import UserModel
from clarify_env.moves import Move


class PairedNetwork(Network):
    """The scores of `Network`, from features under each reading, mixed by the trust in it.

    Args:
        hidden, seed: as of `Network`.
    """

    def __init__(self, hidden: int = 64, seed: int = 0) -> None:
        super().__init__(hidden, seed, more=1)
        self.trust = torch.nn.Parameter(torch.zeros(len(READINGS), dtype=torch.float64))

    def inputs(self, features_R_F: Tensor, costs_R_K: Tensor) -> Tensor:
        """inputs_R_I: those of `Network`, and what a question is worth whose reply tells all."""
        parts_R_X_F = features_R_F[:, :-1].reshape(len(features_R_F), len(READINGS), -1)
        mixed_R_F = (self.trust.softmax(0)[None, :, None] * parts_R_X_F).sum(1)
        turn_R, word_R = costs_R_K.unbind(1)
        is_ask_R = mixed_R_F[:, FEATURES.index("is_ask")]
        told_R = is_ask_R * (1.0 - 10.0 * word_R * features_R_F[:, -1] - turn_R)
        return torch.cat([super().inputs(mixed_R_F, costs_R_K), told_R[:, None]], dim=1)


class PairedScorer(MoveScorer):
    """An asker that scores proposed moves under each reading of the replies.

    Args:
        hidden: units of each hidden layer.
        candidates: as of `NoteProposer`.
        seed: of the initial weights and the agent's own generator.
    """

    context_size = len(SHARED) * len(READINGS)

    def __init__(self, hidden: int = 64, candidates: str = "optimal", seed: int = 0) -> None:
        super().__init__(PairedNetwork(hidden, seed), NoteProposer(candidates), seed=seed)
        self.candidates = candidates

    def _read(self, key: Asking) -> dict[bytes, list[Asking]]:
        """The point under each reading; those that lead to the same belief together."""
        alike: dict[bytes, list[Asking]] = {}
        for reading in READINGS:
            read = key._replace(user=reading)
            alike.setdefault(read.chances.tobytes(), []).append(read)
        return alike

    def moves(self, key: Asking) -> Sequence[Move]:
        """What is proposed under any reading, questions first."""
        read = self._read(key).values()
        found = dict.fromkeys(move for one, *_ in read for move in self.proposer.propose(one))
        return sorted(found, key=lambda move: not isinstance(move, Ask))

    def describe(self, key: Asking, moves: Sequence[Move]) -> Floats:
        """features_M_F: those of `MoveScorer` under each reading, and words once the meaning is known."""
        described: dict[UserModel, Floats] = {}
        for alike in self._read(key).values():
            rows = describe(alike[0], moves, self.candidates)
            described |= {one.user: rows for one in alike}
        parts = [described[reading] for reading in READINGS]
        words = np.array([len(note.answers[0].split()) for note in key.notes]) / 10.0
        known = np.full((len(moves), 1), words @ [note.weight for note in key.notes])
        return np.concatenate([*parts, known], axis=1)

    def context(self, key: Asking, features_M_F: Floats) -> Floats:
        """The features of `SHARED` under each reading."""
        at = [FEATURES.index(name) for name in SHARED]
        return np.concatenate(
            [features_M_F[0, k * len(FEATURES) + np.array(at)] for k in range(len(READINGS))]
        )
