"""`synthetic-v1`: questions that must be read and dialogues that must be planned, the optimum known exactly.

A question is about a person, a rule or a work whose name several share. They differ in a few attributes, and
the attributes decide the right answer in many ways (`structures`): by one alone, by two jointly of which
neither tells anything, or not at all. So a policy that looks at the costs alone does poorly here, and one
that values each question by itself passes over those that pay only together with the next.

    In which town was Morgan Osei born?
      29%  Morgan Osei (rank baron, era victorian, language welsh): Tarn
      17%  Morgan Osei (rank baron, era modern, language swahili): Tarn
      13%  Morgan Osei (rank abbot, era modern, language swahili): Saint Velmor
      ...

All meanings of a question are texts of one length. Answers have one to twelve words; in a third of the
questions the later ones are near-copies of the first. Weights are whole per cents, as good as even in half of
the questions.

Version history: v1, first version; `synthetic-v0` is another world, in which the costs tell nearly all.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from clarify_env.costs import CostSampler
from clarify_env.data import SPLITS, split_size
from clarify_env.env import GameEnv
from clarify_env.games.clarification.game import ClarificationGame, State
from clarify_env.games.clarification.structures import FAMILIES, UNKNOWN, Structure
from clarify_env.games.clarification.synthetic import DISTRACTORS
from clarify_env.games.clarification.task import Fact, Interpretation, Task

# One word a value, no word twice; the last value of each is what the user says who does not know it.
_VALUES = {
    "profession": "painter chemist poet surgeon architect sailor botanist composer judge weaver unemployed",
    "country": "norway chile ghana japan peru latvia kenya oman nepal cuba stateless",
    "era": "ancient medieval baroque victorian modern undated",
    "language": "welsh tamil basque swahili danish turkish unspoken",
    "rank": "captain deacon baron sergeant abbot unranked",
    "status": "student worker pensioner soldier visitor unregistered",
    "season": "summer winter spring autumn undecided",
    "zone": "north south east west centre unzoned",
    "vehicle": "bus tram ferry train bicycle unbooked",
    "payment": "cash card voucher cheque unpaid",
    "format": "hardback paperback audio microfilm braille unbound",
    "genre": "comedy tragedy satire romance western unlabelled",
    "script": "latin cyrillic greek arabic runic unwritten",
    "decade": "twenties thirties fifties seventies nineties unknown",
    "colour": "red blue green yellow violet unpainted",
}
_DOMAINS = {name: tuple(values.split()) for name, values in _VALUES.items()}
_KINDS = {
    "person": ("profession", "country", "era", "language", "rank"),
    "rule": ("status", "season", "zone", "vehicle", "payment"),
    "work": ("format", "genre", "script", "decade", "colour"),
}

_FIRST = tuple(
    "Jordan Alex Robin Casey Morgan Quinn Rowan Sasha Taylor Jamie Noor Kim Ariel Dana Emery Toni".split()
)
_LAST = tuple(
    "Hale Berg Costa Dunn Evers Frost Grant Holt Iversen Kane Lund Marsh Nash Osei Price Rhodes".split()
)
_TITLES = tuple("Lighthouse Winterreise Heron Compass Meridian Foxglove Harvest Cathedral".split())
_PAPERS = tuple("permit licence pass certificate grant allowance".split())
# Words of answers, by kind: a near-copy exchanges a word for another of its kind.
_TOWNS = tuple(
    "Arden Velmor Oldmere Tarn Kessel Brill Ostrava Quill "
    "Sable Wexley Halden Corvo Minto Lorne Pell Isca".split()
)
_PREFIXES = tuple("Port New Upper Lower Saint Great Little Old".split())
_NOUNS = tuple(
    "harbour glass lantern orchard river mirror garden tower "
    "bell sparrow salt anchor candle ladder basket stone".split()
)
_ADJECTIVES = tuple(
    "silent golden broken distant hollow crimson endless sleeping narrow crooked bitter gentle".split()
)
_MONTHS = tuple("January March April May June July August September October November December".split())
_VERBS = tuple("bring send carry leave show collect return post register exchange".split())
_OFFICES = tuple("archive library museum pier station chapel market mill school bank".split())
_GIVEN = tuple("Mira Tomas Ilse Bruno Petra Anton Lucia Edgar".split())
_FAMILY = tuple("Voss Adler Lindqvist Moreau Tanaka Okoro Silva Novak".split())
_ADVERBS = tuple("today early alone again promptly".split())
_WORD_KINDS = (_TOWNS, _PREFIXES, _NOUNS, _ADJECTIVES, _MONTHS, _VERBS, _OFFICES, _GIVEN, _FAMILY, _ADVERBS)


def _one(rng: np.random.Generator, of: Sequence[str]) -> str:
    return of[int(rng.integers(len(of)))]


def _place(rng: np.random.Generator, length: int) -> list[str]:
    return [*(_PREFIXES[i] for i in rng.permutation(len(_PREFIXES))[: length - 1]), _one(rng, _TOWNS)]


def _person(rng: np.random.Generator, length: int) -> list[str]:
    return [*(_one(rng, _GIVEN) for _ in range(length - 1)), _one(rng, _FAMILY)]


def _date(rng: np.random.Generator, length: int) -> list[str]:
    return [str(rng.integers(1, 29)), _one(rng, _MONTHS), str(rng.integers(1500, 1999))][-length:]


def _thing(rng: np.random.Generator, length: int) -> list[str]:
    form = ("A N", "N and N", "N of A N", "A N and A N", "A N and N of N")[length - 2]
    drawn: dict[str, Sequence[str]] = {"A": _ADJECTIVES, "N": _NOUNS}
    return [_one(rng, drawn[word]) if word in drawn else word for word in form.split()]


def _steps(rng: np.random.Generator, length: int) -> list[str]:
    """What to do, in about so many words: at least five."""
    said = [_one(rng, _VERBS), _one(rng, _ADJECTIVES), _one(rng, _NOUNS)]
    tails: tuple[Callable[[], list[str]], ...] = (
        lambda: ["to", _one(rng, _OFFICES)],
        lambda: ["in", _one(rng, _TOWNS)],
        lambda: ["and", _one(rng, _NOUNS)],
        lambda: ["before", str(rng.integers(1, 29)), _one(rng, _MONTHS)],
        lambda: ["with", _one(rng, _ADJECTIVES), _one(rng, _NOUNS)],
        lambda: ["via", _one(rng, _PREFIXES), _one(rng, _TOWNS)],
    )
    for i in rng.permutation(len(tails)):
        tail = tails[i]()
        if len(said) + len(tail) <= length:
            said += tail
    return said if len(said) == length else [*said, _one(rng, _ADVERBS)]


class Form(NamedTuple):
    """A form of question: with {} for the name, as a statement, what answers it, and in how many words."""

    question: str
    statement: str
    answer: Callable[[np.random.Generator, int], list[str]]
    least: int
    most: int


FORMS: dict[tuple[str, str], tuple[Form, ...]] = {  # by kind of thing and length of its answers
    ("person", "short"): (
        Form("In which town was {} born?", "was born in", _place, 1, 3),
        Form("Who taught {}?", "was taught by", _person, 1, 3),
        Form("When did {} die?", "died in", _date, 1, 3),
    ),
    ("person", "medium"): (
        Form("What is {} best known for?", "is best known for", _thing, 2, 6),
        Form("What did {} leave behind?", "left behind", _thing, 2, 6),
    ),
    ("person", "long"): (Form("What does the will of {} ask of us?", "asks us to", _steps, 5, 12),),
    ("rule", "short"): (
        Form("Where do I hand in the {}?", "is handed in at", _place, 1, 3),
        Form("Who signs the {}?", "is signed by", _person, 1, 3),
        Form("Until when is the {} open?", "is open until", _date, 1, 3),
    ),
    ("rule", "medium"): (Form("What do I need for the {}?", "needs", _thing, 2, 6),),
    ("rule", "long"): (Form("How do I get the {}?", "is had so:", _steps, 5, 12),),
    ("work", "short"): (
        Form("Who translated {}?", "was translated by", _person, 1, 3),
        Form("When did {} appear?", "appeared in", _date, 1, 3),
        Form("Where was {} printed?", "was printed in", _place, 1, 3),
    ),
    ("work", "medium"): (Form("What does the cover of {} show?", "shows on its cover", _thing, 2, 6),),
    ("work", "long"): (Form("How can I borrow {}?", "is lent so:", _steps, 5, 12),),
}
_LENGTHS = {"short": (1, 3, 0.45), "medium": (3, 5, 0.35), "long": (6, 12, 0.2)}  # words, share of questions


def _exchanged(rng: np.random.Generator, word: str) -> str | None:
    """Another word of the same kind, or the same; None where the word stands for itself."""
    if word.isdigit():
        return str(rng.integers(1, 29) if len(word) < 3 else rng.integers(1500, 1999))
    kind = next((kind for kind in _WORD_KINDS if word in kind), None)
    return None if kind is None else _one(rng, kind)


def _near_copy(rng: np.random.Generator, said: list[str], form: Form) -> list[str]:
    """The words with one exchanged for another of its kind, two of six or more, or with a name more."""
    prefixes = _PREFIXES if form.answer is _place else _GIVEN if form.answer is _person else ()
    if prefixes and len(said) < form.most and rng.random() < 0.4:
        return [_one(rng, prefixes), *said]
    copied, left = list(said), 1 if len(said) < 6 else 2
    for i in rng.permutation(len(said)):
        other = _exchanged(rng, said[i]) if left else None
        if other:
            copied[i], left = other, left - 1
    return copied


def _answers(rng: np.random.Generator, count: int, length: int, form: Form, copies: float) -> list[str]:
    """Different answers of about `length` words, no two of the same words.

    Args:
        rng: draws them.
        count: how many.
        length: in words; each answer has one more or less, or as many.
        form: of the question.
        copies: share of those after the first that are near-copies of it.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    while len(found) < count:
        own = int(np.clip(length + rng.integers(-1, 2), form.least, form.most))
        first = next(iter(found.values()), None)
        near = first is not None and rng.random() < copies
        said = _near_copy(rng, first, form) if near and first else form.answer(rng, own)
        found.setdefault(tuple(sorted(said)), said)
    return [" ".join(said) for said in found.values()]


