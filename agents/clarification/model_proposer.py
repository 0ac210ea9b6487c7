"""`ModelProposer`: candidate moves sampled from any agent, so that `MoveScorer` makes it follow the costs.

A model behind an API that can be prompted but not trained becomes steerable this way: it proposes, a small
network chooses. While proposing, the model is shown several pairs of costs in turn, whatever the costs of
the day: the corners and the centre of a grid, so that its candidates range from cheap to dear. A point's
candidates are a function of the dialogue and the seed, as far as the model's messages are one of its
observations and generators; they are drawn once and kept, so that they never depend on costs or on luck.
"""

import json
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from clarify_env.agent import Decision, Failed, NoMove, Observation
from clarify_env.agents.clarification.move_scorer import Dialogue
from clarify_env.agents.clarification.prompts import AskerPrompt
from clarify_env.errors import ClarifyError, Unreadable
from clarify_env.games.clarification.game import SEEN, Answer, Ask, Costs, Enumerate
from clarify_env.moves import Move
from clarify_env.rollout import Player, decide

SPREAD = tuple(SEEN)[::2]  # its corners and its middle


class ModelProposer:
    """Proposes what an agent would say, and where there are notes the likeliest meaning's usual answer.

    At a point without notes where all samples were dropped, it proposes to answer nothing.

    `stats` counts points, samples, and the samples that were dropped: unreadable, empty,
    repeated, or no move of an asker (failed).

    Args:
        agent: anything that acts as an asker, such as a language model; moves and messages both count.
        samples: messages sampled a point, >= 1.
        costs: what the agent is shown, one pair a sample in turn; by default `SPREAD`.
        seed: of the generators that the agent draws from, >= 0.
        keep: points whose candidates are kept, >= 1; others are sampled anew, to the same moves.

    Raises:
        ClarifyError: a number out of range, or no costs; later on, the agent fails at all samples of a batch.
    """

    def __init__(
        self,
        agent: Player,
        samples: int = 10,
        costs: Sequence[Costs] = SPREAD,
        seed: int = 0,
        keep: int = 200_000,
    ) -> None:
        if samples < 1 or keep < 1 or seed < 0 or not costs:
            raise ClarifyError(
                f"ModelProposer(samples={samples!r}, keep={keep!r}, seed={seed!r}) with {len(costs)} pairs "
                "of costs: at least 1, 1, 0 and 1"
            )
        self.agent = agent
        self.samples = samples
        self.costs = tuple(np.array(costs[k % len(costs)], dtype=np.float64) for k in range(samples))
        self.seed = seed
        self.keep = keep
        self.stats = dict.fromkeys(("points", "samples", "unreadable", "empty", "repeated", "failed"), 0)
        self._kept: OrderedDict[bytes, tuple[Move, ...]] = OrderedDict()

    def propose(self, dialogue: Dialogue) -> list[Move]:
        """The candidates at a point of a dialogue."""
        return self.propose_all([dialogue])[0]

    def propose_all(self, dialogues: Sequence[Dialogue]) -> list[list[Move]]:
        """The candidates at several points, those that are not known yet sampled in one batch."""
        keys = [_key(dialogue) for dialogue in dialogues]
        new = {key: at for key, at in zip(keys, dialogues, strict=True) if key not in self._kept}
        found = {key: self._kept[key] for key in keys if key in self._kept} | self._sampled(new)
        for key in keys:
            self._kept[key] = found[key]
            self._kept.move_to_end(key)
        while len(self._kept) > self.keep:
            self._kept.popitem(last=False)
        return [list(found[key]) for key in keys]

    def _sampled(self, dialogues: dict[bytes, Dialogue]) -> dict[bytes, tuple[Move, ...]]:
        """Fresh candidates of each of these points, by its key."""
        shown = [_view(dialogue, costs) for dialogue in dialogues.values() for costs in self.costs]
        rngs = [
            np.random.default_rng((self.seed, k, *np.frombuffer(key, dtype=np.uint32).tolist()))
            for key in dialogues
            for k in range(self.samples)
        ]
        made = decide("asker", self.agent, shown, rngs) if shown else []
        failed = [one.move.reason for one in made if isinstance(one.move, Failed)]
        if failed and len(failed) == len(made):
            raise ClarifyError(f"ModelProposer: the agent failed at all {len(made)} samples: {failed[0]}")
        moves = [self._read(one, seen) for one, seen in zip(made, shown, strict=True)]
        self.stats["points"] += len(dialogues)
        self.stats["samples"] += len(moves)
        found = {}
        for n, (key, dialogue) in enumerate(dialogues.items()):
            own = [move for move in moves[n * self.samples : (n + 1) * self.samples] if move is not None]
            distinct: dict[Move, None] = dict.fromkeys(own)
            self.stats["repeated"] += len(own) - len(distinct)
            if dialogue.notes:
                likeliest = dialogue.notes[int(np.argmax(dialogue.chances))]
                distinct[Answer(likeliest.answers[0])] = None
            found[key] = tuple(distinct) or (Answer(""),)
        return found

    def _read(self, decision: Decision, observation: Observation) -> Move | None:
        """The decided move, None where it is none that an asker can make or says nothing."""
        move = decision.move
        if isinstance(move, str):
            try:
                move = AskerPrompt().read(move, observation)
            except Unreadable as error:
                move = NoMove(str(error))
        if isinstance(move, NoMove):
            self.stats["unreadable"] += 1
            return None
        if not isinstance(move, (Ask, Answer, Enumerate)):
            self.stats["failed"] += 1
            return None
        if not move.text.strip():
            self.stats["empty"] += 1
            return None
        return move


def _view(dialogue: Dialogue, costs: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Observation:
    """What an asker at this point sees under these costs."""
    return {
        "role": "clarification/asker",
        "question": dialogue.question,
        "notes": dialogue.notes,
        "context": dialogue.context,
        "document": dialogue.document,
        "costs": costs,
        "transcript": dialogue.transcript,
        "action_mask": np.array([0, 1, 1, 1], dtype=np.int8),
    }


def _key(dialogue: Dialogue) -> bytes:
    """A hash of the dialogue, the same in every process."""
    turns = [(turn.player, turn.move.kind, turn.move.to_data()) for turn in dialogue.transcript]
    texts = [dialogue.context, dialogue.document] if dialogue.context or dialogue.document else []
    data = json.dumps([dialogue.question, dialogue.notes, turns, *texts], ensure_ascii=True)
    return sha256(data.encode()).digest()
