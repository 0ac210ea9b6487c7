"""`csp-v1`: collaborative self-play in which helpers have to learn what they know.

The rules are those of `clarify_env.games.csp.game`, with silence and a price for each text that a helper
gives. What is true, how familiar each helper is with it, what its memory holds and what its tool finds is
fixed for every question (`clarify_env.games.csp.recall_world`); an episode draws the recalls and who is heard
first. A helper is told how familiar a thing is and what it recalls, never how reliable that is. An answer is
right or wrong: several names are no answer. Version history: v1, beside v0.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self

from gymnasium.spaces import Space

from clarify_env.costs import CostSampler
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import Term, frozen
from clarify_env.games.csp.game import CollaborationGame, State, pinned_order
from clarify_env.games.csp.recall_world import (
    FAMILIARITY,
    MATCHES,
    RecallQuestion,
    RecallWorld,
    recall_questions,
    recalled,
)
from clarify_env.games.csp.records import MARKS, FoundPassage, Recall, RecallCosts, Silent
from clarify_env.games.csp.world import Archive, statement
from clarify_env.spaces import Records, UnicodeText
from clarify_env.text import grade_exact


class Recalled(NamedTuple):
    """What nature drew.

    Args:
        recalls: of each helper the values that came to its mind.
        told: of each helper how familiar it is told to be; its own familiarity unless that is shuffled.
        order: helpers in the order in which the asker sees their answers.
    """

    recalls: tuple[tuple[int, ...], ...]
    told: tuple[int, ...]
    order: tuple[int, ...]


class RecallGame(CollaborationGame):
    """The game in which helpers recall; see the module's docstring.

    Args:
        tasks: the questions.
        archive: in which the tools look the question up.
        costs: anything with `sample(rng)` that gives `RecallCosts`.
        helpers: who plays, by their numbers in the questions.
        searches: that each helper may make, 0 or 1.
        silent: whether helpers may be silent.
        shuffled: whether helpers are told the familiarity of another question.
        world: how reliable helpers are.
    """

    terms: ClassVar[Mapping[str, Term]] = {
        "accuracy": Term("accuracy"),
        "search_cost": Term("searches", "search"),
        "say_cost": Term("texts", "say"),
        "word_cost": Term("words", "word"),
        "wrong_cost": Term("wrong", "wrong"),
    }
    family: ClassVar[str] = "csp-recall"
    costs_type: ClassVar[type[Any]] = RecallCosts
    options: ClassVar[tuple[str, ...]] = ("task", *Recalled._fields, "costs")
    counted: ClassVar[tuple[str, ...]] = ("accuracy", "searches", "texts", "words", "wrong", "exact")

    def __init__(
        self,
        tasks: Sequence[RecallQuestion],
        archive: Archive[RecallQuestion],
        costs: Any,
        helpers: tuple[int, ...] = (0, 1),
        searches: int = 1,
        silent: bool = True,
        shuffled: bool = False,
        world: RecallWorld | None = None,
    ) -> None:
        answers = (*MARKS, Silent) if silent else MARKS
        super().__init__(tasks, len(helpers), costs, True, searches, grade_exact, answers)
        self.archive, self.silent, self.shuffled = archive, silent, shuffled
        self.numbers = helpers
        self.world = world or RecallWorld()
        self.draws = len(helpers) * (self.world.recalls + 2)

    def draw(self, task: RecallQuestion, draws: Sequence[float]) -> Recalled:
        """Recalls, familiarity, and order, from `draws` numbers."""
        count, each = len(self.numbers), self.world.recalls
        recalls, told = [], []
        for k, number in enumerate(self.numbers):
            mind = task.minds[number]
            recalls.append(recalled(self.world, mind, task.truth, draws[k * each : (k + 1) * each]))
            told.append(self._familiarity(draws[count * each + k]) if self.shuffled else mind.familiarity)
        order = sorted(range(count), key=draws[count * (each + 1) :].__getitem__)
        return Recalled(tuple(recalls), tuple(told), tuple(order))

    def _familiarity(self, left: float) -> int:
        """That of a question drawn at random."""
        for degree, share in enumerate(self.world.familiarity[:-1]):
            if left < share:
                return degree
            left -= share
        return len(self.world.familiarity) - 1

    def pinned(self, drawn: Recalled, options: Mapping[str, Any], task: RecallQuestion) -> Recalled:
        """`drawn`, but for what the options say; raises ClarifyError for what nature could not have drawn."""
        count = len(self.numbers)
        given: dict[str, Any] = {}
        for name in Recalled._fields:
            value = options.get(name)
            if value is None:
                continue
            if name == "order":
                given[name] = pinned_order(value, count)
                continue
            if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
                raise ClarifyError(f"options[{name!r}]={value!r}: a list of {count}, one for each helper")
            if name == "told" and not set(value) <= set(range(len(FAMILIARITY))):
                raise ClarifyError(f"options['told']={value!r}: degrees from 0 to {len(FAMILIARITY) - 1}")
            given[name] = tuple(tuple(one) if isinstance(one, Sequence) else one for one in value)
        for one in given.get("recalls", ()):
            lengths, values = (0, self.world.recalls), set(range(len(task.values)))
            if not isinstance(one, tuple) or len(one) not in lengths or not set(one) <= values:
                told = f"none or {self.world.recalls} of the values 0 to {len(task.values) - 1}"
                raise ClarifyError(f"options['recalls']={options['recalls']!r}: for each helper {told}")
        return drawn._replace(**given)

    def known_at_start(
        self, task: RecallQuestion, drawn: Recalled, costs: RecallCosts
    ) -> dict[str, dict[str, Any]]:
        """Each player's observation at the start, but for its transcript and passages."""
        shared = {"question": task.text, "topic": task.topic, "costs": frozen(costs)}
        known: dict[str, dict[str, Any]] = {"asker": shared}
        for name, recalls, told in zip(self.helpers, drawn.recalls, drawn.told, strict=True):
            texts = [task.values[value][0] for value in recalls]
            listed = ", ".join(texts) or "nothing"
            known[name] = {
                **shared,
                "familiarity": FAMILIARITY[told],
                "recalls": tuple([tuple.__new__(Recall, (text,)) for text in texts]),
                "profile": f"To you this is {FAMILIARITY[told]}. What comes to your mind: {listed}.",
            }
        return known

    def find(self, state: State, helper: int, query: str, search: int) -> list[FoundPassage]:
        """What the helper's tool has on the question that the query names best."""
        for nearest in self.archive.near(query, 1):
            own = nearest.id == state.task.id
            asked = state.task if own else nearest
            lead = asked.leads[self.numbers[helper]]
            if lead.value >= 0:
                match = MATCHES[lead.match] if own else "loose"
                agreeing = state.drawn.recalls[helper].count(lead.value) if own else 0
                return [tuple.__new__(FoundPassage, (statement(asked, lead.value), search, match, agreeing))]
        return []

    def truth(self, state: State) -> Sequence[str]:
        """As it is fixed for the question."""
        values: Sequence[str] = state.task.values[state.task.truth]
        return values

    def only(self, helper: int, searches: int | None = None) -> Self:
        """The game with this helper and no other."""
        most = self.searches if searches is None else searches
        own = (self.numbers[helper],)
        return type(self)(
            self.tasks, self.archive, self.costs, own, most, self.silent, self.shuffled, self.world
        )

    def helper_spaces(self) -> dict[str, Space[Any]]:
        """familiarity, recalls and passages."""
        return {"familiarity": UnicodeText(), "recalls": Records(Recall), "passages": Records(FoundPassage)}

    def setup(self, state: State) -> dict[str, Any]:
        """The question's id, what nature drew, and the texts that a reader of the transcript needs."""
        return {
            "task": state.task.id,
            "recalls": [list(values) for values in state.drawn.recalls],
            "told": list(state.drawn.told),
            "order": list(state.drawn.order),
            "question": state.task.text,
            "answers": list(self.truth(state)),
        }

    def plant(self, state: State) -> tuple[State, Mapping[str, Sequence[str]]]:
        """Marked answers: a helper may see those that it recalls, the asker none before it is said."""
        texts = [f"planted answer {i}" for i in range(len(state.task.values))]
        hidden = {"asker": texts}
        for name, recalls in zip(self.helpers, state.drawn.recalls, strict=True):
            hidden[name] = [text for i, text in enumerate(texts) if i not in recalls]
        task = state.task._replace(values=tuple((text,) for text in texts))
        return self.anew(state, task, state.drawn), hidden


