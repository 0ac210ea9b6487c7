"""Isotoken evaluation: controls, counts, intervals, the command."""

import json

import numpy as np
import pytest

import clarify_env
from clarify_env import Agent, ClarifyError, read_episodes, rollout
from clarify_env.agents.roster import roster_of
from clarify_env.games.pingeval import Agree, Propose, Say
from clarify_env.games.pingeval.game import PLAYERS
from clarify_env.trainers.evaluation.isotoken import counted, deranged, isotoken, one_head, silent, spread

NAMES = "pingeval-names-v0"


class Watcher(Agent):
    """Says its first record twice, then proposes and agrees; keeps what it saw."""

    def __init__(self):
        super().__init__(0)
        self.seen = []

    def move(self, observation, rng):
        self.seen.append(observation)
        past = observation["transcript"]
        if past and isinstance(past[-1].move, Propose):
            return Agree()
        own = " ".join(observation["table"][0])
        return Propose(own) if len(past) > 2 else Say(f"{observation['me']} {own}")


def watched(env, episodes=6):
    """Episodes with what was seen in them."""
    agent = Watcher()
    return list(rollout(env, dict.fromkeys(PLAYERS, agent), episodes, batch=1)), agent.seen


def test_silence_leaves_the_kinds_of_the_others_moves_and_the_own_texts():
    env = clarify_env.make(NAMES, records=9)
    plain, _ = watched(env)
    mute, seen = watched(silent(env))
    assert [e.steps for e in mute] == [e.steps for e in plain]  # it does not listen
    for observation in seen:
        for turn in observation["transcript"]:
            assert bool(turn.move.text) == (turn.player == observation["me"])
    assert {turn.move.kind for o in seen for turn in o["transcript"]} == {"say", "propose"}


def test_deranged_hears_exactly_one_other_episode():
    env = clarify_env.make(NAMES, records=9)
    plain, _ = watched(env)
    _, seen = watched(deranged(env, plain))
    said = [{p: [m.text for m in e.moves(p) if m.text] for p in PLAYERS} for e in plain]
    at, heard_from = -1, []
    for observation in seen:
        at += not observation["transcript"]
        heard = [turn.move.text for turn in observation["transcript"] if turn.player != observation["me"]]
        if heard and observation["me"] == "right":
            sources = [k for k, texts in enumerate(said) if texts["left"][: len(heard)] == heard]
            assert sources
            assert sources != [at]
            heard_from.append((at, sources[0]))
    assert len({*heard_from}) == len(plain) == len({source for _, source in heard_from})


def test_one_head_adds_the_other_view_and_nothing_else():
    env = clarify_env.make(NAMES, records=9)
    plain, before = watched(env)
    both, seen = watched(one_head(env))
    assert [e.steps for e in both] == [e.steps for e in plain]
    for old, new in zip(before, seen, strict=True):
        assert set(new) - set(old) == {"partner"}
        assert "transcript" not in new["partner"]
        tables = {new["me"]: new["table"], new["partner"]["me"]: new["partner"]["table"]}
        assert set(tables) == set(PLAYERS)


def test_a_deranged_game_wants_episodes_that_were_played():
    env = clarify_env.make(NAMES, records=9)
    with pytest.raises(ClarifyError, match="1 episodes"):
        deranged(env, watched(env, 1)[0])
    twin = deranged(env, watched(env, 3)[0])
    twin.reset(seed=99)
    with pytest.raises(ClarifyError, match="same seed"):
        twin.step({"left": Say("hello")})


def test_what_is_counted_of_an_episode():
    env = clarify_env.make(NAMES, records=9, turns=2, budget=10, word_cost=0.1)
    env.reset(seed=0)
    (answer,) = env.episode().setup["answers"]
    for k, move in enumerate((Say("a b c"), Propose(answer), Agree())):
        env.step({PLAYERS[k % 2]: move})
    assert counted(env, 10, 2, env.episode()) == {
        "score": 1.0, "reward": pytest.approx(0.6), "words": 4, "messages": 2, "unused": 0.8, "early": 1.0,
        "broken": 0.0,
    }  # fmt: skip
    env.reset(seed=0)
    env.step({"left": Agree()})
    assert counted(env, 10, 2, env.episode())["broken"] == 1.0
    assert counted(env, 10, 2, env.episode())["early"] == 0.0


