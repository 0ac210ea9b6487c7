"""The best final message for a belief: which words to say, and how to divide an enumeration.

Saying one text. For a text of m tokens, token F1 with an answer of length L is 2 * overlap / (m + L), so the
expected accuracy is a sum over the chosen tokens: the k-th copy of token t earns
sum_i p_i 2 [answer i holds t k times] / (m + L_i). Later copies earn no more than earlier ones, hence the m
best entries are the exact optimum over *all* texts of m tokens. Where meanings have several aliases, the same
is done for one alias a meaning, for some assignments of aliases, and each text found, as well as each alias
itself, counts with its F1 against all of them. What a text costs are its words (`clarify_env.text.words`),
of which a token such as "5m" has two: there the m best entries need not be the cheapest, and what is claimed
is a lower bound.

A game may grade otherwise (`numbers`). An alias whose tokens earn just their token F1, alone and as its
beginnings, is taken to be graded by its tokens; any other counts only as a whole, with what the grade gives
it for each meaning.

Enumerating. A list of options is a decision list: each meaning takes the first option whose label fits
(`usermodel.pick`), so the best list is found by dynamic programming over the set of meanings that are not
served yet. With facts, labels are conjunctions of values and the optimum over all messages is exact. With
text alone, labels are one or two words of the meanings. F1 prefers what the question lacks to the question's
own words, hence labels of one of its words come last. Two words that both fit it prefers to one, and one to
two of which only one fits; hence two-word labels come first, and only in lists without the question's
words that leave nobody unserved, who would otherwise take an option by half of its label. Beside these stands
the list of all meanings under labels as long as it takes to tell them apart. So what is claimed of a message
is what it earns; over all messages it is a lower bound, the *ceiling* of AmbigQA.

Labels of an enumeration: which of a question's meanings each fits, and in which orders they can stand.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from clarify_env.arrays import Floats, Ints
from clarify_env.games.clarification.game import Enumerate
from clarify_env.games.clarification.scripted_user import pick
from clarify_env.games.clarification.task import Interpretation
from clarify_env.moves import Answer
from clarify_env.text import Grade, apart, grade_text, stems, tokens, words

OTHERWISE = "otherwise"
T = TypeVar("T")


class Label(NamedTuple):
    """A label: the set of meanings that it fits (a bit mask), its length and its text."""

    fits: int
    words: int
    text: str


def _label(fits: int, text: str) -> Label:
    return Label(fits, words(text), text)


class Plan(NamedTuple):
    """A form of enumeration: labels by stage, and whether every meaning has to be served."""

    stages: tuple[list[Label], ...]
    complete: bool


def plans(meanings: Sequence[Interpretation], question: str = "") -> list[Plan]:
    """The forms of enumeration that are tried for these meanings of a question."""
    if meanings[0].facts:
        return [Plan((_fact_labels(meanings),), False)]
    twos, ones, known = _word_labels(meanings, question)
    longs = _long_labels(meanings, question)
    return [Plan((ones, known), False), Plan((twos, ones), True), Plan((longs,), True)]


def _cheapest(found: Sequence[Label]) -> list[Label]:
    best: dict[int, Label] = {}
    for label in found:
        if label.fits and (label.fits not in best or best[label.fits].words > label.words):
            best[label.fits] = label
    return list(best.values())


def _fact_labels(meanings: Sequence[Interpretation]) -> list[Label]:
    """Conjunctions of at most one value a fact; no value at all fits everyone and takes one word."""
    columns = list(zip(*(m.facts for m in meanings), strict=True))
    full = (1 << len(meanings)) - 1
    found = []
    for values in product(*([None, *dict.fromkeys(fact.value for fact in column)] for column in columns)):
        fits = full
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                fits &= sum(1 << i for i, fact in enumerate(column) if fact.value == value)
        named = [value for value in values if value is not None] or [OTHERWISE]
        found.append(_label(fits, " ".join(named)))
    return _cheapest(found)


def _word_labels(
    meanings: Sequence[Interpretation], question: str
) -> tuple[list[Label], list[Label], list[Label]]:
    """Labels of two words and of one that the meanings add to the question, and of one that it has itself."""
    known = set(stems(question))
    held: dict[str, int] = {}
    twice: dict[str, int] = {}
    written: dict[str, str] = {}
    for i, meaning in enumerate(meanings):
        for word in _words(meaning.text):
            written.setdefault(stems(word)[0], word)
        for stem, copies in Counter(stems(meaning.text)).items():
            held[stem] = held.get(stem, 0) | 1 << i
            if copies > 1 and stem not in known:
                twice[stem] = twice.get(stem, 0) | 1 << i
    old, ones = (
        _cheapest([_label(fits, written[stem]) for stem, fits in held.items() if (stem in known) is asked])
        for asked in (True, False)
    )
    single = {label.fits for label in ones}
    twos = [_label(a.fits & b.fits, f"{a.text} {b.text}") for a, b in combinations(ones, 2)]
    twos += [_label(fits, f"{written[stem]} {written[stem]}") for stem, fits in twice.items()]
    return _cheapest([label for label in twos if label.fits not in single]), ones, old


def _words(text: str) -> list[str]:
    """The tokens of a text, with joined words taken apart: one stem each."""
    return [token for token in tokens(apart(text)) if stems(token)]


def _long_labels(meanings: Sequence[Interpretation], question: str) -> list[Label]:
    """One label a meaning: its own words, less those that can go without changing who takes which option."""
    spoken = {tuple(sorted(stems(m.text))): _words(m.text) for m in meanings}
    labels = [label for label in spoken.values() if label]
    if not labels:
        return []

    def taken() -> list[int | None]:
        options = [(" ".join(label), "") for label in labels]
        return [pick(options, meaning.text, (), question) for meaning in meanings]

    frequent = Counter(token for label in labels for token in label)
    intended = taken()
    for label in labels:
        for token in sorted(label, key=lambda token: -frequent[token]):
            before = label.copy()
            label.remove(token)
            if not label or taken() != intended:
                label[:] = before
    fits = [sum(1 << i for i, at in enumerate(intended) if at == k) for k in range(len(labels))]
    return [_label(fit, " ".join(label)) for fit, label in zip(fits, labels, strict=True)]


MAX_ALIASES = 4  # assignments of aliases, by length, that are tried


MOST_REMEMBERED = 2048  # results of `best` and `drafts`: an asker meets the same beliefs at many costs


MAX_JOINED = 16  # tokens of a text joined from the answers of a task with aliases


class BestTexts(NamedTuple):
    """The best single texts for a belief, by set of meanings and number of entries from 0.

    Args:
        sets_S: the subsets of the belief's support as bit masks, the empty one first.
        row: position of each of them in `sets_S`, by bit mask.
        accuracy_S_M: their expected accuracy.
        words_S_M: words that they cost; an entry such as "5m" is read as two.
        chosen_S_M_E: the entries that are said.
    """

    sets_S: Ints
    row: Ints
    accuracy_S_M: Floats
    words_S_M: Floats
    chosen_S_M_E: NDArray[np.bool_]


class FinalMessages:
    """The best final messages of one question; beliefs are probabilities over its meanings.

    Args:
        meanings: the interpretations, at most about 8: time and memory grow with 2 ** len(meanings).
        question: what they are meanings of; its words are no labels.
        grade: the game's.
    """

    def __init__(
        self, meanings: Sequence[Interpretation], question: str = "", grade: Grade = grade_text
    ) -> None:
        self.meanings = tuple(meanings)
        self.count = len(self.meanings)
        self.plans = plans(self.meanings, question)
        self._best: dict[bytes, Floats] = {}
        self._drafts: dict[bytes, list[Answer | Enumerate]] = {}
        written: list[str] = []
        by_meaning: list[list[tuple[str, ...]]] = []
        for meaning in self.meanings:
            own: dict[tuple[str, ...], str] = {}
            for alias in meaning.answers:
                own.setdefault(_key(alias, grade), alias)
            by_meaning.append(sorted(own, key=len))
            written += [own[key] for key in by_meaning[-1]]
        self._written = written
        aliases = [Counter(key) for keys in by_meaning for key in keys]
        most = Counter[str]()
        for counted in aliases:
            most |= counted
        entries = [(token, k) for token, copies in most.items() for k in range(1, copies + 1)]
        self._entries = [token for token, _ in entries]
        self._words_E = np.array([float(words(token)) for token, _ in entries])
        self._has_E_A = np.array([[float(a[token] >= k) for a in aliases] for token, k in entries])
        self._by_parts_A = np.array([_by_parts(text, grade) for text in self._written])
        self._length_A = np.array(
            [
                alias.total() if by_parts else words(text)
                for alias, by_parts, text in zip(aliases, self._by_parts_A, written, strict=True)
            ]
        )
        self._starts_N = np.cumsum([0, *(len(options) for options in by_meaning[:-1])])
        self._f1_A_N = self._f1(self._has_E_A.T, self._length_A)
        self._single = len(aliases) == self.count and bool(self._by_parts_A.all())
        if not self._by_parts_A.all():
            self._f1_A_N = np.array([[grade(text, m.answers)[0] for m in meanings] for text in self._written])
        self._assignments = self._earnings([len(options) for options in by_meaning])

    def _earnings(self, aliases_N: list[int]) -> list[tuple[Ints, Floats]]:
        """For each assignment of aliases: the entries that can pay, and earnings[m - 1, entry, meaning]."""
        found = []
        for rank in range(min(MAX_ALIASES, max(aliases_N))):
            golds = self._starts_N + np.minimum(rank, np.array(aliases_N) - 1)
            has_E_N = self._has_E_A[:, golds] * self._by_parts_A[golds]
            paying = np.flatnonzero(has_E_N.any(axis=1))
            if not len(paying):
                continue
            most = len(paying)
            if not self._single:
                most = min(most, max(MAX_JOINED, int(self._length_A[self._starts_N].max())))
            sizes_M_N = np.arange(1, most + 1)[:, None] + self._length_A[golds]
            found.append((paying, has_E_N[paying] * (2.0 / sizes_M_N)[:, None, :]))
        return found

    def _f1(self, said_X_E: Floats, length_X: Ints) -> Floats:
        """Token F1 of texts with each meaning, the best over its aliases; entries are 1 where said."""
        f1_X_A = 2.0 * (said_X_E @ self._has_E_A) / (length_X[..., None] + self._length_A) * self._by_parts_A
        best: Floats = np.maximum.reduceat(f1_X_A, self._starts_N, axis=-1)
        return best

    def texts(self, belief_N: Floats) -> BestTexts:
        """The best texts for a belief."""
        support = sum(1 << i for i, p in enumerate(belief_N) if p > 0.0)
        sets_S = np.unique(np.arange(1 << self.count) & support)
        row = np.zeros(1 << self.count, dtype=np.int64)
        row[sets_S] = np.arange(len(sets_S))
        weights_S_N = (sets_S[:, None] >> np.arange(self.count) & 1) * belief_N
        longest = max([int(self._length_A.max()), *(len(e) for _, e in self._assignments)])
        accuracy_S_M = np.zeros((len(sets_S), longest + 1))
        chosen_S_M_E = np.zeros((*accuracy_S_M.shape, len(self._entries)), dtype=np.bool_)
        for paying, earnings_M_E_N in self._assignments:
            words_M = np.arange(1, len(earnings_M_E_N) + 1)
            values = weights_S_N @ earnings_M_E_N.reshape(-1, self.count).T
            order = np.argsort(-values.reshape(len(sets_S), len(words_M), -1), axis=2, kind="stable")
            picked = np.zeros((*order.shape[:2], len(self._entries)), dtype=np.bool_)
            np.put_along_axis(picked, paying[order], np.arange(len(paying)) < words_M[:, None], axis=2)
            found = (self._f1(picked.astype(np.float64), words_M) * weights_S_N[:, None, :]).sum(axis=2)
            better = found > accuracy_S_M[:, words_M]
            accuracy_S_M[:, words_M] = np.where(better, found, accuracy_S_M[:, words_M])
            chosen_S_M_E[:, words_M] = np.where(better[:, :, None], picked, chosen_S_M_E[:, words_M])
        if not self._single:
            for alias, found in enumerate(self._f1_A_N @ weights_S_N.T):
                m = self._length_A[alias]
                better = found > accuracy_S_M[:, m]
                accuracy_S_M[better, m] = found[better]
                chosen_S_M_E[better, m] = self._has_E_A[:, alias] > 0.0
        return BestTexts(sets_S, row, accuracy_S_M, chosen_S_M_E @ self._words_E, chosen_S_M_E)

    def best(self, belief_N: Floats, word_costs_C: Floats) -> Floats:
        """Value, expected accuracy and words of the best final message under each word cost, and its kind.

        Args:
            belief_N: probabilities of the meanings.
            word_costs_C: prices of a word, >= 0.

        Returns:
            best_C_4: value, accuracy, words, and 1 for an enumeration, 0 for an answer; the value is at least
            0, that of saying nothing.
        """
        key = belief_N.tobytes() + word_costs_C.tobytes()
        return _remembered(self._best, key, lambda: self._best_of(belief_N, word_costs_C))

    def _best_of(self, belief_N: Floats, word_costs_C: Floats) -> Floats:
        texts = self.texts(belief_N)
        said_S_C_3, _ = _said(texts, word_costs_C)
        best: Floats = np.insert(said_S_C_3[-1], 3, 0.0, axis=1)
        for plan in self.plans:
            listed = np.insert(_listed(plan, texts, said_S_C_3, word_costs_C)[0][0][-1], 3, 1.0, axis=1)
            best = np.where(listed[:, :1] > best[:, :1] + 1e-12, listed, best)
        best.flags.writeable = False
        return best

    def message(self, belief_N: Floats, word_cost: float) -> Answer | Enumerate:
        """The message whose value `best` gives."""
        return self.drafts(belief_N, np.array([word_cost]))[0]

    def drafts(self, belief_N: Floats, word_costs_C: Floats) -> list[Answer | Enumerate]:
        """The best message at each of these prices of a word."""
        key = belief_N.tobytes() + word_costs_C.tobytes()
        return _remembered(self._drafts, key, lambda: self._drafted(belief_N, word_costs_C))

    def _drafted(self, belief_N: Floats, word_costs_C: Floats) -> list[Answer | Enumerate]:
        texts = self.texts(belief_N)
        said_S_C_3, size_S_C = _said(texts, word_costs_C)
        stages = [_listed(plan, texts, said_S_C_3, word_costs_C) for plan in self.plans]
        found: list[Answer | Enumerate] = []
        for c in range(len(word_costs_C)):

            def text(row: int, c: int = c) -> str:
                return self._text(texts.chosen_S_M_E[row, size_S_C[row, c]])

            best, lists = said_S_C_3[-1, c, 0], []
            for plan, listed in zip(self.plans, stages, strict=True):
                if listed[0][0][-1, c, 0] > best + 1e-12:
                    best = listed[0][0][-1, c, 0]
                    lists = [
                        (labels, choice) for labels, (_, choice) in zip(plan.stages, listed, strict=True)
                    ]
            options: list[tuple[str, str]] = []
            rest = int(texts.sets_S[-1])
            for labels, choice_S_C in lists:
                while (at := choice_S_C[texts.row[rest], c]) >= 0:
                    label = labels[at]
                    options.append((label.text, text(texts.row[label.fits & rest])))
                    rest &= ~label.fits
            found.append(Enumerate(options) if lists else Answer(text(-1)))
        return found

    def _text(self, chosen_E: NDArray[np.bool_]) -> str:
        """The chosen entries in words: as an alias is written, where one has just these and is no longer."""
        chosen, most = sorted(self._entries[e] for e in np.flatnonzero(chosen_E)), chosen_E @ self._words_E
        for by_parts, alias in zip(self._by_parts_A, self._written, strict=True):
            if not by_parts and sorted(alias.split()) == chosen:
                return alias
        for meaning in self.meanings:
            for alias in meaning.answers:
                if sorted(tokens(alias)) == chosen and words(alias) <= most:
                    return alias
        return " ".join(self._entries[e] for e in np.flatnonzero(chosen_E))


def _remembered(held: dict[bytes, T], key: bytes, make: Callable[[], T]) -> T:
    """What is held for a key, made where nothing is; all is forgotten where it becomes too much."""
    if key not in held:
        if len(held) >= MOST_REMEMBERED:
            held.clear()
        held[key] = make()
    return held[key]


def _by_parts(alias: str, grade: Grade) -> bool:
    """Whether `alias` is graded by its tokens: so far as each of them alone and each beginning tells."""
    if grade is grade_text:
        return True
    held = tokens(alias)
    said = [*((token,) for token in held), *(held[:k] for k in range(1, len(held) + 1))]
    return all(
        abs(grade(" ".join(part), [alias])[0] - 2.0 * len(part) / (len(part) + len(held))) < 1e-9
        for part in said
    )


def _key(alias: str, grade: Grade) -> tuple[str, ...]:
    """What `alias` is made of: its tokens, or where it counts only as a whole its words."""
    return tokens(alias) if _by_parts(alias, grade) else tuple(alias.split())


def _said(texts: BestTexts, word_costs_C: Floats) -> tuple[Floats, Ints]:
    """said_S_C_3: value, accuracy and words of the best single text of each set; size_S_C: its entries."""
    values = texts.accuracy_S_M[:, None, :] - word_costs_C[:, None] * texts.words_S_M[:, None, :]
    size_S_C = values.argmax(axis=2)
    picked = np.take_along_axis(values, size_S_C[:, :, None], 2)[:, :, 0]
    counts = (np.take_along_axis(table, size_S_C, 1) for table in (texts.accuracy_S_M, texts.words_S_M))
    return np.stack([picked, *counts], axis=2), size_S_C


def _listed(
    plan: Plan, texts: BestTexts, said_S_C_3: Floats, word_costs_C: Floats
) -> list[tuple[Floats, Ints]]:
    """For each stage of `plan`, the best decision lists for the meanings that are not served yet.

    Returns:
        list_S_C_3 (value, accuracy, words) and choice_S_C (the label that comes first; -1 to go on to the
        next stage, after the last one to the end) for each stage.
    """
    table = np.zeros_like(said_S_C_3)
    if plan.complete:
        table[1:, :, 0] = -np.inf
    sizes = np.array([int(s).bit_count() for s in texts.sets_S])
    levels = [np.flatnonzero(sizes == k) for k in range(1, sizes.max() + 1)]
    results: list[tuple[Floats, Ints]] = []
    for labels in reversed(plan.stages):
        table = table.copy()
        choice = np.full(table.shape[:2], -1)
        fits_L = np.array([label.fits for label in labels], dtype=np.int64)
        words_L = np.array([label.words for label in labels])
        for rows in levels if labels else []:
            rest = texts.sets_S[rows, None]
            served, left = texts.row[rest & fits_L], texts.row[rest & ~fits_L]
            values = said_S_C_3[served, :, 0] + table[left, :, 0] - words_L[:, None] * word_costs_C
            values[served == 0] = -np.inf
            first = values.argmax(axis=1)
            value = np.take_along_axis(values, first[:, None], 1)[:, 0]
            k, c = np.indices(first.shape)
            after = said_S_C_3[served[k, first], c] + table[left[k, first], c]
            after[:, :, 0] = value
            after[:, :, 2] += words_L[first]
            better = value > table[rows, :, 0]
            table[rows] = np.where(better[:, :, None], after, table[rows])
            choice[rows] = np.where(better, first, -1)
        results.insert(0, (table, choice))
    return results
