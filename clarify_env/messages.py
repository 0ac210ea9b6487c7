"""The best final message for a belief: which words to say, and how to divide an enumeration.

Saying one text. For a text of m tokens, token F1 with an answer of length L is 2 * overlap / (m + L), so the
expected accuracy is a sum over the chosen tokens: the k-th copy of token t earns
sum_i p_i 2 [answer i holds t k times] / (m + L_i). Later copies earn no more than earlier ones, hence the m
best entries are the exact optimum over *all* texts of m tokens.

Enumerating. A list of options is a decision list: each meaning takes the first option whose label fits
(`usermodel.pick`), so the best list is found by dynamic programming over the set of meanings that are not
served yet. With facts, labels are conjunctions of values and the optimum over all messages is exact. With
text alone, labels are one or two words of the meanings, two before one, so that token F1 picks as intended;
with several aliases an answer is matched against one alias a meaning, tried for each rank. There the result
is a lower bound of the optimum, and what the project calls the *ceiling* of AmbigQA.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarify_env.moves import Answer, Enumerate
from clarify_env.task import Interpretation
from clarify_env.text import tokens

Floats = NDArray[np.float64]
OTHERWISE = "otherwise"
MAX_ALIASES = 4  # ranks of aliases, by length, that are tried
MAX_JOINED = 16  # tokens of an answer that serves several meanings of a task with aliases


class Label(NamedTuple):
    """A label: the set of meanings that it fits (a bit mask), its length and its text."""

    fits: int
    words: int
    text: str


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
        found.append(Label(fits, len(named), " ".join(named)))
    return _cheapest(found)


def _text_labels(meanings: Sequence[Interpretation]) -> tuple[list[Label], list[Label]]:
    """Labels of two words and of one word, taken from the meanings' own."""
    held: dict[str, int] = {}
    for i, meaning in enumerate(meanings):
        for token in tokens(meaning.text):
            held[token] = held.get(token, 0) | 1 << i
    ones = _cheapest([Label(fits, 1, token) for token, fits in held.items()])
    known = {label.fits for label in ones}
    twos = [Label(a.fits & b.fits, 2, f"{a.text} {b.text}") for a, b in combinations(ones, 2)]
    return _cheapest([label for label in twos if label.fits not in known]), ones


