"""`synthetic-v0`: questions in plain English about a generated world, with the optimum known exactly.

People of this world share their names. They differ in profession, country and era, a few values of each
within one name, so that one question seldom settles who is meant and two mostly do. Priors are skewed,
answers have one to five words and share some of them, and one question in six has a single meaning.

    In which town was Jordan Hale born?
      52%  Jordan Hale, the painter from Norway, medieval: Port Arden
      31%  Jordan Hale, the chemist from Norway, medieval: New Port Arden
      17%  Jordan Hale, the chemist from Chile, modern: Oldmere

Version history: v0, first version.
"""

from functools import lru_cache

import numpy as np

from clarify_env.costs import CostSampler
from clarify_env.data import SPLITS, split_size
from clarify_env.env import GameEnv
from clarify_env.games.clarification.game import ClarificationGame, State
from clarify_env.games.clarification.task import Fact, Interpretation, Task

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "profession": (
        "painter", "chemist", "poet", "surgeon", "architect",
        "sailor", "botanist", "composer", "judge", "weaver",
    ),
    "country": ("Norway", "Chile", "Ghana", "Japan", "Peru", "Latvia", "Kenya", "Oman", "Nepal", "Cuba"),
    "era": ("ancient", "medieval", "baroque", "victorian", "modern"),
}  # fmt: skip


DOMAINS = {name: tuple(value.lower() for value in values) for name, values in ATTRIBUTES.items()}


_FIRST = """
    Jordan Alex Robin Casey Morgan Quinn Rowan Sasha Taylor Jamie Noor Kim Ariel Dana Emery Toni
""".split()


_LAST = "Hale Berg Costa Dunn Evers Frost Grant Holt Iversen Kane Lund Marsh Nash Osei Price Rhodes".split()


_TOWNS = "Arden Velmor Oldmere Tarn Kessel Brill Ostrava Quill Sable Wexley Halden Corvo".split()


_PREFIXES = ("Port", "New", "Upper", "Lower", "Saint")


_NOUNS = "Harbour Glass Lantern Orchard River Winter Mirror Garden Tower Bell Sparrow Salt".split()


_ADJECTIVES = "Silent Golden Broken Distant Hollow Crimson Endless Sleeping".split()


_MONTHS = "January March May July September November".split()


_GIVEN = "Mira Tomas Ilse Bruno Petra Anton Lucia Edgar".split()


_FAMILY = "Voss Adler Lindqvist Moreau Tanaka Okoro Silva Novak".split()


def _one(rng: np.random.Generator, of: list[str] | tuple[str, ...]) -> str:
    return of[int(rng.integers(len(of)))]


def _town(rng: np.random.Generator, base: str) -> str:
    name = base if rng.random() < 0.5 else _one(rng, _TOWNS)
    count = int(rng.choice(3, p=(0.4, 0.4, 0.2)))
    prefixes = [_PREFIXES[i] for i in rng.permutation(len(_PREFIXES))[:count]]
    return " ".join([*prefixes, name])


def _work(rng: np.random.Generator, base: str) -> str:
    nouns = [base if rng.random() < 0.5 else _one(rng, _NOUNS), _one(rng, _NOUNS)]
    kind = int(rng.integers(3))
    if kind == 0:
        return f"{_one(rng, _ADJECTIVES)} {nouns[0]}"
    if kind == 1:
        return f"{nouns[0]} of {_one(rng, _ADJECTIVES)} {nouns[1]}"
    return f"{_one(rng, _ADJECTIVES)} {nouns[0]} and {_one(rng, _ADJECTIVES)} {nouns[1]}"


def _date(rng: np.random.Generator, base: str) -> str:
    year = int(rng.integers(1500, 1999))
    if rng.random() < 0.4:
        return str(year)
    return f"{int(rng.integers(1, 29))} {base if rng.random() < 0.5 else _one(rng, _MONTHS)} {year}"


def _person(rng: np.random.Generator, base: str) -> str:
    family = base if rng.random() < 0.5 else _one(rng, _FAMILY)
    return family if rng.random() < 0.3 else f"{_one(rng, _GIVEN)} {family}"


RELATIONS = (
    ("In which town was {} born?", _town, _TOWNS, "was born in {}"),
    ("What is {} best known for?", _work, _NOUNS, "is best known for {}"),
    ("When was {} born?", _date, _MONTHS, "was born in {}"),
    ("Who taught {}?", _person, _FAMILY, "was taught by {}"),
)


DISTRACTORS = 4  # people of other names in a document


def _weights(rng: np.random.Generator, count: int) -> list[float]:
    """Skewed priors in whole percent, each at least 3%, that add up to 1."""
    raw = np.arange(1, count + 1) ** -rng.uniform(0.0, 2.0)
    percent = np.maximum(3, np.floor(100 * raw / raw.sum())).astype(int)
    percent[0] += 100 - percent.sum()
    return [float(p) / 100 for p in rng.permutation(percent)]


