"""`questions-v0`: questions of your own, from a file, the Hugging Face hub or Python, with columns by name.

How a row becomes a task (rules of ours, each with a test):
- `meanings` are texts with `answers` beside them, or objects with text, answers, weight and facts. A row
  without meanings has one, the question itself.
- `answers` has an entry for each meaning, a text or a list of texts; of one meaning it may be that list.
- Without `weights` all meanings are equally likely; weights are probabilities that add up to 1 (0.005 a
  meaning more or less, for they may be rounded), or counts in whole numbers.
- A text in place of a list is JSON where it begins with "["; else "|" stands between meanings and ";"
  between the answers to one. Numbers are taken as texts.
- `facts` are, for each meaning, values by name, each in one word. What the values of a name can be is what
  the whole source says of it.
- `split` says where a row belongs. Without it, 80 in 100 rows are for training and the rest for validation,
  by a hash of the id, or of the question where there is none: a row stays where it is when others come. Only
  of a few rows that all fall on one side, one goes to the other.
- A row has at most 12 meanings. One that cannot be played as it was meant is rejected with its line and a
  reason, and the others are read.

Version history: v0, first version.
"""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from clarify_env.costs import CostSampler
from clarify_env.data import SPLITS, Rejected, parsed_json, stamp
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError, choose, nearest
from clarify_env.games.clarification.game import KNOWLEDGE, ClarificationGame, State
from clarify_env.games.clarification.grading import grading
from clarify_env.games.clarification.rows import HUB_PREFIX, SourceRow, Unread, rows_of
from clarify_env.games.clarification.task import Fact, Interpretation, Task, sound

SAMPLE = Path(__file__).with_name("sample.jsonl")  # written for this project


FIELDS = ("question", "meanings", "answers", "weights", "facts", "document", "context", "id", "split")


PARTS_OF_MEANING = ("text", "answers", "weight", "facts")


_MOST = 12  # meanings of a row: the best play of a question takes 0.6 s to compute with 12, 6.5 s with 16


EVERY = "all"  # the split that holds all questions


TRAINING_SHARE = 80  # of 100 rows that do not say where they belong


_SAME_SPLIT = {"dev": "validation", "val": "validation", "valid": "validation"}


class QuestionSet(NamedTuple):
    """What was understood of a source.

    Args:
        tasks: by split, in the order of the rows.
        rejected: place and reason of each row that cannot be played.
        columns: all names of columns that were seen.
        used: the columns that were read, by our names.
        hashed: how many rows did not say where they belong.
    """

    tasks: Mapping[str, tuple[Task, ...]]
    rejected: tuple[Rejected, ...]
    columns: tuple[str, ...]
    used: Mapping[str, str]
    hashed: int

    def of(self, split: str) -> tuple[Task, ...]:
        """The tasks of a split, or of all of them.

        Raises:
            ClarifyError: there is no such split, or no question in it.
        """
        choose("split", split, (*SPLITS, EVERY))
        found = tuple(task for name in SPLITS if split in (name, EVERY) for task in self.tasks[name])
        if not found:
            held = ", ".join(f"{len(self.tasks[name])} in {name}" for name in SPLITS)
            raise ClarifyError(
                f"split={split!r}: holds no question; there are {held}; a column 'split' says where a row "
                f"belongs, and split={EVERY!r} takes all"
            )
        return found


def value_at(values: Mapping[str, Any], column: str) -> Any:
    """What a row holds in a column, or inside of it by a path such as "annotations.0.question"; else None.

    A name that is looked up in a list is looked up in each of its items.
    """
    if column in values:
        return values[column]
    if not column:
        return None
    found: Any = values
    for key in column.split("."):
        found = _inside(found, key)
    return found


def _inside(found: Any, key: str) -> Any:
    if isinstance(found, Mapping):
        return found.get(key)
    if not isinstance(found, list):
        return None
    if key.isdecimal():
        return found[int(key)] if len(key) < 8 and int(key) < len(found) else None
    while any(isinstance(item, list) for item in found):
        found = [part for item in found for part in (item if isinstance(item, list) else [item])]
    return [_inside(item, key) for item in found if item is not None]


