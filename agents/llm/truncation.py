"""Shortens an observation whose prompt is too long for a model."""

from collections.abc import Callable, Sequence

from clarify_env.agent import Observation
from clarify_env.errors import ClarifyError
from clarify_env.game import Turn
from clarify_env.moves import TextMove

CUT = "[cut here: too long]"


_LEAST = 32  # words that every message of the dialogue keeps


def fit(observation: Observation, length: Callable[[Observation], int], limit: int, who: str) -> Observation:
    """Shorten the observation until its prompt has at most `limit` tokens.

    Words are cut off the end of the document first, then off the beginning of the context, then off the ends
    of the longest messages of the dialogue, which keep 32 words each. Then notes are dropped, the least
    likely first. `CUT` marks where a text was cut. Question and costs are never shortened.

    Args:
        observation: of the player on turn.
        length: counts the tokens of an observation's prompt.
        limit: the most tokens that the prompt may have, >= 1.
        who: the model's name, for the error.

    Raises:
        ClarifyError: the prompt is still too long with everything cut that may be cut.
    """
    if length(observation) <= limit:
        return observation
    words = str(observation.get("document", "")).split()
    before = str(observation.get("context", "")).split()
    turns = tuple(observation.get("transcript", ()))
    longest = max((len(t.move.text.split()) for t in turns if isinstance(t.move, TextMove)), default=0)
    notes = tuple(sorted(observation.get("notes", ()), key=lambda note: (-note.weight, note.text)))
    cuts: list[tuple[str, int, Callable[[int], object]]] = [
        ("document", len(words), lambda n: " ".join([*words[:n], CUT])),
        ("context", len(before), lambda n: " ".join([CUT, *before[len(before) - n :]])),
        ("transcript", longest - _LEAST, lambda n: _cut(turns, _LEAST + n)),
        ("notes", len(notes), lambda n: notes[:n]),
    ]
    shorter = dict(observation)

    def made_to_fit(key: str, most: int, cut: Callable[[int], object]) -> bool:
        kept = _most(most, lambda n: length({**shorter, key: cut(n)}) <= limit)
        shorter[key] = cut(max(0, kept))
        return kept >= 0

    for key, most, cut in cuts:
        if most > 0 and made_to_fit(key, most, cut):
            return shorter
    raise ClarifyError(
        f"{who}: the prompt has {length(shorter):,} tokens with all cut that may be; the limit is {limit:,}"
    )


def _cut(turns: Sequence[Turn], words: int) -> tuple[Turn, ...]:
    """The turns, with every message cut after so many words."""
    return tuple(
        turn._replace(move=type(turn.move)(" ".join([*turn.move.text.split()[:words], CUT])))
        if isinstance(turn.move, TextMove) and len(turn.move.text.split()) > words
        else turn
        for turn in turns
    )


def _most(count: int, fits: Callable[[int], bool]) -> int:
    """The greatest n <= count for which `fits(n)` holds, or -1; where n fits, every smaller n fits too."""
    low, high = -1, count
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