def _people(rng: np.random.Generator, count: int) -> list[dict[str, str]]:
    """`count` people that differ in at least one attribute, with one to three values of each."""
    while True:
        pools = {}
        for name, values in ATTRIBUTES.items():
            order = rng.permutation(len(values))
            pools[name] = [values[i] for i in order[: int(rng.choice((1, 2, 3), p=(0.15, 0.6, 0.25)))]]
        every = [(p, c, e) for p in pools["profession"] for c in pools["country"] for e in pools["era"]]
        if len(every) >= count:
            chosen = rng.permutation(len(every))[:count]
            return [dict(zip(ATTRIBUTES, every[i], strict=True)) for i in chosen]


def generate_task(rng: np.random.Generator, id: str) -> Task:
    """One question of the world, drawn with `rng`."""
    name = f"{_one(rng, _FIRST)} {_one(rng, _LAST)}"
    count = int(rng.choice((1, 2, 3, 4, 5, 6), p=(0.16, 0.16, 0.2, 0.2, 0.16, 0.12)))
    template, make, bases, _ = RELATIONS[int(rng.integers(len(RELATIONS)))]
    base = _one(rng, bases)
    answers: list[str] = []
    while len(answers) < count:
        answer = make(rng, base)
        if answer not in answers:
            answers.append(answer)
    meanings = [
        Interpretation(
            text=f"{name}, the {who['profession']} from {who['country']}, {who['era']}",
            answers=(answer,),
            weight=weight,
            facts=tuple(Fact(key, value.lower(), DOMAINS[key]) for key, value in who.items()),
        )
        for who, answer, weight in zip(_people(rng, count), answers, _weights(rng, count), strict=True)
    ]
    return Task(id, template.format(name), tuple(meanings))


def _statement(name: str, meaning: Interpretation, relation: str) -> str:
    who = {fact.name: fact.value.title() if fact.name == "country" else fact.value for fact in meaning.facts}
    answer = meaning.answers[0]
    dated = answer[:1].isdigit() and not answer.isdigit()  # a day, not a year alone
    said = (relation.replace(" in ", " on ") if dated else relation).format(answer)
    return f"{name}, {who['profession']} from {who['country']} ({who['era']} era), {said}."


def document(task: Task, rng: np.random.Generator) -> str:
    """A text that tells everything about the people of the task's name, and the same of a few others.

    One sentence a person, in an order drawn with `rng`; the answers can be read from it, the priors cannot.
    """
    name = task.interpretations[0].text.partition(",")[0]
    at = next(i for i, (template, *_) in enumerate(RELATIONS) if template.format(name) == task.question)
    _, make, bases, relation = RELATIONS[at]
    lines = [_statement(name, meaning, relation) for meaning in task.interpretations]
    while len(lines) < len(task.interpretations) + DISTRACTORS:
        other = f"{_one(rng, _FIRST)} {_one(rng, _LAST)}"
        if other != name:
            (who,), answer = _people(rng, 1), make(rng, _one(rng, bases))
            facts = tuple(Fact(key, value.lower(), DOMAINS[key]) for key, value in who.items())
            lines.append(_statement(other, Interpretation(other, (answer,), 1.0, facts), relation))
    return "\n".join(lines[i] for i in rng.permutation(len(lines)))


@lru_cache(maxsize=4)
def documented(split: str, size: int | None, world: int) -> tuple[Task, ...]:
    """`tasks` with their documents, each drawn from a generator of its own."""
    return tuple(
        task._replace(document=document(task, np.random.default_rng((world, SPLITS[split], i, 3))))
        for i, task in enumerate(tasks(split, size, world))
    )


@lru_cache(maxsize=16)
def tasks(split: str = "train", size: int | None = None, world: int = 0) -> tuple[Task, ...]:
    """The questions of a split.

    Args:
        split: "train", "validation" or "test"; no two splits share their draws.
        size: number of questions, >= 1; by default 2,000 for train and 500 for the others.
        world: seed of the world, >= 0.
    """
    size = split_size(split, size, world)
    rng = np.random.default_rng((world, SPLITS[split]))
    return tuple(generate_task(rng, f"{split}-{world}-{i}") for i in range(size))


def make_synthetic(
    costs: CostSampler,
    split: str = "train",
    size: int | None = None,
    world: int = 0,
    knowledge: str = "open",
    max_turns: int = 5,
    domains: str = "common",
    render_mode: str | None = None,
) -> GameEnv[State]:
    """`synthetic-v0`; see the module's docstring.

    Args:
        costs: the costs of each episode.
        split: "train", "validation" or "test".
        size: number of questions, >= 1.
        world: seed of the world, >= 0.
        knowledge: "open" (the asker holds notes), "document" (a text about the people of that name and some
            others) or "closed" (the question alone).
        max_turns: messages that the asker may send, >= 1.
        domains: whether the players see the values of a domain in a "common" order, or each in its "own".
        render_mode: None or "ansi".
    """
    made = documented if knowledge == "document" else tasks
    game = ClarificationGame(made(split, size, world), costs, knowledge, max_turns, domains=domains)
    return GameEnv(game, "synthetic-v0", render_mode=render_mode)
