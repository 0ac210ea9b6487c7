"""`clarify-env check-data`: what is understood of a file of questions before anything is trained on it."""

from collections import Counter
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

import clarify_env
from clarify_env.agents.roster import teams_of
from clarify_env.games import load_object
from clarify_env.render import ansi
from clarify_env.rollout import rollout
from clarify_env.trainers.cli.options import Seed, app, console, pairs, trainer

GAME = "questions-v0"
_SHOWN = 20  # rejected rows that are printed where not all are asked for


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command(
    name="check-data",
    epilog="Examples: clarify-env check-data questions.jsonl  |  "
    "clarify-env check-data questions.csv --field question=Query --field answers=Gold",
)
def check_data(
    path: Annotated[
        str | None,
        typer.Argument(
            help="A file (.jsonl, .json, .csv, .tsv, .parquet) or hub:OWNER/NAME; default: the questions "
            "that ship with the package."
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", help="A name of ours and your column, as question=Query; once a column."),
    ] = None,
    grade: Annotated[str, typer.Option(help="f1, exact, numeric, or module:function.")] = "f1",
    fold: Annotated[bool, typer.Option("--fold", help="Grade without accents, with plain dashes.")] = False,
    eval_tasks: Annotated[
        int, typer.Option(help="Questions that ceiling and strategies are computed on.", min=1)
    ] = 200,
    rejected: Annotated[bool, typer.Option("--rejected", help="Print all rejected rows.")] = False,
    seed: Seed = 0,
) -> None:
    """Say what is understood of questions of your own: counts, rejected rows, examples, ceiling."""
    fields = {name: str(column) for name, column in pairs(field or (), "--field", "question=Query").items()}
    found = load_object("clarify_env.games.clarification.questions:own_questions")(path, fields)
    every = [task for tasks in found.tasks.values() for task in tasks]
    meanings = Counter(len(task.interpretations) for task in every)
    _line(f"Read: {path or 'the questions that ship with the package'}")
    _line("Columns: " + ", ".join(f"{name} <- {column}" for name, column in found.used.items()))
    read = {part for column in found.used.values() for part in (column, column.partition(".")[0])}
    unused = [name for name in found.columns if name not in read]
    if unused:
        _line(f"Columns that are not used: {', '.join(unused)}"[:300])
    _line(f"Questions: {len(every)} of {len(every) + len(found.rejected)} rows")
    _line("Meanings: " + ", ".join(f"{count} with {number}" for number, count in sorted(meanings.items())))
    equal = sum(len({m.weight for m in task.interpretations}) == 1 for task in every)
    _line(f"Weights: {len(every) - equal} questions with meanings that are not equally likely")
    said = f"; {found.hashed} rows do not say where they belong" if found.hashed else ""
    _line("Splits: " + ", ".join(f"{len(held)} {name}" for name, held in found.tasks.items()) + said)
    _rejected(found.rejected, rejected)
    options: dict[str, Any] = {"path": path, "fields": fields, "grade": grade, "fold": fold, "split": "all"}
    env = clarify_env.make(GAME, **options)
    best = list(teams_of(env).values())[-1]
    for episode in rollout(env, best, min(3, len(every)), seed):
        console.print()
        console.print(Text.from_ansi(ansi(episode)))
    _scale(env, min(eval_tasks, len(every)), seed)


def _rejected(rows: Any, every: bool) -> None:
    if not rows:
        _line("Rejected rows: none")
        return
    _line(f"Rejected rows: {len(rows)}")
    for place, reason in rows if every else rows[:_SHOWN]:
        _line(f"  {place}: {reason}")
    if not every and len(rows) > _SHOWN:
        _line(f"  ... and {len(rows) - _SHOWN} more; --rejected prints all")


def _scale(env: Any, count: int, seed: int) -> None:
    """What the scripted teams and the best play earn on the first questions, at the usual costs."""
    cell = clarify_env.registry[GAME].costs
    measuring = trainer("evaluation.yardsticks")
    sticks = measuring.yardsticks(env, list(range(count)), [cell], seed)
    prices = ", ".join(f"{name} {value:g}" for name, value in cell._asdict().items())
    table = Table(title=f"Mean reward of {count} questions at the usual costs ({prices})")
    table.add_column("who")
    table.add_column("reward", justify="right")
    for name, measured in sticks.teams.items():
        table.add_row(name, f"{measured[:, 0, 0].mean():.3f}")
    if sticks.optimum:
        table.add_row(sticks.name, f"{sticks.optimum['reward'][:, 0].mean():.3f}")
    console.print(table)
