"""Ends by player and reason, and what language models counted: in the summary, the report and the metrics."""

from collections import Counter
from types import SimpleNamespace

import pytest

import clarify_env
from clarify_env import Agent, Decision, Failed, NoMove, read_episodes, rollout
from clarify_env.agents import AlwaysAsk, AlwaysEnumerate, ScriptedUser
from clarify_env.games.clarification import Ask, Costs, Reply, Select
from clarify_env.trainers import experiment
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation import measure as measuring
from clarify_env.trainers.evaluation.evaluate import evaluate
from clarify_env.trainers.evaluation.measure import counting, end_of, nested
from clarify_env.trainers.loggers import WandbLogger
from clarify_env.trainers.reporting.html import write_report
from clarify_env.trainers.run_directory import RunDirectory

CELLS = [Costs(0.02, 0.002), Costs(0.3, 0.02)]


class Model(Agent):
    """Decides the same at every turn, and counts as a language model does."""

    def __init__(self, action):
        super().__init__()
        self.action = action
        self.stats = {
            "messages": 0,
            "format_failures": 0,
            "shortened_prompts": 0,
            "thinking_tokens": 0,
            "own": 9,
        }

    def move(self, observation, rng):
        for name, count in (("messages", 1), ("shortened_prompts", 2), ("thinking_tokens", 5)):
            self.stats[name] += count
        self.stats["format_failures"] += isinstance(self.action, Decision)
        return self.action


def no_move(finish):
    return Decision(NoMove("why"), "text", {"finish": finish})


@pytest.mark.parametrize(
    ("asker", "user", "end"),
    [
        (AlwaysEnumerate(), ScriptedUser(), "selected"),
        (Model(Ask("Which?")), ScriptedUser(), "max_turns"),
        (Model(NoMove("why")), ScriptedUser(), "asker/unreadable_message"),
        (Model("what"), ScriptedUser(), "asker/unreadable_message"),
        (Model(no_move("stop")), ScriptedUser(), "asker/unreadable_message"),
        (Model(no_move("length")), ScriptedUser(), "asker/unreadable_message/length"),
        (Model(no_move("refusal")), ScriptedUser(), "asker/unreadable_message/refusal"),
        (Model(Decision(NoMove("why"), "text", {"finish": 3})), ScriptedUser(), "asker/unreadable_message"),
        (Model(no_move("eos\n<b>")), ScriptedUser(), "asker/unreadable_message"),
        (Model(Reply("x")), ScriptedUser(), "asker/illegal_move"),
        (AlwaysAsk(), Model(no_move("content_filter")), "user/unreadable_message/content_filter"),
        (AlwaysEnumerate(), Model(Select("Nowhere")), "user/illegal_move"),
        (
            AlwaysAsk(),
            Model(Decision(Failed("down", outside=True), None, {"finish": "length"})),
            "user/failed",
        ),
    ],
)
def test_an_end_names_the_player_that_caused_it_and_why(asker, user, end):
    env = clarify_env.make("synthetic-v0")
    (episode,) = rollout(env, {"asker": asker, "user": user}, 1)
    assert end_of(episode) == end


def test_an_agent_that_plays_several_players_is_counted_once():
    both = Model(Ask("Which?"))
    both.move({}, None)  # what was counted before is left out
    agents = {"asker": both, "user": both, "third": SimpleNamespace(stats={"points": 3})}
    env, counts = clarify_env.make("synthetic-v0"), Counter({"end/max_turns": 1})
    episodes = list(counting(rollout(env, {"asker": both, "user": both}, 3), agents, counts))
    assert [episode.stop for episode in episodes] == ["illegal_move"] * 3, "the user may not ask"
    assert nested(counts) == {
        "ends": {"user/illegal_move": 3, "max_turns": 1},
        "models": {
            "asker+user": {
                "messages": 6,
                "format_failures": 0,
                "shortened_prompts": 12,
                "thinking_tokens": 30,
            }
        },
    }


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """An evaluation of a team whose user's messages are no moves, and its folder."""
    out = tmp_path_factory.mktemp("ends")
    env = clarify_env.make("synthetic-v0", size=30, split="validation")
    team = {"asker": AlwaysAsk(), "user": Model(no_move("length"))}
    for _ in range(3):
        team["user"].move({}, None)  # what was counted before is no part of it
    return evaluate(env, team, "<i>ask</i>", out, seen=CELLS[:1], unseen=CELLS[1:], tasks=4), out


def test_the_summary_and_the_report_tell_ends_and_counts(evaluated):
    told, out = evaluated
    stored = list(read_episodes(out / "episodes" / "evaluation.parquet"))
    assert (
        told["ends"] == {"user/unreadable_message/length": len(stored)} == dict(Counter(map(end_of, stored)))
    )
    count = len(stored)
    assert told["models"] == {
        "user": {
            "messages": count,
            "format_failures": count,
            "shortened_prompts": 2 * count,
            "thinking_tokens": 5 * count,
        }
    }
    page = write_report([out]).read_text(encoding="utf-8")
    assert f'<th scope="row">user/unreadable_message/length</th><td>{count}</td><td>100.0%</td>' in page
    assert f'<th scope="row">thinking tokens</th><td>{5 * count}</td>' in page


def test_wandb_is_told_ends_and_counts(evaluated):
    summary, out = evaluated
    logger, told = WandbLogger(), {}
    logger.log_, logger.wandb = SimpleNamespace(log=told.update), SimpleNamespace(Table=dict, Image=str)
    logger.summary(summary, out)
    count = told["eval/end/user/unreadable_message/length"]
    assert count == told["eval/user/format_failures"] == summary["episodes"]
    assert told["eval/user/thinking_tokens"] == 5 * count


def test_processes_change_no_count(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "CHUNK", 4)  # so that there is something to share
    env = clarify_env.make("synthetic-v0", size=30, split="validation")
    one, two = (
        evaluate(
            env, {"asker": Model(no_move("length"))}, "cut", tmp_path / str(n), processes=n,
            seen=CELLS[:1], unseen=CELLS[1:], tasks=4,
        )
        for n in (1, 2)
    )  # fmt: skip
    assert one["ends"] == two["ends"] == {"asker/unreadable_message/length": one["episodes"]}
    assert one["models"] == two["models"]
    assert one["models"]["asker"]["format_failures"] == one["episodes"] > 8


def test_the_metrics_of_training_count_ends_and_models(tmp_path):
    settings = Config().changed(
        env_options={"size": 30}, iterations=1, tasks=4, group_size=6, gradient_steps=4, hidden=8,
        eval_train_tasks=0, batch_size=16,
    )  # fmt: skip
    trainer = experiment.build(settings, RunDirectory(tmp_path / "run"))
    trainer.others["user"] = Model(no_move("length"))
    (line,) = trainer.train()
    ends = {name: value for name, value in line.items() if name.startswith("play/end/")}
    assert sum(ends.values()) == line["episodes"]
    booked = ends["play/end/user/unreadable_message/length"]
    assert booked == line["play/user/messages"] == line["play/user/format_failures"] > 0
    assert line["play/user/thinking_tokens"] == 5 * booked
