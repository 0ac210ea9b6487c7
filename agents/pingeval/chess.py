"""Scripted partners of `pingeval-chess-v0`: they count what a game of chess cannot bring back.

Pieces are captured and never return; pawns are captured or promoted; castling rights are lost; and while
nothing is captured or promoted, pawns only advance. Each of these tells exactly which position came earlier.
Where all are equal, what is left is a guess by the pieces that stand where they began.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from clarify_env.agent import Observation
from clarify_env.agents.pingeval.partner import Draft, Partner, fitting, heard, partner_view, said
from clarify_env.errors import ClarifyError, choose
from clarify_env.games.pingeval.game import PLAYERS

EARLIER = {"pieces": 1, "pawns": 1, "rights": 1, "steps": -1, "home": 1}  # the sign of what came earlier


TYPICAL = 16.5  # a partner with more pieces guesses that its position came earlier; of the generated games


_HOME = ("RNBQKBNR", "rnbqkbnr")


_SAID = re.compile(r"([a-z]+) ([0-9]+)")


@lru_cache(maxsize=10_000)
def counts(position: str) -> dict[str, int]:
    """What is counted of a position.

    Args:
        position: as `clarify_env.games.pingeval.chess.position` writes it.

    Returns:
        `pieces` (pawns and kings too), `pawns`, `rights` (to castle), `steps` (ranks that the pawns have
        advanced), `home` (pieces on the rank, and of the kind, that they began with).
    """
    board, _, rights = position.partition(" ")
    rows = ["".join("." * int(c) if c.isdigit() else c for c in row) for row in board.split("/")]
    if len(rows) != 8 or any(len(row) != 8 for row in rows):
        raise ClarifyError(f"position={position!r:.80}: eight ranks with / between them, as in FEN")
    pieces = sum(c != "." for row in rows for c in row)
    pawns = sum(c in "Pp" for row in rows for c in row)
    steps = sum((6 - k) * row.count("P") + (k - 1) * row.count("p") for k, row in enumerate(rows))
    home = sum(
        a == b
        for row, own in zip((rows[7], rows[0]), _HOME, strict=True)
        for a, b in zip(row, own, strict=True)
    )
    castle = sum(c in "KQkqABCDEFGHabcdefgh" for c in rights)
    return {"pieces": pieces, "pawns": pawns, "rights": castle, "steps": steps, "home": home}


def told_counts(texts: Sequence[str], keys: Sequence[str] = tuple(EARLIER)) -> dict[str, int]:
    """The counts that messages tell, as "pieces 27", or the k-th one as a bare number by the k-th message."""
    found = {key: int(n[:6]) for text in texts for key, n in _SAID.findall(text) if key in EARLIER}
    bare = zip(keys, texts, strict=False)
    return found | {key: int(text[:6]) for key, text in bare if re.fullmatch(r"[0-9]+", text)}


def evidence(
    own: Mapping[str, int], theirs: Mapping[str, int], keys: Sequence[str] = tuple(EARLIER)
) -> tuple[float, bool]:
    """For the own position being the earlier one: 1, -1, or 0 where nothing is known; and whether it decides.

    It is the first count that differs, in the order of `keys`, and decides where all before it are known.
    """
    decides = True
    for key in keys:
        if key not in theirs:
            decides = False
        elif own[key] != theirs[key]:
            return math.copysign(1.0, (own[key] - theirs[key]) * EARLIER[key]), decides
    return 0.0, False


class SideGuesser(Partner):
    """The floor: proposes "left" without a word; the other agrees."""

    entry = "position"

    def answer(self, observation: Observation) -> Draft:
        """Always the same, and certain enough to say nothing."""
        return PLAYERS[0], True

    def message(self, observation: Observation, share: int) -> str:
        """Nothing."""
        return ""


class Counter(Partner):
    """Tells some counts, in order, as many a message as it has words for; the other compares and proposes.

    Args:
        keys: of `EARLIER`; by default the number of pieces alone. With all of them it is the ceiling by rule:
            exact wherever one but `home` differs.
    """

    entry = "position"

    def __init__(self, keys: Sequence[str] = ("pieces",)) -> None:
        super().__init__(0)
        self.keys = tuple(choose("key", key, EARLIER) for key in keys)

    def answer(self, observation: Observation) -> Draft:
        """By the first count that differs and of which all before it are known to be equal."""
        me, own = observation["me"], counts(observation["position"])
        other = PLAYERS[1 - PLAYERS.index(me)]
        both = partner_view(observation, "position")
        theirs = told_counts(heard(observation), self.keys) if both is None else counts(both)
        for_me, decided = evidence(own, theirs, self.keys)
        if decided:
            return (me if for_me > 0 else other), True
        if all(key in theirs for key in self.keys):
            return PLAYERS[0], True  # all are equal: nothing more will be learnt
        return (me if own["pieces"] > TYPICAL else other), False

    def message(self, observation: Observation, share: int) -> str:
        """The next counts, as "pieces 27"; where a message has one word, the number of the next one."""
        own, past = counts(observation["position"]), said(observation)
        if share == 1:
            return "".join(str(own[key]) for key in self.keys[len(past) :][:1])
        left = [f"{key} {own[key]}" for key in self.keys if key not in " ".join(past)]
        return " ".join(fitting(left, share))