def test_an_interval_covers_its_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    samples = (rng.random((200, 80)) < 0.3).astype(float)
    found = [spread(row, 0) for row in samples]
    assert 0.88 < np.mean([one["low"] <= 0.3 <= one["high"] for one in found]) <= 1.0
    assert spread(np.ones(5), 0) == {"mean": 1.0, "low": 1.0, "high": 1.0}


def rows_of(names, turns=(2, 8), **options):
    """The rows of an evaluation on the names game with 16 words."""
    make = lambda count: clarify_env.make(NAMES, turns=count, budget=16, split="test")  # noqa: E731
    teams = roster_of(make(2).game).teams
    agents = {name: (lambda game, team=teams[name]: team(game, {})) for name in names}
    return list(isotoken(make, agents, 16, turns, episodes=60, **options))


def test_the_controls_say_what_they_should():
    rows = {(row["turns"], row["control"]): row for row in rows_of(["code"])}
    for turns in (2, 8):
        score = {c: rows[turns, c]["score"]["mean"] for c in ("played", "silent", "deranged", "oracle")}
        assert score["silent"] < 0.25 > score["deranged"]
        assert score["played"] > 0.8
        assert score["oracle"] == 1.0
        assert rows[turns, "oracle"]["unused"]["mean"] == pytest.approx(1 - 1 / 32)
    assert rows[2, "played"]["change"]["mean"] == 0.0
    change = rows[8, "played"]["score"]["mean"] - rows[2, "played"]["score"]["mean"]
    assert rows[8, "played"]["change"]["mean"] == pytest.approx(change)


def test_rows_do_not_depend_on_the_batch():
    assert rows_of(["list"], batch=7) == rows_of(["list"], batch=256)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"controls": ["mute"]}, "unknown control"),
        ({"turns": [32]}, "less than one"),
        ({"turns": []}, "at least 2"),
    ],
)
def test_mistakes_are_told_before_anything_is_played(options, words):
    with pytest.raises(ClarifyError, match=words):
        rows_of(["guess"], **options)


def test_a_game_without_words_is_refused():
    make = lambda count: clarify_env.make("synthetic-v0")  # noqa: E731
    with pytest.raises(ClarifyError, match="does not count messages"):
        list(isotoken(make, {"x": lambda game: {}}, 16))


def test_the_command_writes_numbers_episodes_and_a_picture(command, mistake, elsewhere, tmp_path):
    given = [
        "pingeval-chess-v0",
        "--agent",
        "guess,pieces",
        "--turns",
        "2,4",
        "--budget",
        16,
        "--episodes",
        20,
    ]
    code, text, err = command("isotoken", *given, "--env-option", "gap=2", "--out", tmp_path / "out")
    assert code == 0, err
    result = json.loads((tmp_path / "out" / "isotoken.json").read_text(encoding="utf-8"))
    assert len(result["rows"]) == 16
    assert result["options"] == {"split": "validation", "gap": 2}
    assert (tmp_path / "out" / "isotoken.png").stat().st_size > 1000
    assert len(list(read_episodes(tmp_path / "out" / "episodes" / "pieces-4-deranged.parquet"))) == 20
    assert "pieces" in text
    assert "did you mean 'pieces'" in mistake("isotoken", "pingeval-chess-v0", "--agent", "peices")
    assert "these do: pingeval" in mistake("isotoken", "synthetic-v0", "--agent", "guess")
    assert "NAME=VALUE" in mistake("isotoken", "pingeval-chess-v0", "--agent", "guess", "--env-option", "gap")
    assert "whole numbers" in mistake("isotoken", "pingeval-chess-v0", "--agent", "guess", "--turns", "x")
    assert "unknown option" in mistake(
        "isotoken", "pingeval-chess-v0", "--agent", "guess", "--env-option", "a=1"
    )
