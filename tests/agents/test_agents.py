"""Agents: the scripted user, the fixed strategies, a script, and a person at the keyboard."""

from collections import Counter

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents import (
    FIXED,
    AlwaysAnswer,
    AlwaysAsk,
    AlwaysEnumerate,
    Human,
    Random,
    Script,
    ScriptedUser,
    load,
)
from clarify_env.agents.clarification.scripted import DOUBT, SLIP, belief
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv
from clarify_env.game import Turn
from clarify_env.games.clarification import Answer, Ask, Enumerate, Reply, Select, UserModel
from clarify_env.games.clarification.game import ClarificationGame, Fact, Interpretation, Task
from clarify_env.games.clarification.scripted_user import PUZZLED, REFUSAL, VAGUE

PROFESSIONS, COUNTRIES = ("painter", "chemist"), ("norway", "chile", "peru")


def who(profession, country, answers, weight):
    facts = (Fact("profession", profession, PROFESSIONS), Fact("country", country, COUNTRIES))
    text = f"Jo Hale, the {profession} from {country.title()}"
    return Interpretation(text, answers, weight, facts)


TOWN = Task(
    "town",
    "In which town was Jo Hale born?",
    (
        who("painter", "norway", ("Port Arden",), 0.5),
        who("chemist", "norway", ("Oslo",), 0.3),
        who("chemist", "chile", ("New Port Arden",), 0.2),
    ),
)
LONE = Task("lone", "Who taught Kim Nash?", (Interpretation("Kim Nash, the poet", ("Ilse Voss", "Voss")),))
FILM = Task(
    "film",
    "When did the film open?",
    (
        Interpretation("When did the film open in Norway?", ("1950",), 0.4),
        Interpretation("When did the film open in Chile?", ("3 May 1951",), 0.6),
    ),
)


def game(*tasks, turn=0.1, word=0.01, **options):
    return GameEnv(ClarificationGame(tasks, FixedCosts(turn=turn, word=word), **options), "hand-v0")


def play(task, asker, intent, user=None, **pinned):
    players = {"asker": asker, "user": user or ScriptedUser()}
    options = {"intent": intent, **pinned}
    (episode,) = clarify_env.rollout(game(task), players, 1, options=lambda i: options)
    return episode


def test_always_answer_says_the_likeliest_meaning_at_once():
    for intent, accuracy in enumerate((1.0, 0.0, 0.8)):
        episode = play(TOWN, AlwaysAnswer(), intent)
        assert episode.moves("asker") == [Answer("Port Arden")]
        assert episode.reward == pytest.approx(accuracy - 0.02)


def test_always_enumerate_uses_the_shortest_labels_that_tell_the_meanings_apart():
    options = [("painter", "Port Arden"), ("chemist norway", "Oslo"), ("chile", "New Port Arden")]
    for intent, (_, answer) in enumerate(options):
        episode = play(TOWN, AlwaysEnumerate(), intent, order=(2, 0, 1))
        assert episode.moves("asker") == [Enumerate(options)]
        assert episode.moves("user") == [Select(answer)]
        assert episode.reward == pytest.approx(1.0 - 0.1)  # ten words
    assert play(LONE, AlwaysEnumerate(), 0).moves("asker") == [Answer("Ilse Voss")]


def test_always_ask_asks_until_one_meaning_is_settled():
    first, second = Ask("Which profession?"), Ask("Which country?")
    assert play(TOWN, AlwaysAsk(), 0).moves("asker") == [first, Answer("Port Arden")]
    assert play(TOWN, AlwaysAsk(), 1).moves("asker") == [first, second, Answer("Oslo")]
    assert play(TOWN, AlwaysAsk(), 2).moves("asker") == [first, second, Answer("New Port Arden")]
    assert play(TOWN, AlwaysAsk(most=1), 1).moves("asker") == [first, Answer("Oslo")]
    assert [move.kind for move in play(LONE, AlwaysAsk(), 0).moves("asker")] == ["ask", "answer"]
    assert play(FILM, AlwaysAsk(), 0).reward == pytest.approx(1.0 - 0.1 - 0.01)


def test_always_ask_keeps_asking_a_user_who_says_nothing_but_only_what_it_has_not_asked():
    silent = Script([Reply(VAGUE), Reply(VAGUE), Select("Port Arden")], "user")
    asked = play(TOWN, AlwaysAsk(), 0, silent).moves("asker")
    assert asked == [Ask("Which profession?"), Ask("Which country?"), Answer("Port Arden")]


