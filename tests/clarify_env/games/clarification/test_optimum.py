"""The optimum against brute force, against play of its own policy, and its shape over the costs."""

from itertools import combinations, combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarify_env.games.clarification import Ask, Costs, Fact, Interpretation, UserModel
from clarify_env.games.clarification.ambigqa import load_ambigqa
from clarify_env.games.clarification.final_messages import FinalMessages
from clarify_env.games.clarification.game import Answer, Enumerate
from clarify_env.games.clarification.optimum import Solver, solver
from clarify_env.games.clarification.scripted_user import pick
from clarify_env.games.clarification.synthetic import tasks
from clarify_env.text import best_f1, words

QUESTION = "Where was Kim born?"
COSTS = [Costs(0.0, 0.0), Costs(0.02, 0.04), Costs(0.1, 0.01), Costs(0.2, 0.15), Costs(0.05, 0.3)]
USERS = [UserModel(), UserModel(noise=0.1, vagueness=0.1), UserModel(vagueness=0.3, refusal=0.1)]
DOMAINS = {"job": ("poet", "judge"), "era": ("old", "new", "late")}

answers = st.lists(st.sampled_from(["oslo", "port", "east"]), min_size=1, max_size=3).map(" ".join)
percent = st.lists(st.integers(1, 9), min_size=3, max_size=3)


@st.composite
def fact_meanings(draw):
    """Two or three meanings that differ in one or two facts."""
    names = draw(st.sampled_from([("job", "era"), ("era",)]))
    every = list(product(*(DOMAINS[name] for name in names)))
    chosen = draw(st.permutations(every))[: draw(st.integers(2, 3))]
    weights = draw(percent)[: len(chosen)]
    return tuple(
        Interpretation(
            f"Kim {' '.join(values)}",
            (draw(answers),),
            weight / sum(weights),
            tuple(Fact(name, value, DOMAINS[name]) for name, value in zip(names, values, strict=True)),
        )
        for values, weight in zip(chosen, weights, strict=True)
    )


@st.composite
def text_meanings(draw):
    """One to four meanings in words alone, some hard to tell apart, with aliases."""
    vocabulary = st.lists(st.sampled_from("Kim poet judge old new late".split()), min_size=1, max_size=4)
    texts = draw(st.lists(vocabulary.map(" ".join), min_size=1, max_size=4, unique=True))
    weights = [draw(st.integers(1, 9)) for _ in texts]
    aliases = st.lists(answers, min_size=1, max_size=3, unique=True).map(tuple)
    return tuple(
        Interpretation(text, draw(aliases), weight / sum(weights))
        for text, weight in zip(texts, weights, strict=True)
    )


class BruteForce:
    """Every final message and every way of asking, by plain enumeration over transcripts."""

    def __init__(self, meanings, user, max_turns, costs):
        self.meanings, self.user, self.max_turns, self.costs = meanings, user, max_turns, costs
        vocabulary = sorted({word for m in meanings for alias in m.answers for word in alias.split()})
        self.texts = [
            (size, [best_f1(" ".join(text), m.answers) for m in meanings])
            for size in range(10)
            for text in combinations_with_replacement(vocabulary, size)
        ]
        domains = {fact.name: fact.domain for m in meanings for fact in m.facts}
        values = [value for domain in domains.values() for value in domain]
        labels = [*values, *map(" ".join, combinations(values, 2)), "whatever"]
        self.partitions = {}
        for count in (1, 2, 3):
            for chosen in product(labels, repeat=count):
                options = [(label, "") for label in chosen]
                taken = tuple(pick(options, m.text, m.facts, QUESTION) for m in meanings)
                length = sum(map(words, chosen))
                self.partitions[taken] = min(length, self.partitions.get(taken, 99))
        self.asks = [f"Which {name}?" for name in domains] + [f"The {values[0]}?", "Why?"]

    def text(self, weights):
        return max(
            sum(w * f for w, f in zip(weights, f1, strict=True)) - sum(self.weights) * self.costs.word * size
            for size, f1 in self.texts
        )

    def final(self, weights):
        """The best final message's value, times the probability of the transcript."""
        self.weights = weights
        said = {}
        best = self.text(weights)
        for taken, length in self.partitions.items():
            value = -sum(weights) * self.costs.word * length
            for option in {at for at in taken if at is not None}:
                group = tuple(w if at == option else 0.0 for w, at in zip(weights, taken, strict=True))
                if group not in said:
                    said[group] = self.text(group)
                value += said[group]
            best = max(best, value)
        return best

    def value(self, transcript=()):
        """The value of going on after `transcript`, pairs (ask, reply), times its probability."""
        weights = []
        for m in self.meanings:
            chance = m.weight
            for ask, reply in transcript:
                replies = self.user.replies(ask, QUESTION, m.text, m.facts)
                chance *= sum(p for text, p in replies if text == reply)
            weights.append(chance)
        best = self.final(weights)
        if len(transcript) < self.max_turns - 1:
            for ask in self.asks:
                possible = sorted(
                    {
                        text
                        for m in self.meanings
                        for text, _ in self.user.replies(ask, QUESTION, m.text, m.facts)
                    }
                )
                after = sum(self.value((*transcript, (ask, reply))) for reply in possible)
                best = max(best, after - self.costs.turn * sum(weights))
        return best