def _per_cent(raw: Sequence[float]) -> list[float]:
    """Weights in proportion to `raw`, in whole per cents of at least one, that add up to 1."""
    share = 100.0 * np.asarray(raw, dtype=np.float64) / np.sum(raw)
    whole = np.maximum(1, np.floor(share)).astype(int)
    while whole.sum() > 100:
        whole[whole.argmax()] -= 1
    while whole.sum() < 100:
        whole[(whole - share).argmin()] += 1
    return [float(p) / 100 for p in whole]


def _weights(rng: np.random.Generator, family: str, structure: Structure) -> list[float]:
    count = len(structure.answers_N)
    if family == "hint22":  # three times as likely where the hint is right
        pairs = zip(structure.values_N_A, structure.answers_N, strict=True)
        return _per_cent([3.0 if values[structure.hint or 0] == answer else 1.0 for values, answer in pairs])
    profile = (
        "sure" if family == "sure" else ("even", "mild", "sure")[int(rng.choice(3, p=(0.55, 0.4, 0.05)))]
    )
    if profile == "even" or count == 1:
        return _per_cent([1.0] * count)
    if profile == "mild":
        return _per_cent(rng.permutation(np.arange(1, count + 1) ** -rng.uniform(0.3, 1.2)).tolist())
    top = rng.uniform(0.85, 0.95)
    raw = [(1.0 - top) / (count - 1)] * count
    raw[int(rng.integers(count))] = top
    return _per_cent(raw)