@pytest.mark.parametrize("name", [*FIXED, "optimal"])
def test_moves_do_not_depend_on_the_order_of_the_notes(name):
    episodes = [
        play(TOWN, load(name, game(TOWN), "asker"), 1, order=order)
        for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0))
    ]
    assert len({tuple(episode.moves("asker")) for episode in episodes}) == 1


def test_random_asker_plays_every_kind_and_no_illegal_move():
    env = clarify_env.make("synthetic-v0", size=20)
    episodes = list(clarify_env.rollout(env, {"asker": Random(), "user": ScriptedUser()}, 200))
    kinds = Counter(move.kind for episode in episodes for move in episode.moves("asker"))
    assert set(kinds) == {"ask", "enumerate", "answer"}
    assert {episode.stop for episode in episodes} <= {"selected", "max_turns"}


def test_agents_that_need_notes_say_so():
    env = game(TOWN, knowledge="closed")
    observation = env.reset(seed=0)[0]["asker"]
    for name in ("always-answer", "always-enumerate", "always-ask", "optimal"):
        with pytest.raises(ClarifyError, match="knowledge='open'"):
            load(name, env, "asker").act([observation])


def test_belief_follows_the_replies_and_ignores_what_fits_no_note():
    def after(*replies):
        return belief(TOWN.question, TOWN.interpretations, tuple(Turn("user", Reply(r)) for r in replies))

    def given(chances):
        return np.array(chances) / np.sum(chances)

    weights = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(after(), weights)
    np.testing.assert_allclose(after(REFUSAL), weights)
    chemist = weights * (DOUBT, 1, 1)  # no question was put that the user would have answered so
    np.testing.assert_allclose(after("Chemist."), given(chemist))
    both = chemist * (1, 1, DOUBT)
    np.testing.assert_allclose(after("Chemist.", "Norway."), given(both))


def test_belief_in_the_words_of_the_user_is_bayes_rule():
    ask = Turn("asker", Ask("Which profession?"))

    def after(user, *replies):
        turns = tuple(turn for reply in replies for turn in (ask, Turn("user", Reply(reply))))
        return belief(TOWN.question, TOWN.interpretations, turns, user)

    weights = np.array([0.5, 0.3, 0.2])
    chemist = weights * (SLIP, 1, 1)
    np.testing.assert_allclose(after(UserModel(), "Chemist."), chemist / chemist.sum())
    others = len(TOWN.interpretations[0].facts[0].domain) - 1
    noisy = weights * (0.1 / others, 0.7, 0.7)
    np.testing.assert_allclose(after(UserModel(0.1, 0.2), "Chemist."), noisy / noisy.sum())


class Watched(dict):
    """An observation that remembers what was read of it."""

    def __init__(self, *content):
        super().__init__(*content)
        self.read = set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self.read.add(key)
        return super().get(key, default)


def user_sees(task, intent, move):
    env = game(task)
    env.reset(seed=0, options={"intent": intent})
    return env.step({"asker": move})[0]["user"]


def test_scripted_user_answers_from_the_intent_alone():
    listed = Enumerate([("painter", "A"), ("chemist", "B")])
    for move in (Ask("Which profession?"), Answer("Oslo"), listed):
        observation = Watched(user_sees(TOWN, 1, move))
        ScriptedUser(UserModel(noise=0.2)).act([observation])
        assert observation.read <= {"question", "intent", "facts", "transcript"}
        others = tuple(meaning._replace(answers=("other",)) for meaning in TOWN.interpretations)
        changed = TOWN._replace(interpretations=others)
        assert ScriptedUser().act([observation]) == ScriptedUser().act([user_sees(changed, 1, move)])


def test_scripted_user_replies_with_the_fact_that_is_asked_for():
    def reply(ask, task=TOWN, intent=2):
        return ScriptedUser().act([user_sees(task, intent, Ask(ask))])[0].text

    assert reply("Which profession?") == "Chemist."
    assert reply("Is it the painter?") == "Chemist."
    assert reply("Norway or Chile?") == "Chile."
    assert reply("What is the answer?") == PUZZLED
    assert reply("Which one?", FILM, 1) == "in Chile."


@pytest.mark.parametrize(
    ("intent", "labels", "taken"),
    [
        (0, ("painter", "chemist"), 0),
        (2, ("painter", "chile", "chemist"), 1),
        (2, ("painter", "norway"), None),
        (1, ("norway", "chemist"), 0),  # the first that fits
        (2, ("painter", "otherwise"), 1),
    ],
)
def test_scripted_user_takes_the_branch_by_its_label(intent, labels, taken):
    options = [(label, f"answer {k}") for k, label in enumerate(labels)]
    (move,) = ScriptedUser().act([user_sees(TOWN, intent, Enumerate(options))])
    assert move == Select("" if taken is None else f"answer {taken}")


