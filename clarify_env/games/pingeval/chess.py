"""`pingeval-chess-v0`: each partner sees one position of the same chess game; which of them came earlier?

The games are played by a seeded player (half of the time the greatest capture, else any legal move) or
read from a PGN file. A game gives a few positions, at least `gap` plies apart; two that follow each other are
drawn, and who sees which. A position is told by its pieces and castling rights; whose move it is, and the
counters of moves, would give the answer away, and are left out.

    rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR KQkq

Both answers are equally likely, so that a guess is right half of the time. That the positions follow each
other keeps it near that for a partner that sees only its own: were any two drawn, a bare board would tell
that the other's came earlier, three times out of four.

Version history: v0, first version.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium.spaces import Space

from clarify_env.costs import CostSampler
from clarify_env.data import SPLITS, split_size
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.games.pingeval.game import PLAYERS, SHARED_WORDS, Deal, Generated, PartnerGame, State
from clarify_env.spaces import UnicodeText
from clarify_env.vocabulary import Vocabulary

POSITIONS = 6  # of a game


FIRST = 4  # plies before the first position


LAST = 90  # plies of a generated game


# What a board is told by: pieces, colours and squares; what can be counted of it; and what came when.
CHESS_WORDS = Vocabulary(
    "king queen rook bishop knight pawn kings queens rooks bishops knights pawns white black".split()
    + "pieces rights steps home castling position board rank file earlier later came".split()
    + [f"{file}{rank}" for file in "abcdefgh" for rank in range(1, 9)]
    + list(SHARED_WORDS)
)


_MOST = 600  # plies of a game that is read


_VALUES = {1: 1, 2: 3, 3: 3, 4: 5, 5: 9}  # of captured pieces, by python-chess's numbers


_SHARES = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}  # of ten games of a file


class Match(NamedTuple):
    """A task: positions of a game, in the order in which they came, and their plies."""

    id: str
    positions: tuple[str, ...]
    plies: tuple[int, ...]


def _chess() -> Any:
    try:
        import chess
        import chess.pgn
    except ModuleNotFoundError:
        raise ClarifyError("pingeval-chess-v0 needs chess: pip install 'clarify_env[chess]'") from None
    return chess


def position(board: Any) -> str:
    """A board without what tells the time: pieces as in FEN, and castling rights."""
    return f"{board.board_fen()} {board.castling_xfen()}"


def _captured(board: Any, move: Any) -> int:
    return _VALUES.get(board.piece_type_at(move.to_square) or (1 if board.is_en_passant(move) else 0), 0)


def random_game(rng: np.random.Generator) -> list[str]:
    """The positions of a game of the seeded player, up to `LAST` plies, the first position included."""
    board = _chess().Board()
    seen = [position(board)]
    while len(seen) <= LAST and (moves := list(board.legal_moves)):
        if rng.random() < 0.5 and (captures := [m for m in moves if board.is_capture(m)]):
            moves = [max(captures, key=lambda move: _captured(board, move))]
        board.push(moves[int(rng.integers(len(moves)))])
        seen.append(position(board))
    return seen


def chosen(rng: np.random.Generator, plies: int, gap: int) -> list[int]:
    """Up to `POSITIONS` plies from `FIRST` to `plies`, at least `gap` apart, drawn evenly and sorted."""
    room = plies - FIRST + 1
    count = min(POSITIONS, 1 + (room - 1) // gap if room > 0 else 0)
    free = room - (count - 1) * (gap - 1)
    if count < 2:
        return []
    drawn = sorted(rng.permutation(free)[:count].tolist())
    return [FIRST + at + k * (gap - 1) for k, at in enumerate(drawn)]


def match(rng: np.random.Generator, id: str, seen: Sequence[str], gap: int) -> Match | None:
    """The task of a game, or None where that is too short; of positions that are alike it keeps one."""
    first: dict[str, int] = {}
    for ply in chosen(rng, len(seen) - 1, gap):
        first.setdefault(seen[ply], ply)
    return Match(id, tuple(first), tuple(first.values())) if len(first) > 1 else None


def generate_match(rng: np.random.Generator, id: str, gap: int) -> Match:
    """The task of a generated game that is long enough, drawn with `rng`."""
    while not (made := match(rng, id, random_game(rng), gap)):
        pass
    return made


@lru_cache(maxsize=8)
def read_pgn(path: str, modified: float) -> tuple[tuple[str, ...], ...]:
    """The positions of every game of a PGN file.

    Args:
        path: of the file.
        modified: its time of change, so that a changed file is read again.

    Raises:
        ClarifyError: the file cannot be read, or a game holds a move that is not legal; says which.
    """
    chess = _chess()
    games: list[tuple[str, ...]] = []
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as lines:
            while True:
                where = f"{path}, game {len(games) + 1}"
                try:
                    game = chess.pgn.read_game(lines, Visitor=_silent(chess))
                except (ValueError, RecursionError) as error:
                    raise ClarifyError(f"{where}: {error}"[:300]) from None
                if game is None:
                    break
                if game.errors:
                    raise ClarifyError(f"{where}: {' '.join(str(game.errors[0]).split())}"[:300])
                try:
                    board = game.board()
                    seen = [position(board)]
                    for move in list(game.mainline_moves())[:_MOST]:
                        board.push(move)
                        seen.append(position(board))
                except ValueError as error:
                    raise ClarifyError(f"{where}: {error}"[:300]) from None
                games.append(tuple(seen))
    except OSError as error:
        raise ClarifyError(f"{path}: {error.strerror or error}") from None
    return tuple(games)


def _silent(chess: Any) -> Any:
    """A builder of games that keeps errors, where the usual one logs them."""

    class Builder(chess.pgn.GameBuilder):  # type: ignore[misc]
        def handle_error(self, error: Exception) -> None:
            self.game.errors.append(error)

    return Builder


class ChessGame(PartnerGame):
    """Rules of the game; `PartnerGame` has the arguments."""

    family: ClassVar[str] = "pingeval-chess"
    options: ClassVar[tuple[str, ...]] = ("task", "positions", "costs")
    entry: ClassVar[str] = "position"
    vocabulary: ClassVar[Vocabulary] = CHESS_WORDS
    question: ClassVar[str] = "Which of the two positions came earlier, left or right?"

    def draw(self, task: Match, draws: tuple[float, float], options: Mapping[str, Any]) -> Deal:
        """Two positions; `options["positions"]` pins whose is which, as (left's, right's) from 0."""
        count = len(task.positions)
        one = int(draws[0] * (count - 1))
        pair: Any = (one, one + 1) if draws[1] < 0.5 else (one + 1, one)
        pair = options.get("positions", pair)
        if (
            not isinstance(pair, Sequence)
            or len(pair) != 2
            or not all(isinstance(at, (int, np.integer)) and 0 <= at < count for at in pair)
            or abs(pair[0] - pair[1]) != 1
        ):
            raise ClarifyError(
                f"options['positions']={pair!r}: two of {count} that follow each other, left's first"
            )
        views = task.positions[pair[0]], task.positions[pair[1]]
        drawn = {"positions": [int(at) for at in pair]}
        return Deal(task.id, views, PLAYERS[int(pair[0] > pair[1])], drawn)

    def view_space(self) -> Space[Any]:
        """Texts."""
        return UnicodeText(200)

    def written(self, view: str) -> str:
        """The position as it is."""
        return view

    def setup(self, state: State) -> dict[str, Any]:
        """Also the plies of the two positions."""
        held = self.task(state.pair.id).plies
        return {**super().setup(state), "plies": [held[at] for at in state.pair.drawn["positions"]]}

    def alternatives(self, state: State, player: str) -> list[tuple[State, float]]:
        """The positions of the same game that the other may see, equally likely."""
        task, me = self.task(state.pair.id), PLAYERS.index(player)
        own = state.pair.drawn["positions"][me]
        others = [at for at in (own - 1, own + 1) if 0 <= at < len(task.positions)]
        pairs = [(at, own) if me else (own, at) for at in others]
        drawn = [self.draw(task, (0.0, 0.0), {"positions": pair}) for pair in pairs]
        return [(state._replace(pair=pair), 1.0 / len(others)) for pair in drawn]

    def plant(self, state: State) -> tuple[State, Mapping[str, Sequence[str]]]:
        """Marked positions: a partner may see its own."""
        marked = [f"planted {player} position" for player in PLAYERS]
        hidden = {player: [text] for player, text in zip(PLAYERS, marked[::-1], strict=True)}
        return state._replace(pair=state.pair._replace(views=(marked[0], marked[1]))), hidden


def make_chess(
    costs: CostSampler,
    gap: int = 1,
    pgn: str | os.PathLike[str] | None = None,
    turns: int = 8,
    budget: int = 128,
    split: str = "train",
    size: int | None = None,
    world: int = 0,
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`pingeval-chess-v0`; see the module's docstring.

    Args:
        costs: the costs of each episode.
        gap: fewest plies between two positions of a game, 1 to 60.
        pgn: a file of games, in place of generated ones; of every ten games eight are for train, one for
            validation, one for test. Games too short for two positions are left out.
        turns: messages that each partner may send, >= 1.
        budget: words that each partner may send, spread evenly over its messages.
        split: "train", "validation" or "test"; no two share a game.
        size: number of games, >= 1; by default 2,000 for train and 500 for the others, or all of the file.
        world: seed of the generated games, and of what is drawn of each, >= 0.
        render_mode: None or "ansi".
    """
    _chess()
    if not isinstance(gap, int) or not 1 <= gap <= 60:
        raise ClarifyError(f"gap={gap!r}: plies between two positions, 1 to 60")
    number = split_size(split, size, world)

    def draws(at: int) -> np.random.Generator:
        return np.random.default_rng((world, SPLITS[split], gap, at))

    tasks: Sequence[Match]
    if pgn is None:
        tasks = Generated(lambda at: generate_match(draws(at), f"{split}-{world}-{at}", gap), number)
    else:
        tasks = _of_file(Path(pgn), split, gap, draws)
        if size is not None and size > len(tasks):
            raise ClarifyError(f"size={size!r}: {pgn} has {len(tasks)} games for split {split!r}")
        tasks = tasks[:size]
    return GameEnv(ChessGame(tasks, costs, turns, budget), "pingeval-chess-v0", render_mode=render_mode)


def _of_file(path: Path, split: str, gap: int, draws: Callable[[int], np.random.Generator]) -> list[Match]:
    """The tasks of a file."""
    try:
        modified = path.stat().st_mtime
    except OSError as error:
        raise ClarifyError(f"{path}: {error.strerror or error}") from None
    tasks: list[Match] = []
    games = read_pgn(str(path), modified)
    for k, seen in enumerate(games):
        if k % 10 in _SHARES[split] and (made := match(draws(k), f"{split}-pgn-{len(tasks)}", seen, gap)):
            tasks.append(made)
    if not tasks:
        short = f"two positions {gap} plies apart after ply {FIRST}"
        raise ClarifyError(f"{path}: none of its {len(games)} games is of split {split!r} and has {short}")
    return tasks