def _spoken_value(what: str, value: Any) -> str:
    """A text, or a number as a text."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ClarifyError(f"{what} {value!r:.60} is a {type(value).__name__}, not a text")
    try:
        return str(int(value)) if value == int(value) else repr(value)
    except (ValueError, OverflowError):
        raise ClarifyError(f"{what} is no number that can be taken") from None


def _is_none(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and value.strip() in ("", "[]"))


def _listed(what: str, value: Any, separator: str) -> list[Any]:
    """A list as it stands; a text as JSON, or as the parts between separators."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return list(parsed_json(value))
        except (ValueError, RecursionError):
            raise ClarifyError(f"{what} {value[:60]!r} begins with [ and is no JSON") from None
    return [part for part in _spoken_value(what, value).split(separator) if part.strip()]


def _aliases(what: str, value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_spoken_value(what, one) for one in _listed(what, value, ";")))


def _number(what: str, value: Any) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ClarifyError(f"{what} {value[:40]!r} is no number") from None
    return value  # type: ignore[no-any-return]  # what it is, `sound` looks at


def _own_facts(what: str, value: Any) -> tuple[Fact, ...]:
    if _is_none(value) or value == {}:
        return ()
    if not isinstance(value, Mapping):
        raise ClarifyError(f"{what} {value!r:.60}: facts are values by name, as {{'country': 'norway'}}")
    named = ((name, one) for name, one in value.items() if one is not None)  # Parquet fills up with nothing
    pairs = [(_spoken_value(what, n).lower(), _spoken_value(what, v).lower()) for n, v in named]
    return tuple(Fact(name, one, (one,)) for name, one in pairs)


def _for_each(what: str, value: Any, count: int) -> list[Any]:
    """The entries of `value`, one a meaning."""
    if count == 1 and isinstance(value, Mapping):
        return [value]
    found = _listed(what, value, "|")
    if len(found) != count:
        raise ClarifyError(f"has {count} meanings and {len(found)} {what}; give one for each")
    return found


def _meanings(given: Mapping[str, Any], question: str) -> list[Interpretation]:
    listed = [question] if _is_none(given["meanings"]) else _listed("meanings", given["meanings"], "|")
    if not listed:
        raise ClarifyError(f"meanings {given['meanings']!r:.60} holds none")
    if len(listed) > _MOST:
        raise ClarifyError(f"has {len(listed)} meanings; at most {_MOST}, leave out the least likely")
    if any(isinstance(meaning, Mapping) for meaning in listed):
        return _whole_meanings(given, listed)
    count = len(listed)
    if _is_none(given["answers"]):
        raise ClarifyError("has no answers")
    answers: list[Any] = [given["answers"]]
    if count > 1:
        answers = _for_each("answers", given["answers"], count)
    elif isinstance(given["answers"], (list, tuple)) and len(given["answers"]) == 1:
        answers = list(given["answers"])
    weights = [1.0] * count
    if not _is_none(given["weights"]):
        weights = _for_each("weights", given["weights"], count)
    facts: list[Any] = [None] * count
    if not _is_none(given["facts"]):
        facts = _for_each("facts", given["facts"], count)
    return [
        Interpretation(
            _spoken_value(f"meaning {i}", text),
            _aliases(f"meaning {i}: answer", answer),
            _number(f"meaning {i}: weight", weight),
            _own_facts(f"meaning {i}: facts", fact),
        )
        for i, (text, answer, weight, fact) in enumerate(zip(listed, answers, weights, facts, strict=True), 1)
    ]


def _whole_meanings(given: Mapping[str, Any], listed: Sequence[Any]) -> list[Interpretation]:
    """Meanings that bring their own answers."""
    found = []
    for name in ("answers", "weights", "facts"):
        if not _is_none(given[name]):
            raise ClarifyError(f"has {name} beside its meanings and within them; give them in one place")
    for i, meaning in enumerate(listed, 1):
        if not isinstance(meaning, Mapping):
            raise ClarifyError(f"meaning {i}, {meaning!r:.60}, is a text among objects")
        for name in meaning:
            if name not in PARTS_OF_MEANING:
                raise ClarifyError(f"meaning {i} has {name!r}{nearest(name, PARTS_OF_MEANING)}")
        weight = meaning.get("weight")
        if _is_none(meaning.get("text")) or _is_none(meaning.get("answers")):
            raise ClarifyError(f"meaning {i} has no {'text' if _is_none(meaning.get('text')) else 'answers'}")
        found.append(
            Interpretation(
                _spoken_value(f"meaning {i}", meaning["text"]),
                _aliases(f"meaning {i}: answer", meaning["answers"]),
                1.0 if weight is None else _number(f"meaning {i}: weight", weight),
                _own_facts(f"meaning {i}: facts", meaning.get("facts")),
            )
        )
    return found