def test_scripted_user_takes_an_answer_as_it_is():
    assert ScriptedUser().act([user_sees(TOWN, 0, Answer("Anything"))]) == [Select("Anything")]


def test_knobs_set_how_often_a_reply_is_wrong_vague_or_refused():
    model = UserModel(noise=0.2, vagueness=0.15, refusal=0.1)
    observation = user_sees(TOWN, 2, Ask("Which country?"))
    count = 4000
    replies = ScriptedUser(model, seed=1).act([observation] * count)
    seen = Counter(move.text for move in replies)
    expected = {"Chile.": 0.55, "Norway.": 0.1, "Peru.": 0.1, VAGUE: 0.15, REFUSAL: 0.1}
    assert set(seen) == set(expected)
    for text, chance in expected.items():
        assert abs(seen[text] / count - chance) < 4 * (chance * (1 - chance) / count) ** 0.5
    assert ScriptedUser(model, seed=1).act([observation] * count) == replies
    assert ScriptedUser(model, seed=2).act([observation] * count) != replies


def test_scripted_user_with_text_alone_repeats_the_question_when_wrong():
    noisy = ScriptedUser(UserModel(noise=0.5), seed=0)
    replies = Counter(move.text for move in noisy.act([user_sees(FILM, 0, Ask("Which?"))] * 400))
    assert set(replies) == {"in Norway.", FILM.question}
    assert 150 < replies["in Norway."] < 250


def test_script_plays_its_lines_and_raises_when_it_runs_out():
    lines = [Ask("Which country?"), "<answer>Oslo</answer>"]
    assert play(TOWN, Script(lines), 1).reward == pytest.approx(0.89)
    with pytest.raises(ClarifyError, match="'asker' is asked for action 2 of a script of 1"):
        play(TOWN, Script([Ask("Which country?")]), 1)


def human(*lines):
    """A person who types these lines, and what is shown to them."""
    waiting, shown = iter(lines), []
    return Human(read=lambda prompt: next(waiting), write=shown.append), shown


def test_a_person_plays_the_asker():
    lines = ["", "aks me", "ask", "ask Which country?", "list a => b => c", "list Norway => Oslo; x"]
    person, shown = human(*lines, "answer Oslo")
    assert play(TOWN, person, 1).moves("asker") == [Ask("Which country?"), Answer("Oslo")]
    text = "\n".join(shown)
    assert "costs 0.1, a word of the final message 0.01" in text
    assert "New Port Arden" in text
    assert "user (reply): Norway." in text
    assert text.count("one answer; costs its words") == 5
    assert "'aks me' is no move" in text
    assert "write each option as label => answer" in text


@pytest.mark.parametrize(
    ("line", "move"),
    [
        ("answer Port Arden", Answer("Port Arden")),
        (
            "list painter => Port Arden; chemist => Oslo",
            Enumerate([("painter", "Port Arden"), ("chemist", "Oslo")]),
        ),
        ("<enumerate>painter => Oslo</enumerate>", Enumerate([("painter", "Oslo")])),
    ],
)
def test_a_person_writes_final_messages(line, move):
    assert play(TOWN, human(line)[0], 0).moves("asker") == [move]


def test_a_person_plays_the_user():
    listed = Enumerate([("painter", "Port Arden"), ("chemist", "Oslo")])
    person, shown = human("the chemist", "9", "two", "2")
    episode = play(TOWN, Script([Ask("Which?"), listed]), 1, person)
    assert episode.moves("user") == [Reply("the chemist"), Select("Oslo")]
    text = "\n".join(shown)
    assert "What you mean: Jo Hale, the chemist from Norway" in text
    assert "'9': a number from 1 to 2, or nothing" in text
    assert "'two': a number from 1 to 2, or nothing" in text
    assert play(TOWN, Script([listed]), 1, human("")[0]).moves("user") == [Select("")]
    assert play(TOWN, Script([Answer("Oslo")]), 1, human("")[0]).moves("user") == [Select("Oslo")]


def test_what_another_player_writes_cannot_steer_the_terminal():
    person, shown = human("x", "")
    play(TOWN, Script([Ask("Which?\x1b[2J"), Answer("Oslo\x07")]), 1, person)
    assert not any(ord(character) < 32 and character != "\n" for character in "".join(shown))
