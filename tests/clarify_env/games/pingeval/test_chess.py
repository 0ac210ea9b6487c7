"""`pingeval-chess-v0`: games, positions, PGN files."""

import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clarify_env
from clarify_env import ClarifyError
from clarify_env.agents.pingeval.chess import EARLIER, counts, evidence
from clarify_env.games.pingeval.chess import FIRST, POSITIONS, chosen, generate_match
from clarify_env.games.pingeval.game import PLAYERS
from clarify_env.testing.env_checks import check_env

chess = pytest.importorskip("chess")
ID = "pingeval-chess-v0"
EXACT = [key for key in EARLIER if key != "home"]  # a game cannot bring these back
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR KQkq"
GAME = """[Event "?"]

1. e4 e5 2. Nf3 (2. d4 exd4 (2... d6)) Nc6 {a comment} 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 6. Re1 b5 7. Bb3 1-0

"""


@pytest.mark.parametrize("options", [{}, {"gap": 30, "turns": 1, "budget": 4}], ids=str)
def test_the_environment_passes_every_check(options):
    assert "processes" in check_env(clarify_env.make(ID, word_cost=0.01, **options))


def test_the_environment_over_a_file_passes_every_check(tmp_path):
    assert check_env(clarify_env.make(ID, pgn=written(tmp_path, GAME * 3), word_cost=0.01))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_positions_of_a_game_come_in_order_and_apart(seed, gap):
    task = generate_match(np.random.default_rng(seed), "t", gap)
    assert 2 <= len(task.positions) == len({*task.positions}) <= POSITIONS
    assert task.plies[0] >= FIRST
    assert all(b - a >= gap for a, b in pairwise(task.plies))
    for earlier, later in pairwise(task.positions):
        own, other = counts(earlier), counts(later)
        for key in ("pieces", "pawns", "rights"):
            assert own[key] >= other[key]
        for_earlier, decides = evidence(own, other, EXACT)
        assert for_earlier >= 0.0
        assert decides == any(own[key] != other[key] for key in EXACT)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 120), st.integers(1, 60))
def test_chosen_plies_lie_in_the_game(seed, plies, gap):
    found = chosen(np.random.default_rng(seed), plies, gap)
    assert found == sorted(found)
    assert all(FIRST <= at <= plies for at in found)
    assert all(b - a >= gap for a, b in pairwise(found))
    assert bool(found) == (plies - FIRST >= gap)


def test_both_answers_are_equally_likely_and_follow_from_the_plies():
    env = clarify_env.make(ID, size=200)
    lefts = 0
    for seed in range(400):
        env.reset(seed=seed)
        setup = env.episode().setup
        earlier = PLAYERS[int(np.argmin(setup["plies"]))]
        assert setup["answers"] == [earlier]
        lefts += earlier == "left"
    assert 160 < lefts < 240


@pytest.mark.parametrize("player", PLAYERS)
def test_alternatives_are_the_neighbours_of_the_own_position(player):
    env, me = clarify_env.make(ID), PLAYERS.index(player)
    env.reset(seed=0, options={"task": 0, "positions": (1, 2)})
    found = env.game.alternatives(env.game_state, player)
    own = (1, 2)[me]
    assert sorted(state.pair.drawn["positions"][1 - me] for state, _ in found) == [own - 1, own + 1]
    assert [chance for _, chance in found] == [0.5, 0.5]
    assert {state.pair.answer for state, _ in found} == {*PLAYERS}
    env.reset(seed=0, options={"task": 0, "positions": (0, 1)})
    assert len(env.game.alternatives(env.game_state, "left")) == 1


def test_a_position_tells_neither_whose_move_it_is_nor_the_number_of_moves():
    board = chess.Board()
    for move in ("g1f3", "g8f6", "f3g1", "f6g8"):
        board.push_uci(move)
    from clarify_env.games.pingeval.chess import position

    assert position(board) == START


def test_what_is_counted_of_a_position():
    assert counts(START) == {"pieces": 32, "pawns": 16, "rights": 4, "steps": 0, "home": 16}
    late = "4k3/1p6/8/3P4/8/8/8/R3K3 Q"
    assert counts(late) == {"pieces": 5, "pawns": 2, "rights": 1, "steps": 3, "home": 3}
    assert set(counts(late)) == set(EARLIER)
    with pytest.raises(ClarifyError, match="eight ranks"):
        counts("4k3/8 -")


def written(folder, text):
    """The path of a file with this text."""
    path = folder / "games.pgn"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_games_is_split(tmp_path):
    path = written(tmp_path, GAME * 20)
    sizes = {
        split: len(clarify_env.make(ID, pgn=path, split=split).game.tasks) for split in ("train", "test")
    }
    assert sizes == {"train": 16, "test": 2}
    assert len(clarify_env.make(ID, pgn=path, size=3).game.tasks) == 3
    last = clarify_env.make(ID, pgn=path, gap=9).game.tasks[0]
    assert last.plies == (4, 13)
    assert last.positions[1] == "r1bqk2r/2ppbppp/p1n2n2/1p2p3/4P3/1B3N2/PPPP1PPP/RNBQR1K1 kq"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GAME + GAME.replace("Ba4", "Qa4"), "game 2: illegal san: 'Qa4'"),
        (GAME.replace('[Event "?"]', '[SetUp "1"]\n[FEN "garbage"]'), "game 1: .*garbage"),
        (GAME.replace('[Event "?"]', '[Variant "nonsense"]'), "game 1: .*nonsense"),
        ("", "none of its 0 games"),
        ('[Event "?"]\n\n1. e4 *\n', "none of its 1 games"),
        ("\x00\x01 no game at all \ufffd", "none of its"),
    ],
)
def test_a_file_that_will_not_do_is_told_by_name_and_game(tmp_path, text, words):
    path = written(tmp_path, text)
    os.utime(path, (len(text), len(text)))
    with pytest.raises(ClarifyError, match=words) as raised:
        clarify_env.make(ID, pgn=path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_other_mistakes_are_told(tmp_path):
    with pytest.raises(ClarifyError, match="No such file"):
        clarify_env.make(ID, pgn=tmp_path / "none.pgn")
    with pytest.raises(ClarifyError, match="has 2 games"):
        clarify_env.make(ID, pgn=written(tmp_path, GAME * 2), size=3)
    with pytest.raises(ClarifyError, match="gap=0"):
        clarify_env.make(ID, gap=0)
    env = clarify_env.make(ID)
    for pair in ((0, 2), (0, 0), (5, 6), 3):
        with pytest.raises(ClarifyError, match="follow each other"):
            env.reset(options={"positions": pair})