def _name(rng: np.random.Generator, kind: str) -> str:
    if kind == "person":
        return f"{_one(rng, _FIRST)} {_one(rng, _LAST)}"
    if kind == "rule":
        return f"{_one(rng, _TOWNS)} {_one(rng, _PAPERS)}"
    return f"{_one(rng, _TITLES)} {rng.integers(2, 99)}"


def _text(name: str, facts: Sequence[Fact]) -> str:
    return f"{name} ({', '.join(f'{fact.name} {fact.value}' for fact in facts)})"


class _Drawn(NamedTuple):
    """A question with what its document needs to know of it."""

    task: Task
    kind: str
    name: str
    form: Form


def _draw(rng: np.random.Generator, id: str) -> _Drawn:
    families, shares = list(FAMILIES), np.array([share for _, share in FAMILIES.values()], dtype=np.float64)
    family = families[int(rng.choice(len(families), p=shares / shares.sum()))]
    kind = _one(rng, list(_KINDS))
    structure = FAMILIES[family][0](rng)
    count, width = len(structure.answers_N), len(structure.values_N_A[0])
    names = [_KINDS[kind][i] for i in rng.permutation(len(_KINDS[kind]))[:width]]
    shown = {
        name: rng.permutation(len(_DOMAINS[name]) - 1) for name in names
    }  # which values stand for 0, 1, ...
    sizes = list(_LENGTHS)
    size = sizes[int(rng.choice(len(sizes), p=[share for *_, share in _LENGTHS.values()]))]
    length = int(rng.integers(_LENGTHS[size][0], _LENGTHS[size][1] + 1))
    copies = float(rng.uniform(0.5, 1.0)) if rng.random() < 0.35 else 0.0
    forms = FORMS[kind, size]
    form = forms[int(rng.integers(len(forms)))]
    answers = _answers(rng, max(structure.answers_N) + 1, length, form, copies)
    weights = _weights(rng, family, structure)
    columns = rng.permutation(width)  # in any order, and no meaning first for its place in the table
    name = _name(rng, kind)
    meanings = []
    for i in rng.permutation(count):
        facts = tuple(
            Fact(
                names[k],
                _DOMAINS[names[k]][-1 if value == UNKNOWN else shown[names[k]][value]],
                _DOMAINS[names[k]],
            )
            for k in columns
            for value in (structure.values_N_A[i][k],)
        )
        answer = (answers[structure.answers_N[i]],)
        meanings.append(Interpretation(_text(name, facts), answer, weights[i], facts))
    task = Task(f"{id}-{family}", form.question.format(name), tuple(meanings))
    return _Drawn(task, kind, name, form)


