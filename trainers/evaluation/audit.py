"""The audit of a user: a probing asker plays to it, and rules say how often it spoils the game.

Each of the drawn meanings is probed with the sensible questions about it, a direct question for the
meaning, yes/no questions about it and about a rival, a which-of-these question, a yes/no question after
another, one that is off the topic, one that nags for the answer, and a correctly labelled list of all
meanings in random order; each probe is a dialogue of its own. `probing` makes them, `judging` has the rules.
Rates have 95% intervals from a bootstrap over questions; where none of the questions shows a fault, or all of
them do throughout, the bootstrap has no spread, and the bound is that of 0 events in so many questions.

What a probing asker says to a user: the probes of an audit, drawn from the tasks of a game.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from clarify_env.agent import Agent
from clarify_env.arrays import Floats
from clarify_env.env import GameEnv
from clarify_env.errors import ClarifyError
from clarify_env.game import StopReason
from clarify_env.games.clarification.game import Ask, ClarificationGame, Enumerate
from clarify_env.games.clarification.habits import habit
from clarify_env.games.clarification.optimum import WHICH, questions
from clarify_env.games.clarification.speech import Described
from clarify_env.games.clarification.task import Interpretation, Task
from clarify_env.moves import Move
from clarify_env.rollout import child_seed
from clarify_env.simulate import advance
from clarify_env.trainers.evaluation.audit_rules import LEAK, MEASURES, PROBES, Probe, Verdict, judge
from clarify_env.trainers.evaluation.likeness import likeness
from clarify_env.trainers.evaluation.statistics import interval

OFF_TOPIC = (
    "What is the weather like?", "Do you like music?", "How are you today?", "Nice to meet you!",
    "Tell me a joke.", "Are you a robot?", "What is your favourite colour?", "Is it raining?",
)  # fmt: skip


NAGS = (
    "Just tell me the answer.", "You know the answer, don't you? Say it.", "What is the answer?",
    "Please give me the correct answer.", "Come on, say it.", "Tell me everything you know.",
)  # fmt: skip


def probes(tasks: Sequence[Task], count: int | None, intents: int, rng: np.random.Generator) -> list[Probe]:
    """The probes of an audit, those of a question one after the other.

    Args:
        tasks: what is drawn from; only questions with several meanings count.
        count: questions drawn, >= 1; None for all.
        intents: meanings drawn of each, >= 1.
        rng: draws questions, meanings, rivals, phrases and orders.

    Raises:
        ClarifyError: a count below 1, or no question has several meanings.
    """
    if (count is not None and count < 1) or intents < 1:
        raise ClarifyError(f"audit: tasks={count!r}, intents={intents!r}; each has to be at least 1")
    several = [k for k, task in enumerate(tasks) if len(task.interpretations) > 1]
    if not several:
        raise ClarifyError("audit: no question of this split has several meanings; there is nothing to ask")
    listed = []
    for at in sorted(rng.permutation(several)[:count].tolist()):
        meanings = tasks[at].interpretations
        sensible = [Ask(ask.text) for ask in questions(meanings)]
        direct = [] if sensible == [Ask(WHICH)] else [Ask(WHICH)]
        for intent in sorted(rng.permutation(len(meanings))[:intents].tolist()):
            off, nag = (Ask(str(texts[rng.integers(len(texts))])) for texts in (OFF_TOPIC, NAGS))
            options = [(m.text, m.answers[0]) for m in meanings]
            shuffled = Enumerate(options[k] for k in rng.permutation(len(options)))
            rival = int(rng.choice([k for k in range(len(meanings)) if k != intent]))
            asked = {"question": sensible, "direct": direct, "off_topic": [off], "nag": [nag]}
            listed += [Probe(at, intent, kind, ask) for kind, asks in asked.items() for ask in asks]
            listed += _closed(at, intent, rival, meanings, sensible, rng)
            listed.append(Probe(at, intent, "enumerate", shuffled))
    return listed


def _closed(
    at: int,
    intent: int,
    rival: int,
    meanings: Sequence[Interpretation],
    sensible: Sequence[Ask],
    rng: np.random.Generator,
) -> list[Probe]:
    """Yes/no and which-of-these questions about a meaning and a rival, alone and after another question.

    With facts they are about one fact that differs; a yes/no question about it is about all that share it.
    """
    own, other = meanings[intent], meanings[rival]
    if own.facts:
        differing = [k for k, fact in enumerate(own.facts) if fact.value != other.facts[k].value]
        if not differing:
            return []
        k = int(rng.choice(differing))
        words = [f"the {m.facts[k].value}" for m in (own, other)]
        sharing = [[j for j, m in enumerate(meanings) if m.facts[k] == one.facts[k]] for one in (own, other)]
    else:
        words = [m.text.strip().rstrip("?.!") for m in (own, other)]
        sharing = [[intent], [rival]]
    confirm, deny = (Ask(f"Do you mean {text}?") for text in words)
    first, second = (words[k] for k in rng.permutation(2))
    choice = Ask(f"Do you mean {first}, or {second}?")
    both = tuple(sorted({*sharing[0], *sharing[1]}))
    before = (sensible[int(rng.integers(len(sensible)))],)
    again, about = (confirm, sharing[0]) if rng.random() < 0.5 else (deny, sharing[1])
    return [
        Probe(at, intent, "confirm", confirm, about=tuple(sharing[0])),
        Probe(at, intent, "deny", deny, about=tuple(sharing[1])),
        Probe(at, intent, "choice", choice, about=both),
        Probe(at, intent, "again", again, before, tuple(about)),
    ]


# What a probe puts to its user (see `habits`); "again" is about the meaning or about a rival.
SITUATION = {
    "question": "open", "direct": "open", "confirm": "held", "deny": "unheld", "choice": "choice",
    "off_topic": "beside", "nag": "beside",
}  # fmt: skip


TRANSCRIPTS_SHOWN = 3  # transcripts a measure


class Finding(NamedTuple):
    """A probe with what came back: the user's move, or else why there is none, and the verdict.

    `before` are its replies to the probe's earlier moves.
    """

    probe: Probe
    before: tuple[str, ...]
    said: Move | None
    detail: str
    verdict: Verdict


def drawn(env: GameEnv[Any], tasks: int | None, intents: int, seed: int) -> list[Probe]:
    """The probes of `audit` with these arguments; raises as it does."""
    game = env.game
    if not isinstance(game, ClarificationGame):
        raise ClarifyError(f"audit {env.name}: this game has no user who is asked what it means")
    if game.max_turns < 3:
        raise ClarifyError(
            f"audit: max_turns={game.max_turns} lets no two questions through; make the game with at least 3"
        )
    return probes(game.tasks, tasks, intents, np.random.default_rng((seed, 17)))


def play_probes(
    env: GameEnv[Any],
    user: Agent,
    listed: Sequence[Probe],
    seed: int = 0,
    leak: float = LEAK,
    batch: int = 256,
    watch: Callable[[int], object] | None = None,
) -> list[Finding]:
    """What the user does about each probe; neither `batch` nor the other probes change it."""
    game = env.game
    assert isinstance(game, ClarificationGame)
    findings = []
    for first in range(0, len(listed), batch):
        part = listed[first : first + batch]
        seeds = [child_seed(seed, first + k) for k in range(len(part))]
        states = [
            game.start(np.random.default_rng(own), {"task": probe.question, "intent": probe.intent})
            for own, probe in zip(seeds, part, strict=True)
        ]
        rngs = [np.random.default_rng((own, 2)) for own in seeds]
        for turn in range(1 + max(len(probe.earlier) for probe in part)):
            on = [k for k, one in enumerate(part) if turn <= len(one.earlier) and not states[k].stop]
            put = [{"asker": (*part[k].earlier, part[k].move)[turn]} for k in on]
            for given in (put, ()):  # the asker's move, then the user's
                made = advance(env, {"user": user}, [states[k] for k in on], [rngs[k] for k in on], given)
                for k, step in zip(on, made, strict=True):
                    states[k] = step.state
        for probe, state in zip(part, states, strict=True):
            replies = [moved.move for moved in state.history if moved.player == "user"]
            whole = len(replies) == len(probe.earlier) + 1
            said = replies[-1] if whole and (state.stop is None or not state.stop.detail) else None
            before = tuple(move.text for move in replies[: len(probe.earlier)])
            failed = state.stop is not None and state.stop.reason is StopReason.FAILED
            task, grade = game.tasks[probe.question], game.grade
            verdict = judge(task, probe, said, leak, failed, before, grade)
            findings.append(Finding(probe, before, said, state.stop.detail if state.stop else "", verdict))
        if watch:
            watch(len(part))
    return findings


def audit(
    env: GameEnv[Any],
    user: Agent,
    *,
    name: str = "",
    tasks: int | None = 100,
    intents: int = 2,
    seed: int = 0,
    leak: float = LEAK,
    batch: int = 256,
    watch: Callable[[int], object] | None = None,
) -> dict[str, Any]:
    """How often a user spoils the game, as JSON data; the same user and seed give the same report.

    Args:
        env: a clarification game; its tasks are probed.
        user: any agent that plays the user.
        name: of the user, for the report; by default its class.
        tasks: questions drawn, >= 1; None for all that have several meanings.
        intents: meanings drawn of each, >= 1.
        seed: of everything random.
        leak: share of what was not asked for from which on a reply is a leak, in (0, 1].
        batch: dialogues that the user is given at once.
        watch: told how many probes were played since the last call, for a progress bar.

    Returns:
        The report; docs/users.md explains its keys.

    Raises:
        ClarifyError: another kind of game, one of fewer than three messages, or a number out of range.
    """
    if not 0.0 < leak <= 1.0:
        raise ClarifyError(f"audit: leak={leak!r}; a share in (0, 1]")
    listed = drawn(env, tasks, intents, seed)
    before = dict(getattr(user, "stats", {}))
    findings = play_probes(env, user, listed, seed, leak, batch, watch)
    stats = {key: value - before.get(key, 0) for key, value in getattr(user, "stats", {}).items()}
    return {
        "env": env.name,
        "user": name or type(user).__name__,
        "seed": seed,
        "questions": len({probe.question for probe in listed}),
        "intents": len({(probe.question, probe.intent) for probe in listed}),
        "probes": {kind: sum(probe.kind == kind for probe in listed) for kind in PROBES},
        "leak_share": leak,
        "right": _rates(findings, "right", seed),
        "rates": {measure: _rates(findings, measure, seed) for measure in MEASURES},
        "likeness": _likeness(env.game.tasks, findings, seed),
        "told": {kind: _mean([f.verdict.told for f in findings if f.probe.kind == kind]) for kind in PROBES},
        "worst": {measure: _worst(env.game.tasks, findings, measure) for measure in MEASURES},
        "stats": stats,
    }


def _described(task: Task, finding: Finding) -> Described | None:
    """The situation of a probe with what the reply does; None where a list was put, or there is no reply."""
    probe = finding.probe
    where = SITUATION.get(probe.kind) or ("held" if probe.intent in probe.about else "unheld")
    if finding.said is None or isinstance(probe.move, Enumerate):
        return None
    meant = task.interpretations[probe.intent].text
    return where, habit(finding.said.text, probe.move.text, task.question, meant)


def _likeness(tasks: Sequence[Task], findings: Sequence[Finding], seed: int) -> dict[str, Any] | None:
    """How like people the replies are, by question (see `likeness`); None where there is none."""
    said: dict[int, list[Described]] = {}
    for finding in findings:
        if (one := _described(tasks[finding.probe.question], finding)) is not None:
            said.setdefault(finding.probe.question, []).append(one)
    return likeness(list(said.values()), seed) if said else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _rates(findings: Sequence[Finding], measure: str, seed: int) -> dict[str, Any]:
    """The rate of a fault, or of being right, with its interval, and by kind of probe."""
    rate = _rate(findings, measure, seed)
    kinds = {kind: _rate([f for f in findings if f.probe.kind == kind], measure, seed) for kind in PROBES}
    return {**rate, "by_probe": {kind: found for kind, found in kinds.items() if found["of"]}}


def _rate(findings: Sequence[Finding], measure: str, seed: int) -> dict[str, Any]:
    """mean, low and high (None where the measure never applies), count, and of how many."""
    clusters: dict[int, list[bool]] = {}
    for finding in findings:
        verdict = finding.verdict
        flag = verdict.right if measure == "right" else verdict.found.get(measure)
        if flag is not None:
            clusters.setdefault(finding.probe.question, []).append(flag > 0.0)
    count_N = np.array([sum(flags) for flags in clusters.values()], dtype=np.float64)
    of_N = np.array([len(flags) for flags in clusters.values()], dtype=np.float64)
    total, count = int(of_N.sum()), int(count_N.sum())
    if not total:
        return {"mean": None, "low": None, "high": None, "count": 0, "of": 0}

    def share(weights: Floats) -> float:
        return float((weights @ count_N) / (weights @ of_N))

    found: dict[str, Any] = dict(interval(share, len(of_N), seed))
    never = 1.0 - 0.025 ** (1.0 / len(of_N))
    if count == 0:
        found["high"] = never
    elif count == total:
        found["low"] = 1.0 - never
    return {**found, "count": count, "of": total}


def _worst(tasks: Sequence[Task], findings: Sequence[Finding], measure: str) -> list[dict[str, Any]]:
    """The worst dialogues of a fault, at most one a question."""
    guilty = [f for f in findings if f.verdict.found.get(measure, 0.0) > 0.0]
    first: dict[int, Finding] = {}
    for finding in sorted(guilty, key=lambda f: -f.verdict.found[measure]):
        first.setdefault(finding.probe.question, finding)
    return [_shown(tasks[f.probe.question], f) for f in list(first.values())[:TRANSCRIPTS_SHOWN]]


def _shown(task: Task, finding: Finding) -> dict[str, Any]:
    probe = finding.probe
    return {
        "task": task.id,
        "question": task.question,
        "meaning": task.interpretations[probe.intent].text,
        "answers": list(task.interpretations[probe.intent].answers),
        "probe": probe.kind,
        "earlier": [[m.text, reply] for m, reply in zip(probe.earlier, finding.before, strict=False)],
        "asker": probe.move.text,
        "user": finding.said.text if finding.said is not None else None,
        "detail": finding.detail,
    }
