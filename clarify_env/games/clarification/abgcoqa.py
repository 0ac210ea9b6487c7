"""`abgcoqa-v0`: questions about a story, some of them ambiguous (Abg-CoQA, Guo et al., AKBC 2021).

Both players have read the story and the dialogue so far: they are the context. So the given document of
this game is no secret of the asker's, and knowledge="document" shows it nothing more than "closed" does.

Data: `coqa_abg_val.json` and `coqa_abg_test.json` (and `coqa_abg_train.json`) of the public release, from
`data_dir` or `$CLARIFY_ENV_DATA/abgcoqa`.

How a question becomes a task (rules of ours, each with a test):
- One that is not ambiguous has one meaning, itself, and stays in: asking about it only costs.
- An ambiguous one has a meaning for each reply to the clarifying question of the data. Its text is the
  question and "I mean ...", with what the reply says: after "Yes" what it adds, else what the clarifying
  question offers; after "No" what it adds, else "I do not mean ..." and that offer. "Do you mean", "I am
  referring to" and the like are left out. All meanings are equally likely.
- The answers of all annotators are aliases. Where some of them say "unknown" and others answer, only the
  answers count; where all do, "Unknown" is right: the story does not say.
- Two meanings in the same words are one, with the aliases of both. An ambiguous question with only one
  meaning is rejected with its reason in `load_abgcoqa(...).rejected`: it would make asking worth nothing.

Version history: v0, first version.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from clarify_env.costs import CostSampler
from clarify_env.data import VARIABLE, Loaded, Rejected, find_file, make_tasks, read_json, stamp
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose
from clarify_env.games.clarification.game import ClarificationGame, State
from clarify_env.games.clarification.task import Interpretation, Task
from clarify_env.text import tokens

_FILES = {
    "train": ("coqa_abg_train.json", "train.json"),
    "validation": ("coqa_abg_val.json", "validation.json"),
    "test": ("coqa_abg_test.json", "test.json"),
}


ONE_MEANING = "marked ambiguous, but only one meaning has an answer"


_LEAD = re.compile(
    r"^(?:(?:by [\"'“].*?[\"'”],? )?(?:do you|you|are you|did you|i|i'm|i am|would you)\s+"
    r"(?:do\s+)?(?:mean(?:ing)?|want(?:ing)?(?: to know(?: about)?)?|ask(?:ing)?(?: about)?"
    r"|referring to|refer to|talking about|looking for|interested in|like to know)"
    r"|i'd like to know)\s*[,:]?\s+",
    re.IGNORECASE,
)


_SMALL = frozenset(
    "a an the when what where who why how which whose in on at by to from of for with after before during "
    "other another initially".split()
)


_YES_NO = re.compile(r"^(yes|yeah|no|nope)\b[\s,.;:!]*", re.IGNORECASE)


def _bare(text: str) -> str:
    """What a question or reply says, without "Do you mean", "I mean" and the end of the sentence."""
    said = _LEAD.sub("", " ".join(text.split())).rstrip(" ?.!,;")
    return said[:1].lower() + said[1:] if said.partition(" ")[0].lower() in _SMALL else said


def meaning(question: str, clarifying: str, reply: str) -> str:
    """The statement of what is meant by `question`, from the reply to a clarifying question."""
    question = question.rstrip(" ?.!,;")
    found = _YES_NO.match(reply.strip())
    said = _bare(reply.strip()[found.end() :] if found else reply)
    if said:
        return f"{question}, I mean {said}?"
    offer = _bare(clarifying)
    denied = found is not None and found.group(1).lower().startswith("n")
    return f"{question}, I {'do not ' if denied else ''}mean {offer}?"


def _aliases(answers: list[Any]) -> tuple[str, ...]:
    stripped = dict.fromkeys(answer.strip() for answer in answers if answer is not None)
    usable = [answer for answer in stripped if tokens(answer)]
    known = [answer for answer in usable if tokens(answer) != ("unknown",)]
    return tuple(known or usable[:1])


def parse_abgcoqa(row: dict[str, Any], position: int = 0) -> Iterator[Task | Rejected]:
    """The task of one record, or (id, reason).

    Raises:
        KeyError, TypeError, AttributeError, ValueError: the record does not have Abg-CoQA's form.
    """
    id, question = str(row["id"]), row["target_turn"]["question"].strip()
    lines = [row["story"].strip(), ""]
    for turn in row["history_turns"]:
        lines += [f"User: {turn['question'].strip()}", f"Assistant: {turn['answer'].strip()}"]
    if row["ambiguity"] not in ("ambiguous", "non_ambiguous"):
        raise ValueError(f"the ambiguity {row['ambiguity']!r} is neither ambiguous nor non_ambiguous")
    ambiguous, merged = row["ambiguity"] == "ambiguous", dict[tuple[str, ...], tuple[str, tuple[str, ...]]]()
    if ambiguous:
        asked = row["clarification_turn"]
        for given in asked["answers"]:
            text = meaning(question, asked["question"], given["clr_ans"])
            golds = _aliases([given["org_ans"], given.get("org_ans_2"), given.get("org_ans_3")])
            old = merged.get(tokens(text), (text, ()))
            if golds:
                merged[tokens(text)] = old[0], tuple(dict.fromkeys([*old[1], *golds]))
    elif golds := _aliases([row["target_turn"]["answer"]]):
        merged[tokens(question)] = question, golds
    if not tokens(question) or not merged:
        yield id, "no question, or no answer that has a token"
    elif ambiguous and len(merged) == 1:
        yield id, ONE_MEANING
    else:
        weight = 1.0 / len(merged)
        kept = tuple(Interpretation(text, golds, weight) for text, golds in merged.values())
        yield Task(id, question, kept, context="\n".join(lines))


@lru_cache(maxsize=3)
def _from_file(path: Path, _stamp: tuple[int, int]) -> Loaded:
    content = read_json(path)
    rows = content.get("data") if isinstance(content, dict) else content
    return make_tasks(rows, str(path), "Abg-CoQA", parse_abgcoqa)


def load_abgcoqa(split: str = "train", data_dir: str | os.PathLike[str] | None = None) -> Loaded:
    """The questions of a split, read once per process.

    Args:
        split: "train", "validation" or "test".
        data_dir: the folder of the JSON files; None for `$CLARIFY_ENV_DATA/abgcoqa`.

    Raises:
        ClarifyError: there are no data, or they are malformed (file and position).
    """
    choose("split", split, _FILES)
    path = find_file(data_dir, "abgcoqa", _FILES[split])
    if path is None:
        raise ClarifyError(
            f"abgcoqa-v0: no data. Give data_dir=FOLDER (--data-dir), the folder of {_FILES[split][0]}, or "
            f"set {VARIABLE} to the folder that holds abgcoqa/"
        )
    return _from_file(path, stamp(path))


def make_abgcoqa(
    costs: CostSampler,
    split: str = "train",
    data_dir: str | os.PathLike[str] | None = None,
    knowledge: str = "open",
    max_turns: int = 5,
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`abgcoqa-v0`; see the module's docstring.

    Args:
        costs: the costs of each episode.
        split: "train", "validation" or "test".
        data_dir: the folder of the JSON files; None for `$CLARIFY_ENV_DATA/abgcoqa`.
        knowledge: "open" (the asker holds notes); "document" or "closed" (the story, which both hold).
        max_turns: messages that the asker may send, >= 1.
        render_mode: None or "ansi".
    """
    game = ClarificationGame(load_abgcoqa(split, data_dir).tasks, costs, knowledge, max_turns)
    return GameEnv(game, "abgcoqa-v0", render_mode=render_mode)