def _document(drawn: _Drawn, rng: np.random.Generator) -> str:
    """A text that tells the answer to every meaning, and of a few things of other names; no weights."""
    form, meanings = drawn.form, drawn.task.interpretations
    lines = [f"{meaning.text} {form.statement} {meaning.answers[0]}." for meaning in meanings]
    while len(lines) < len(meanings) + DISTRACTORS:
        other = _name(rng, drawn.kind)
        if other != drawn.name:
            facts = [Fact(fact.name, _one(rng, fact.domain[:-1]), fact.domain) for fact in meanings[0].facts]
            length = int(rng.integers(form.least, form.most + 1))
            lines.append(f"{_text(other, facts)} {form.statement} {' '.join(form.answer(rng, length))}.")
    return "\n".join(lines[i] for i in rng.permutation(len(lines)))


@lru_cache(maxsize=16)
def tasks_v1(
    split: str = "train", size: int | None = None, world: int = 0, documents: bool = False
) -> tuple[Task, ...]:
    """The questions of a split, each drawn from a generator of its own.

    Args:
        split: "train", "validation" or "test"; no two splits share their draws.
        size: number of questions, >= 1; by default 2,000 for train and 500 for the others.
        world: seed of the world, >= 0.
        documents: give each its document.
    """
    made = []
    for i in range(split_size(split, size, world)):
        rng = np.random.default_rng((world, SPLITS[split], i, 1))
        drawn = _draw(rng, f"{split}-{world}-{i}")
        text = _document(drawn, rng) if documents else ""
        made.append(drawn.task._replace(document=text))
    return tuple(made)


def make_synthetic_v1(
    costs: CostSampler,
    split: str = "train",
    size: int | None = None,
    world: int = 0,
    knowledge: str = "open",
    max_turns: int = 5,
    domains: str = "common",
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`synthetic-v1`; see the module's docstring.

    Args:
        costs: the costs of each episode.
        split: "train", "validation" or "test".
        size: number of questions, >= 1.
        world: seed of the world, >= 0.
        knowledge: "open" (the asker holds notes), "document" (a text about the things of that name and some
            others) or "closed" (the question alone).
        max_turns: messages that the asker may send, >= 1.
        domains: whether the players see the values of a domain in a "common" order, or each in its "own".
        render_mode: None or "ansi".
    """
    game = ClarificationGame(
        tasks_v1(split, size, world, knowledge == "document"), costs, knowledge, max_turns, domains=domains
    )
    return GameEnv(game, "synthetic-v1", render_mode=render_mode)