@settings(max_examples=50, deadline=None)
@given(fact_meanings(), st.sampled_from(USERS), st.sampled_from(COSTS), st.integers(1, 3))
def test_equals_brute_force(meanings, user, costs, turns):
    turns = min(turns, 2) if user.noise else turns
    found = Solver(QUESTION, meanings, user, turns).optimum([costs])[0, 0]
    assert found == pytest.approx(BruteForce(meanings, user, turns, costs).value(), abs=1e-9)


def final(message, belief, meanings, costs, question=QUESTION):
    """Value, accuracy, asks and words of a final message, through the user's own choice."""
    accuracy = 0.0
    for p, meaning in zip(belief, meanings, strict=True):
        text = message.text
        if isinstance(message, Enumerate):
            at = pick(message.options, meaning.text, meaning.facts, question)
            text = "" if at is None else message.options[at][1]
        accuracy += p * best_f1(text, meaning.answers)
    return np.array([accuracy - costs.word * message.words, accuracy, 0.0, message.words])


def played(best, belief, asks_left, costs):
    """What the solver's own moves yield, by enumeration of the replies."""
    move = best.move(belief, asks_left, costs)
    if not isinstance(move, Ask):
        return final(move, belief, best.meanings, costs)
    total = np.array([-costs.turn, 0.0, 1.0, 0.0])
    joint = {}
    for i, meaning in enumerate(best.meanings):
        for reply, p in best.user.replies(move.text, best.question, meaning.text, meaning.facts):
            joint[reply] = joint.get(reply, 0.0) + p * belief[i]
    for reply, chance in joint.items():
        if chance > 0.0:
            after = best.posterior(belief, move.text, reply)
            total += chance * played(best, after, asks_left - 1, costs)
    return total


