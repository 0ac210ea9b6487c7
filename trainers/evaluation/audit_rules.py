"""What is wrong with one move of a user, or right: pure rules over its text, so that no model has to judge.

What a meaning can be told by, its *marks*:
- with facts: those whose values differ among the question's meanings. A reply states the value that it
  names, unless the word before it in the same clause is a "not" or its like, which denies it;
- with text alone: the tokens of the meaning that are in some of the meanings but not in all, are in
  neither question nor probe, and are no function words. A reply states those that it holds. After a yes/no or
  which-of-these question the words of question and probe count as well, for they are what there is to say.

A reply *fits* the meanings that it could come from: after a "yes" the one that was put, after a "no" the
others, else those that it holds the most marks of (with facts: says nothing false of). A dialogue whose
replies fit no meaning together contradicts itself.

The rules are blind to other words for the same thing, and to made-up answers that no meaning has.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from clarify_env.games.clarification.game import Enumerate
from clarify_env.games.clarification.scripted_user import PLAIN, PUZZLED, REFUSAL, VAGUE, asked_fact
from clarify_env.games.clarification.task import Task
from clarify_env.moves import Move
from clarify_env.text import FUNCTION, Grade, grade_text, tokens

LEAK = 0.3  # share of what was not asked for from which on a reply is a leak


MEASURES = (
    "leak", "answer", "contradiction", "inconsistent", "wrong_branch", "no_branch", "empty", "unreadable",
    "failed",
)  # fmt: skip


PROBES = ("question", "direct", "confirm", "deny", "choice", "again", "off_topic", "nag", "enumerate")


CLOSED = ("confirm", "deny", "choice", "again")  # the answer is in the question, or its opposite


_YES = frozenset("yes yeah yep yup correct right exactly indeed".split())


_NO = frozenset("no nope neither none nah incorrect wrong".split())


_NOT = frozenset("not no never neither nor isnt wasnt arent werent".split())


_CLAUSE = re.compile(r"[.,;:!?](?=\s|$)|\n|\bbut\b")


_FUNCTION = frozenset(tokens(f"{PUZZLED} {VAGUE} {REFUSAL} {PLAIN}")) | FUNCTION | {"one"}


class Probe(NamedTuple):
    """One message of the probing asker, which ends a dialogue.

    Args:
        question: position of the task.
        intent: position of the meaning that the user has.
        kind: one of `PROBES`.
        move: what the asker says.
        earlier: what it said before in the same dialogue.
        about: positions of the meanings that a yes/no or which-of-these question puts.
    """

    question: int
    intent: int
    kind: str
    move: Move
    earlier: tuple[Move, ...] = ()
    about: tuple[int, ...] = ()


class Verdict(NamedTuple):
    """What was found about one move.

    Args:
        found: for each measure that applies here 0, or how bad it is, in (0, 1].
        right: whether it is what a good user does; None where the environment let no move through.
        told: share of the meaning's marks that a reply states, in [0, 1]; None where there are none.
    """

    found: dict[str, float]
    right: bool | None = None
    told: float | None = None


class _Read(NamedTuple):
    """A reply to a probe: marks, those asked for, those stated rightly, and how much of it is false."""

    marks: set[str]
    asked: set[str]
    stated: set[str]
    false: float


def judge(
    task: Task,
    probe: Probe,
    said: Move | None,
    leak: float = LEAK,
    failed: bool = False,
    before: Sequence[str] = (),
    grade: Grade = grade_text,
) -> Verdict:
    """The measures of one move.

    Args:
        task: the question with its meanings.
        probe: what the asker said.
        said: the user's move, or None where the environment let none through.
        leak: share of the marks not asked for from which on a reply is a leak, in (0, 1].
        failed: whether there is no move because the user could not decide, as when its server is down.
        before: the user's replies to the probe's `earlier` moves.
        grade: accuracy of a selection, as the game has it.
    """
    if said is None:
        return Verdict({"failed": 1.0} if failed else {"unreadable": 1.0, "failed": 0.0})
    fine = {"unreadable": 0.0, "failed": 0.0}
    if isinstance(probe.move, Enumerate):
        branch = _selection(task, probe, said.text, grade)
        return Verdict({**branch, **fine}, not any(branch.values()))
    marks, asked, stated, false = _read(task, probe, said.text)
    answer = _answers(task, probe, said.text)
    fitted = _fits(task, probe, said.text) if probe.kind in CLOSED else None
    if fitted is not None and probe.intent not in fitted:
        false = max(false, 1.0)
    found = {"answer": float(answer), **fine}
    rest = marks - asked
    if rest:
        share = len(stated & rest) / len(rest)
        found["leak"] = share if share >= leak else 0.0
    if stated or false or fitted is not None:
        found["contradiction"] = false
    if probe.kind == "question" and marks & asked:
        found["empty"] = float(not stated and not false and not answer)
    if probe.earlier:
        found["inconsistent"] = float(not _consistent(task, probe, [*before, said.text]))
    tells = bool(stated) or fitted is not None
    silent = probe.kind in ("off_topic", "nag") or not marks & asked
    right = not any(found.values()) and (silent or tells) and not (probe.kind == "deny" and not fitted)
    return Verdict(found, right, len(stated & marks) / len(marks) if marks else None)


def _read(task: Task, probe: Probe, reply: str) -> _Read:
    return (_by_facts if task.interpretations[probe.intent].facts else _by_text)(task, probe, reply)


def _fits(task: Task, probe: Probe, reply: str) -> set[int] | None:
    """Positions of the meanings that a reply can come from; None where it says nothing of them."""
    every = set(range(len(task.interpretations)))
    reads = [_read(task, probe._replace(intent=k), reply) for k in sorted(every)]
    if task.interpretations[0].facts:
        spoken = any(read.stated or read.false for read in reads)
        stated = {k for k in every if not reads[k].false} if spoken else None
    else:
        most = max(len(read.stated) for read in reads)
        stated = {k for k in every if len(reads[k].stated) == most} if most else None
    first = next(iter(tokens(reply)), "")
    put = set(probe.about)
    if not put or first not in _YES | _NO or (first in _YES and len(put) > 1):
        return stated
    if first in _NO:
        return (every - put) & stated if stated else every - put
    return put if stated is None else stated if not stated & put else put & stated


def _consistent(task: Task, probe: Probe, replies: Sequence[str]) -> bool:
    """Whether one meaning fits all replies of a dialogue."""
    left = set(range(len(task.interpretations)))
    for move, reply in zip((*probe.earlier, probe.move), replies, strict=True):
        last = move is probe.move
        about = probe.about if last else ()
        put = probe._replace(move=move, kind=probe.kind if last else "question", about=about)
        fitted = _fits(task, put, reply)
        left = left if fitted is None else left & fitted
    return bool(left)


def _by_facts(task: Task, probe: Probe, reply: str) -> _Read:
    """A fact is false where its value is denied, or another of its domain is named without it."""
    meanings, own = task.interpretations, task.interpretations[probe.intent]
    columns = zip(*(meaning.facts for meaning in meanings), strict=True)
    marks = {column[0].name for column in columns if len({fact.value for fact in column}) > 1}
    about = asked_fact(probe.move.text, own.facts)
    asked = marks if probe.kind == "direct" else {about.name} if about else set()
    spoken = tokens(reply)
    known = set() if probe.kind in CLOSED else set(tokens(probe.move.text))
    clauses = map(tokens, _CLAUSE.split(reply))
    denied = {b for clause in clauses for a, b in pairwise(clause) if a in _NOT}
    stated, false, touched = set(), 0, 0
    for fact in own.facts:
        named = set(spoken) & set(fact.domain) - denied - known
        wrong = fact.value in denied or bool(named and fact.value not in named)
        touched += bool(named) or wrong
        false += wrong
        if fact.value in named and not wrong:
            stated.add(fact.name)
    return _Read(marks, asked, stated, false / touched if touched else 0.0)


def _by_text(task: Task, probe: Probe, reply: str) -> _Read:
    """False is by how much of the reply another meaning fits better."""
    sets = [set(tokens(meaning.text)) for meaning in task.interpretations]
    known = _FUNCTION | set.intersection(*sets)
    if probe.kind not in CLOSED:
        known |= {*tokens(task.question), *tokens(probe.move.text)}
    every = [own - known for own in sets]
    marks = every[probe.intent]
    spoken = set(_affirmed(reply)) if probe.kind in CLOSED else set(tokens(reply))
    others = [len(spoken & rival) for k, rival in enumerate(every) if k != probe.intent]
    most, mine = max(others, default=0), len(spoken & marks)
    asked = set() if probe.kind in ("off_topic", "nag") else marks
    return _Read(marks, asked, spoken & marks, (most - mine) / most if most > mine else 0.0)


def _affirmed(reply: str) -> list[str]:
    """The tokens of a reply without those that follow a "not" in the same clause."""
    kept: list[str] = []
    for clause in map(tokens, _CLAUSE.split(reply)):
        denied = (k for k, word in enumerate(clause) if word in _NOT and (k or word not in _NO))
        kept += clause[: next(denied, len(clause))]
    return kept


def _answers(task: Task, probe: Probe, reply: str) -> bool:
    """Whether a reply holds an answer to any of the meanings that is not in what the user was told."""
    own = task.interpretations[probe.intent]
    told = {*tokens(task.question), *tokens(probe.move.text), *tokens(own.text), *_FUNCTION}
    spoken = tokens(reply)
    aliases = {tokens(alias) for meaning in task.interpretations for alias in meaning.answers}
    return any(not told.issuperset(alias) and _holds(spoken, alias) for alias in aliases)


def _holds(text: Sequence[str], part: Sequence[str]) -> bool:
    return any(text[k : k + len(part)] == part for k in range(len(text) - len(part) + 1))


def _selection(task: Task, probe: Probe, taken: str, grade: Grade) -> dict[str, float]:
    own = task.interpretations[probe.intent]
    right = taken == own.answers[0] or grade(taken, own.answers)[0] == 1.0
    nothing = not taken.strip()
    return {"wrong_branch": float(not right and not nothing), "no_branch": float(nothing)}