def _task(values: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Task, str]:
    """The task of one row, and the split that it says it belongs to.

    Raises:
        ClarifyError: it has none, with the reason.
    """
    given = {field: value_at(values, names[field]) for field in FIELDS}
    if _is_none(given["question"]):
        raise ClarifyError(f"has no question (column {names['question']!r})")
    texts = {
        field: "" if _is_none(given[field]) else _spoken_value(field, given[field])
        for field in ("question", "document", "context", "id", "split")
    }
    id = texts["id"] or _digest(f"{texts['question']}\n{texts['context']}")[:12]
    task = Task(id, texts["question"], tuple(_meanings(given, texts["question"])))
    split = texts["split"].lower()
    split = _SAME_SPLIT.get(split, split)
    if split and split not in SPLITS:
        raise ClarifyError(f"split {split[:40]!r}{nearest(split, SPLITS)}")
    return sound(task._replace(document=texts["document"], context=texts["context"])), split


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _hashed_splits(ids: Sequence[str]) -> dict[str, str]:
    """The split of each id: by its hash alone, but that of two and more some are for either."""
    places = {id: int(_digest(id)[:12], 16) for id in ids}
    found = {id: "train" if at % 100 < TRAINING_SHARE else "validation" for id, at in places.items()}
    for split, pick in (("train", min), ("validation", max)):
        if len(ids) > 1 and split not in found.values():
            found[pick(ids, key=lambda id: (places[id], id))] = split
    return found


def _checked_fields(fields: Any) -> dict[str, str]:
    if not isinstance(fields, Mapping):
        raise ClarifyError(
            f"fields={fields!r:.80}: give our names with your columns, as {{'question': 'query'}}"
        )
    for field, column in fields.items():
        choose("field", field, FIELDS)
        if not isinstance(column, str):
            raise ClarifyError(
                f"fields: {field!r} is {column!r:.60}; give the name of a column, or '' for none"
            )
    return dict(fields)


def own_questions(source: Any = None, fields: Mapping[str, str] | None = None) -> QuestionSet:
    """What a source holds, with the rows that were rejected; a file is read once, until it changes.

    Args:
        source: a file (.jsonl, .json, .csv, .tsv, .parquet), "hub:OWNER/NAME", or rows as dicts, such as a
            list or a `datasets.Dataset`, or by split; None for the questions that ship with the package.
        fields: the names of its columns by ours, where they differ; a path such as "a.b" looks inside, and ""
            leaves a column alone that is called as ours.

    Raises:
        ClarifyError: there is no such source or column, or no row of it can be played.
    """
    named = _checked_fields(fields or {})
    if source is None:
        source = SAMPLE
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not source.startswith(HUB_PREFIX)):
        path = Path(source).expanduser()
        if path.is_file():
            return _of_file(path, stamp(path), tuple(named.items()))
        source = path
    if isinstance(source, str):
        return _of_hub(source, tuple(named.items()))
    return _read(source, named)


@lru_cache(maxsize=2)
def _of_hub(source: str, fields: tuple[tuple[str, str], ...]) -> QuestionSet:
    return _read(source, dict(fields))


@lru_cache(maxsize=4)
def _of_file(path: Path, _stamp: tuple[int, int], fields: tuple[tuple[str, str], ...]) -> QuestionSet:
    return _read(path, dict(fields))