@lru_cache(maxsize=8)
def recall_archive(split: str, size: int | None, world: int) -> Archive[RecallQuestion]:
    """The archive of a split's questions."""
    return Archive(recall_questions(split, size, world))


def make_recall(
    costs: CostSampler,
    split: str = "train",
    size: int | None = None,
    world: int = 0,
    helpers: int = 2,
    searches: int = 1,
    silent: bool = True,
    shuffled: bool = False,
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`csp-v1`; see the module's docstring.

    Args:
        costs: the costs of each episode, `RecallCosts`.
        split: "train" (1600 questions), "validation" or "test" (400 each).
        size: number of questions, a multiple of 4; by default all.
        world: seed of the world, >= 0.
        helpers: 2, or 1 for the first alone.
        searches: that each helper may make, 0 or 1.
        silent: whether helpers may be silent.
        shuffled: whether helpers are told the familiarity of another question, as an ablation.
        render_mode: None or "ansi".
    """
    if helpers not in (1, 2):
        raise ClarifyError(f"helpers={helpers!r}: csp-v1 has 1 or 2 of them")
    if searches not in (0, 1):
        raise ClarifyError(f"searches={searches!r}: in csp-v1 a helper may search once (1) or not at all (0)")
    asked, stored = recall_questions(split, size, world), recall_archive(split, size, world)
    who = tuple(range(helpers))
    game = RecallGame(asked, stored, costs, who, searches, silent, shuffled)
    return GameEnv(game, "csp-v1", render_mode=render_mode)