class FinalMessages:
    """The best final messages of one question; beliefs are probabilities over its meanings.

    Args:
        meanings: the interpretations, at most about 8: time and memory grow with 2 ** len(meanings).
    """

    def __init__(self, meanings: Sequence[Interpretation]) -> None:
        self.meanings = tuple(meanings)
        self.count = len(self.meanings)
        if self.meanings[0].facts:
            self.stages: tuple[list[Label], ...] = (_fact_labels(self.meanings),)
        else:
            self.stages = _text_labels(self.meanings)
        masks = np.arange(1 << self.count)[:, None] >> np.arange(self.count)
        self._member_S_N = (masks & 1).astype(np.float64)
        self._ranks = self._answer_tables()

    def _answer_tables(self) -> list[tuple[list[str], Floats]]:
        """For each alias rank: the tokens that can be said, and earnings[m - 1, entry, meaning]."""
        aliases = [sorted(dict.fromkeys(map(tokens, m.answers)), key=len) for m in self.meanings]
        longest = max(len(options[0]) for options in aliases)
        tables = []
        for rank in range(min(MAX_ALIASES, max(map(len, aliases)))):
            golds = [options[min(rank, len(options) - 1)] for options in aliases]
            counts = [Counter(gold) for gold in golds]
            entries = [
                (token, k)
                for token, most in _most_common_counts(counts).items()
                for k in range(1, most + 1)
            ]
            has_E_N = np.array([[float(c[token] >= k) for c in counts] for token, k in entries])
            most_words = len(entries)
            if max(map(len, aliases)) > 1:
                most_words = min(most_words, max(MAX_JOINED, longest))
            sizes = np.arange(1, most_words + 1)[:, None] + np.array([len(gold) for gold in golds])
            tables.append(([token for token, _ in entries], has_E_N[None] * (2.0 / sizes)[:, None, :]))
        return tables

    def accuracy(self, belief_N: Floats) -> Floats:
        """Best expected accuracy of one text of m words said to a set of meanings.

        Args:
            belief_N: probabilities of the meanings.

        Returns:
            best_S_M: by set (bit mask) and number of words from 0.
        """
        best = np.zeros((1 << self.count, 1))
        weighted_S_N = self._member_S_N * belief_N
        for _, earnings_M_E_N in self._ranks:
            most = len(earnings_M_E_N)
            values = weighted_S_N @ earnings_M_E_N.reshape(-1, self.count).T
            values = np.sort(values.reshape(len(weighted_S_N), most, -1), axis=2)[:, :, ::-1]
            totals = np.cumsum(values, axis=2)[:, np.arange(most), np.arange(most)]
            table = np.concatenate([np.zeros((len(totals), 1)), totals], axis=1)
            if table.shape[1] > best.shape[1]:
                best, table = table, best
            best[:, : table.shape[1]] = np.maximum(best[:, : table.shape[1]], table)
        return best

    def best(self, belief_N: Floats, word_costs_C: Floats) -> Floats:
        """Value, expected accuracy and words of the best final message under each word cost.

        Returns:
            best_C_3: value, accuracy, words; the value is at least 0, that of saying nothing.
        """
        said, support = self._said(belief_N, word_costs_C), self._support(belief_N)
        whole, listed = said[support], self._listed(said, support, word_costs_C)[0][support]
        return np.where(listed[:, :1] > whole[:, :1] + 1e-12, listed, whole)

    def message(self, belief_N: Floats, word_cost: float) -> Answer | Enumerate:
        """The message whose value `best` gives."""
        costs = np.array([word_cost])
        support = self._support(belief_N)
        said = self._said(belief_N, costs)
        stages = self._listed(said, support, costs)
        if stages[0][support][0, 0] <= said[support][0, 0] + 1e-12:
            return Answer(self._text(belief_N, support, int(said[support][0, 2])))
        options: list[tuple[str, str]] = []
        rest, at = support, 0
        while rest:
            if at + 1 < len(self.stages) and stages[at][rest][0, 0] <= stages[at + 1][rest][0, 0]:
                at += 1
                continue
            values = [
                said[label.fits & rest][0, 0]
                - word_cost * label.words
                + stages[at][rest & ~label.fits][0, 0]
                for label in self.stages[at]
            ]
            label = self.stages[at][int(np.argmax(values))]
            served = label.fits & rest
            if not served or max(values) <= 0.0:
                break
            options.append((label.text, self._text(belief_N, served, int(said[served][0, 2]))))
            rest &= ~label.fits
        return Enumerate(options)

    @staticmethod
    def _support(belief_N: Floats) -> int:
        return sum(1 << i for i, p in enumerate(belief_N) if p > 0.0)

    def _said(self, belief_N: Floats, word_costs_C: Floats) -> Floats:
        """said_S_C_3: value, accuracy and words of the best single text for each set of meanings."""
        accuracy_S_M = self.accuracy(belief_N)
        lengths = np.arange(accuracy_S_M.shape[1])
        values = accuracy_S_M[:, None, :] - word_costs_C[None, :, None] * lengths
        chosen = values.argmax(axis=2)
        picked = np.take_along_axis(values, chosen[:, :, None], 2)[:, :, 0]
        return np.stack([picked, np.take_along_axis(accuracy_S_M, chosen, 1), chosen], axis=2)

    def _listed(self, said_S_C_3: Floats, support: int, word_costs_C: Floats) -> list[Floats]:
        """For each stage of labels, list_S_C_3: the best decision list for each set not served yet."""
        later: Floats | None = None
        results: list[Floats] = []
        subsets = sorted({support & s for s in range(1 << self.count)} - {0})
        for labels in reversed(self.stages):
            table = np.zeros_like(said_S_C_3)
            fits = np.array([label.fits for label in labels])
            length = np.array([label.words for label in labels], dtype=np.float64)
            for rest in subsets:
                here = np.zeros((1, *table.shape[1:])) if later is None else later[rest][None]
                useful = (fits & rest) > 0
                served, cost = fits[useful] & rest, length[useful]
                rows = said_S_C_3[served] + table[rest & ~served]
                rows[:, :, 0] -= cost[:, None] * word_costs_C
                rows[:, :, 2] += cost[:, None]
                rows = np.concatenate([here, rows])
                table[rest] = rows[rows[:, :, 0].argmax(axis=0), np.arange(rows.shape[1])]
            results.insert(0, table)
            later = table
        return results

    def _text(self, belief_N: Floats, group: int, count: int) -> str:
        """The text of `count` words that is best for the meanings of `group`."""
        if count == 0:
            return ""
        best: tuple[float, list[str]] = (-1.0, [])
        weights = self._member_S_N[group] * belief_N
        for entries, earnings_M_E_N in self._ranks:
            if count <= len(earnings_M_E_N):
                values = earnings_M_E_N[count - 1] @ weights
                chosen = np.argsort(-values, kind="stable")[:count]
                if values[chosen].sum() > best[0] + 1e-12:
                    best = (float(values[chosen].sum()), [entries[e] for e in sorted(chosen)])
        return self._as_written(best[1])

    def _as_written(self, chosen: list[str]) -> str:
        """The alias that has just these tokens, where one is no longer; else the tokens."""
        for meaning in self.meanings:
            for alias in meaning.answers:
                if sorted(tokens(alias)) == sorted(chosen) and len(alias.split()) == len(chosen):
                    return alias
        return " ".join(chosen)


def _most_common_counts(counts: Sequence[Counter[str]]) -> Counter[str]:
    most: Counter[str] = Counter()
    for counter in counts:
        most |= counter
    return most