@settings(max_examples=60, deadline=None)
@given(fact_meanings() | text_meanings(), st.sampled_from(USERS), st.sampled_from(COSTS))
def test_its_moves_yield_what_it_promises(meanings, user, costs):
    best = Solver(QUESTION, meanings, user, 3)
    assert played(best, best.prior_N, 2, costs) == pytest.approx(best.optimum([costs])[0], abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(fact_meanings() | text_meanings(), st.data())
def test_final_message_is_worth_what_is_claimed(meanings, data):
    best = Solver(QUESTION, meanings, USERS[0], 1)
    shares = np.array([data.draw(st.sampled_from([0.0, 1e-6, 0.3, 1.0])) for _ in meanings]) + 0.0
    shares[data.draw(st.integers(0, len(meanings) - 1))] += 0.5
    belief = shares / shares.sum()
    claimed = best.messages.best(belief, np.array([costs.word for costs in COSTS]))
    for costs, claim in zip(COSTS, claimed, strict=True):
        message = best.messages.message(belief, costs.word)
        assert final(message, belief, meanings, costs)[[0, 1, 3]] == pytest.approx(claim[:3], abs=1e-9)
        assert claim[3] == isinstance(message, Enumerate)


def fixed_values(question, meanings, cells):
    """Values of simple strategies: the likeliest answer, every meaning listed, asking once."""
    likeliest = max(meanings, key=lambda m: m.weight)
    prior = [m.weight for m in meanings]
    messages = [Answer(""), Answer(likeliest.answers[0])]
    messages += [Enumerate((m.text, m.answers[0]) for m in meanings)]
    own = [[w for w in m.text.split() if any(w not in o.text.split() for o in meanings)] for m in meanings]
    for most in (1, 2, 9):
        labels = [" ".join(words[:most]) or m.text for words, m in zip(own, meanings, strict=True)]
        messages.append(Enumerate(zip(labels, (m.answers[0] for m in meanings), strict=True)))
    values = [
        [final(message, prior, meanings, costs, question)[0] for costs in cells] for message in messages
    ]
    for ask in Solver(question, meanings, USERS[0], 2).asks:
        said = [USERS[0].replies(ask.text, question, m.text, m.facts)[0][0] for m in meanings]
        told = [
            max((m for m, reply in zip(meanings, said, strict=True) if reply == own), key=lambda m: m.weight)
            for own in said
        ]
        values.append(
            [
                sum(
                    m.weight * (best_f1(t.answers[0], m.answers) - costs.word * words(t.answers[0]))
                    for m, t in zip(meanings, told, strict=True)
                )
                - costs.turn
                for costs in cells
            ]
        )
    return np.array(values)


def check_task(task, cells):
    best = Solver(task.question, task.interpretations, UserModel(), 5).optimum(cells)
    fixed = fixed_values(task.question, task.interpretations, cells)
    assert (fixed.max(axis=0) <= best[:, 0] + 1e-9).all(), task.id
    assert (best[:, :2] <= 1.0 + 1e-9).all()


def test_no_simple_strategy_beats_it_on_synthetic():
    for task in tasks("validation", 150):
        check_task(task, COSTS)


def test_no_simple_strategy_beats_the_ceiling_of_ambigqa(data_dir):
    found = load_ambigqa("validation", data_dir).tasks
    hard = [task for task in found if len(task.interpretations) >= 6][:60]
    for task in [*found[:300], *hard]:
        check_task(task, COSTS)


def test_value_asks_and_words_fall_with_their_costs():
    turns, prices = np.linspace(0.0, 0.5, 8), np.linspace(0.0, 0.2, 8)
    for task in tasks("validation", 80):
        best = Solver(task.question, task.interpretations, UserModel(vagueness=0.1), 3)
        grid = best.optimum([Costs(a, b) for a in turns for b in prices]).reshape(8, 8, 4)
        assert (np.diff(grid[:, :, 0], axis=0) <= 1e-9).all()
        assert (np.diff(grid[:, :, 0], axis=1) <= 1e-9).all()
        assert (np.diff(grid[:, :, 2], axis=0) <= 1e-9).all()
        assert (np.diff(grid[:, :, 3], axis=1) <= 1e-9).all()


def test_by_hand():
    meanings = (Interpretation("Kim poet", ("Oslo",), 0.5), Interpretation("Kim judge", ("East Port",), 0.5))
    best = Solver(QUESTION, meanings, UserModel(), 2)
    # Asking: 1 - 0.1 - 1.5 words; listing: two labels and three words; guessing: 0.5 and a word.
    values = best.optimum([Costs(0.1, 0.01), Costs(0.1, 0.001), Costs(2.0, 0.2)])
    assert values[0] == pytest.approx([1 - 5 * 0.01, 1.0, 0.0, 5.0])
    assert values[1] == pytest.approx([1 - 5 * 0.001, 1.0, 0.0, 5.0])
    assert values[2] == pytest.approx([0.5 - 0.2, 0.5, 0.0, 1.0])
    asked = best.optimum([Costs(0.01, 0.03)])[0]
    assert asked == pytest.approx([1 - 0.01 - 1.5 * 0.03, 1.0, 1.0, 1.5])


def test_one_meaning_is_answered_at_once():
    meanings = (Interpretation("Kim poet", ("The Port of Oslo", "Oslo"), 1.0),)
    best = solver(QUESTION, meanings, UserModel(), 5)
    assert best.asks == []
    assert best.move(best.prior_N, 4, Costs(0.0, 0.01)) == Answer("Oslo")
    assert best.move(best.prior_N, 4, Costs(0.0, 2.0)) == Answer("")


def test_a_meaning_that_takes_an_option_by_half_of_its_label_is_counted():
    """Listing "late poet", "judge" and "king" alone would leave "poet old" to the first by one word."""
    texts = "judge late", "king judge", "late judge poet", "new poet judge", "poet king", "poet old"
    golds = "port oslo oslo", "port north", "east north", "port", "oslo", "east port port"
    weights = np.array([6, 14, 27, 17, 29, 4]) / 97
    meanings = [Interpretation(t, (a,), w) for t, a, w in zip(texts, golds, weights, strict=True)]
    best = Solver(QUESTION, meanings, UserModel(), 1)
    for costs in [*COSTS, Costs(1.0, 0.03)]:
        message = best.messages.message(best.prior_N, costs.word)
        assert final(message, best.prior_N, meanings, costs)[0] == pytest.approx(best.optimum([costs])[0, 0])


def test_an_alias_that_serves_two_meanings_is_found():
    """The alias is the longer one of the first meaning and the shorter one of the second."""
    meanings = (
        Interpretation("Kim poet", ("oslo", "east port"), 0.4375),
        Interpretation("Kim judge", ("east port", "north upper bay"), 0.5625),
    )
    best = Solver(QUESTION, meanings, UserModel(), 1)
    assert best.optimum([Costs(1.0, 0.01)])[0] == pytest.approx([1.0 - 2 * 0.01, 1.0, 0.0, 2.0])
    assert best.messages.message(best.prior_N, 0.01) == Answer("east port")


def test_three_words_are_said_where_two_tell_nobody_apart():
    texts = [" ".join(chosen) for chosen in product(("old", "new"), ("poet", "judge"), ("tall", "short"))]
    meanings = [Interpretation(text, (f"town{i}",), 1 / 8) for i, text in enumerate(texts)]
    best = Solver(QUESTION, meanings, UserModel(), 1).optimum([Costs(0.0, 0.001)])[0]
    assert best[1] == pytest.approx(1.0)
    assert 24.0 < best[3] <= 32.0


def test_unexplained_reply_changes_no_belief():
    best = Solver(QUESTION, tasks("validation", 20)[1].interpretations, UserModel(), 5)
    for ask in best.asks:
        assert (best.posterior(best.prior_N, ask.text, "Purple.") == best.prior_N).all()


def test_a_message_claims_the_words_that_it_costs_whatever_is_joined_in_it():
    """Units and ranges joined to a number are read as words of their own, in answers and in labels."""
    notes = tuple(
        Interpretation(f"How much did {who} earn in {when}?", (answer,), weight)
        for who, when, answer, weight in (
            ("Adler", "2015\u201316", "5m dollars", 0.5),
            ("Voss", "1990", "\u00a3591m", 0.3),
            ("Moreau", "24k", "6\u201313 percent", 0.2),
        )
    )
    messages = FinalMessages(notes, "How much did they earn?")
    for price in (0.0, 0.002, 0.02, 0.05, 0.2):
        for belief in ((0.5, 0.3, 0.2), (1.0, 0.0, 0.0), (0.0, 0.5, 0.5)):
            belief_N = np.array(belief)
            value, accuracy, words, _ = messages.best(belief_N, np.array([price]))[0]
            message = messages.message(belief_N, price)
            assert message.words == words
            assert value == pytest.approx(accuracy - price * words)
    assert messages.message(np.array([1.0, 0.0, 0.0]), 0.0) == Answer("5m dollars")
    assert messages.best(np.array([1.0, 0.0, 0.0]), np.array([0.0]))[0, 2] == 3


def test_the_optimum_puts_a_question_again_after_an_empty_reply():
    meanings = tuple(
        Interpretation(f"Where was Kim the {job} born?", (place,), 0.5)
        for job, place in (("poet", "oslo"), ("judge", "port"))
    )
    cost = Costs(turn=0.05, word=0.1)  # a list of both costs 0.4
    for user in (UserModel(vagueness=0.4), UserModel(noise=0.2, refusal=0.2)):
        worth = 0.6
        for turns in (1, 2, 3, 4):
            found = Solver(QUESTION, meanings, user, turns).optimum([cost])[0, 0]
            assert found == pytest.approx(worth, abs=1e-9), turns
            worth = 0.6 * 0.9 + 0.4 * worth - 0.05
