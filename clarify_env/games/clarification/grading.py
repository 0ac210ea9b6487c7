"""How a selection is graded against a meaning's answers: by name, or by a function of one's own.

A grade takes the selection and the answers and gives accuracy and exact match, both in [0, 1]; it is a pure
function.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clarify_env.errors import ClarifyError, choose
from clarify_env.games import load_object
from clarify_env.games.clarification.numeric_grading import grade_numbers
from clarify_env.text import Grade, grade_exact, grade_text

GRADES: dict[str, Grade] = {"f1": grade_text, "exact": grade_exact, "numeric": grade_numbers}


_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        "\u2026": "...",
        "\u00df": "ss",
        "\u00e6": "ae",
        "\u00c6": "AE",
        "\u0153": "oe",
        "\u0152": "OE",
        "\u00f8": "o",
        "\u00d8": "O",
        "\u0142": "l",
        "\u0141": "L",
        "\u0131": "i",
    }
)


def folded(text: str) -> str:
    """`text` with dashes and quotes of ASCII, and letters without accents, so that "L’été" is "L'ete"."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text.translate(_SIGNS)).translate(_SIGNS)
    return "".join(c for c in apart if not unicodedata.combining(c))


@dataclass(frozen=True)
class Folded:
    """A grade that looks at folded texts.

    Args:
        grade: what is asked about them.
    """

    grade: Grade

    def __call__(self, selection: str, answers: Sequence[str]) -> tuple[float, float]:
        """Accuracy and exact match."""
        return self.grade(folded(selection), tuple(map(folded, answers)))


@dataclass(frozen=True)
class OwnGrade:
    """A grade of one's own, which says so where it gives anything but two numbers in [0, 1].

    Args:
        grade: the function.
        name: as it was given.
    """

    grade: Any
    name: str

    def __call__(self, selection: str, answers: Sequence[str]) -> tuple[float, float]:
        """Accuracy and exact match."""
        given = self.grade(selection, answers)
        try:
            accuracy, exact = map(float, given)
        except (TypeError, ValueError):
            accuracy = exact = -1.0
        if not (0.0 <= accuracy <= 1.0 and 0.0 <= exact <= 1.0):
            raise ClarifyError(
                f"grade {self.name}: gives {given!r:.80} for {selection[:40]!r}; two numbers in [0, 1], "
                "accuracy and exact match, are needed"
            )
        return accuracy, exact


def grading(grade: Any = "f1", fold: bool = False) -> Grade:
    """The grade of this name.

    Args:
        grade: "f1" (token F1 of SQuAD, arXiv 1606.05250), "exact", "numeric" (arXiv 2105.07624),
            "module:function", or a function.
        fold: whether it is to see texts with plain dashes and quotes, and without accents.

    Raises:
        ClarifyError: there is no such grade, or it is no function.
    """
    if isinstance(grade, str) and ":" not in grade:
        found = GRADES[choose("grade", grade, GRADES)]
    else:
        own = load_object(grade) if isinstance(grade, str) else grade
        if not callable(own):
            raise ClarifyError(
                f"grade={grade!r:.80}: give a function, module:function, or {', '.join(GRADES)}"
            )
        found = OwnGrade(own, grade if isinstance(grade, str) else getattr(own, "__name__", repr(own)))
    if not isinstance(fold, bool):
        raise ClarifyError(f"fold={fold!r:.80}: true or false")
    return Folded(found) if fold else found