def _read(source: Any, named: Mapping[str, str]) -> QuestionSet:
    names = {field: named.get(field, field) for field in FIELDS}
    told = source if isinstance(source, (str, Path)) else f"{type(source).__name__} of rows"
    rejected: list[Rejected] = []
    columns: dict[str, None] = {}
    held: dict[str, tuple[str, Task, str]] = {}
    found: set[str] = set()
    for row in rows_of(source):
        if isinstance(row, Unread):
            rejected.append((row.place, row.reason))
            continue
        columns.update(dict.fromkeys(map(str, row.values)))
        found |= {f for f, name in names.items() if f not in found and value_at(row.values, name) is not None}
        try:
            task, split = _task(row.values, names)
            split = split or _split_of(row)
            if task.id in held:
                raise ClarifyError(_twice(task.id, held[task.id][0], names["id"] if "id" in found else ""))
        except ClarifyError as error:
            rejected.append((row.place, str(error)))
            continue
        held[task.id] = row.place, task, split
    shown = [" ".join(name.split()) for name in columns]
    for field, column in named.items():
        if columns and column and field not in found:
            raise ClarifyError(f"{told}: no row has {column!r} for {field}{nearest(column, shown)}")
    if not held:
        why = f"; the first, {rejected[0][0]}, {rejected[0][1]}" if rejected else ""
        seen = f"; columns: {', '.join(shown)}" if columns else ""
        raise ClarifyError(f"{told}: none of {len(rejected)} rows can be played{why}{seen:.300}")
    hashed = _hashed_splits([id for id, (_, _, split) in held.items() if not split])
    tasks: dict[str, list[Task]] = {name: [] for name in SPLITS}
    for task in _with_domains([task for _, task, _ in held.values()]):
        tasks[held[task.id][2] or hashed[task.id]].append(task)
    return QuestionSet(
        {name: tuple(listed) for name, listed in tasks.items()},
        tuple(rejected),
        tuple(columns),
        {field: names[field] for field in FIELDS if field in found},
        len(hashed),
    )


def _twice(id: str, place: str, column: str) -> str:
    if column:
        return f"its id {id[:60]!r} is that of {place} too; give each row its own"
    return f"is the question of {place} over again; where another answer is meant, give each row an id"


def _split_of(row: SourceRow) -> str:
    split = _SAME_SPLIT.get(row.split.lower(), row.split.lower())
    if split and split not in SPLITS:
        raise ClarifyError(f"the split {row.split[:40]!r} of the data set{nearest(split, SPLITS)}")
    return split


def _with_domains(tasks: Sequence[Task]) -> list[Task]:
    """The tasks with each fact's domain: all values of its name in any of them."""
    values: dict[str, set[str]] = {}
    for task in tasks:
        for meaning in task.interpretations:
            for fact in meaning.facts:
                values.setdefault(fact.name, set()).add(fact.value)
    if not values:
        return list(tasks)
    domains = {name: tuple(sorted(own)) for name, own in values.items()}
    return [
        task._replace(
            interpretations=tuple(
                m._replace(facts=tuple(f._replace(domain=domains[f.name]) for f in m.facts))
                for m in task.interpretations
            )
        )
        for task in tasks
    ]


def make_questions(
    costs: CostSampler,
    path: Any = None,
    fields: Mapping[str, str] | None = None,
    split: str = "train",
    grade: Any = "f1",
    fold: bool = False,
    knowledge: str = "open",
    max_turns: int = 5,
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`questions-v0`; see the module's docstring.

    Args:
        costs: the costs of each episode.
        path: a file (.jsonl, .json, .csv, .tsv, .parquet), "hub:OWNER/NAME", or rows as dicts; None for the
            questions that ship with the package.
        fields: the names of the columns by ours, where they differ, as {"question": "query"}.
        split: "train", "validation", "test" or "all".
        grade: "f1", "exact", "numeric", "module:function", or a function that takes a selection and the
            answers and gives accuracy and exact match, both in [0, 1].
        fold: whether the grade sees texts with plain dashes and quotes, and without accents.
        knowledge: "open" (the asker holds notes), "document" (the row's document) or "closed" (neither).
        max_turns: messages that the asker may send, >= 1.
        render_mode: None or "ansi".
    """
    tasks = own_questions(path, fields).of(split)
    if choose("knowledge", knowledge, KNOWLEDGE) == "document" and not any(task.document for task in tasks):
        raise ClarifyError("questions-v0: knowledge='document', and no question of the split has a document")
    game = ClarificationGame(tasks, costs, knowledge, max_turns, grading(grade, fold))
    return GameEnv(game, "questions-v0", render_mode=render_mode)
