"""What a run spends: counted by hand in a small case, whatever plays it on, and over an interruption."""

from collections import Counter

import numpy as np
import pytest
import torch

import clarify_env
from clarify_env import Decision
from clarify_env.agents import Script, ScriptedUser
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv
from clarify_env.games.clarification import Answer, Ask, Costs
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.rollout import decide
from clarify_env.trainers import experiment
from clarify_env.trainers.algorithms.action_clustering import ActionClustering, clustering_plain
from clarify_env.trainers.algorithms.best_continuation import BestContinuation
from clarify_env.trainers.algorithms.selection import Batch
from clarify_env.trainers.algorithms.simulated_futures import Start, futures
from clarify_env.trainers.config import recipe
from clarify_env.trainers.evaluation.evaluate import evaluate_run
from clarify_env.trainers.run_directory import RunDirectory

torch.set_num_threads(1)
ASK, RIGHT, WRONG = Ask("What exactly do you mean?"), Answer("1950"), Answer("1951")
FILM = Task(
    "film",
    "When did the film open?",
    (
        Interpretation("When did the film open in Norway?", ("1950",), 0.5),
        Interpretation("When did the film open in Chile?", ("1951",), 0.5),
    ),
)
ENV = GameEnv(ClarificationGame([FILM], FixedCosts()), "hand-v0")
USER = {"user": ScriptedUser()}


def played(*moves, intent=0, spent=None):
    options = {"intent": intent, "costs": Costs(0.1, 0.01)}
    agents = {"asker": Script(moves), **USER}
    (episode,) = clarify_env.rollout(ENV, agents, 1, options=lambda i: options, spent=spent)
    return episode


def counted(rule, *episodes):
    spent = Counter()
    rule.select(Batch(ENV, "asker", USER, list(episodes), [Costs(0.1, 0.01)], 0, spent=spent))
    return spent


def test_playing_counts_each_players_decisions_and_the_tokens_that_traces_tell():
    spent = Counter()
    played(Decision(ASK, trace={"ids": [4, 5, 6]}), Decision(RIGHT, trace={"sampled_tokens": 7}), spent=spent)
    assert spent == {"decisions/asker": 2, "decisions/user": 2, "tokens/asker": 10}
    decide("asker", Script([ASK]), [ENV.reset(0)[0]["asker"]], [np.random.default_rng(0)], spent)
    assert spent["decisions/asker"] == 3


def test_the_tree_counts_what_the_user_decides_in_it():
    """Start: two guesses and a question with two meanings, 6 decisions; then the guess of each: 2."""
    episodes = [played(RIGHT), played(WRONG), played(ASK, RIGHT)]
    assert counted(BestContinuation(), *episodes) == {"decisions/user": 6 + 2}


def test_clustering_counts_the_averages_over_meanings():
    """Guessing at the start: two meanings. After the question: it is replayed in two, and one is left."""
    assert counted(ActionClustering(), played(RIGHT), played(RIGHT, intent=1)) == {"decisions/user": 2}
    assert counted(ActionClustering(), played(ASK, RIGHT)) == {"decisions/user": 2 + 1}
    assert counted(clustering_plain(), played(ASK, RIGHT)) == {}


def test_futures_count_the_decisions_of_both():
    """Three futures from a question: three replies, three forced ends by the policy, three selections."""
    learner = experiment.build(recipe(tasks=1, group_size=1, eval_train_tasks=0, hidden=4)).learner
    spent = Counter()
    one = Batch(ENV, "asker", USER, [], None, 0, spent=spent)
    state = ENV.game.start(np.random.default_rng(0), {"costs": Costs(0.1, 0.01)})
    found = futures(one, learner, [Start([(state, 1.0)], ASK, {RIGHT: None}, 0)], 3, window=1)
    assert spent == {"decisions/asker": 3, "decisions/user": 6}
    assert found.decisions_S.tolist() == [3.0]


@pytest.mark.parametrize("algorithm", ["rest", "rloo"])
def test_a_run_writes_what_it_spent_and_goes_on_counting(tmp_path, algorithm):
    config = recipe(
        algorithm=algorithm,
        env_options={"size": 20},
        tasks=3,
        group_size=4,
        iterations=2,
        gradient_steps=5,
        hidden=4,
        eval_train_tasks=2,
        eval_every=1,
        warm_start="always-ask",
        warm_start_episodes=6,
    )
    run = RunDirectory(tmp_path / "run")
    lines = list(experiment.train(config.changed(iterations=1), run))
    lines += experiment.train(config, run, resume=True)
    spent = run.spent()
    assert spent["episodes"] == 6 + 2 * 3 * 4
    stored = [
        clarify_env.read_episodes(run.path / "episodes" / f"{name}.parquet")
        for name in ("warm-start", "iteration-000", "iteration-001")
    ]
    own, others = zip(
        *((len(e.moves("asker")), len(e.moves("user"))) for one in stored for e in one), strict=True
    )
    assert spent["decisions/asker"] == sum(own)  # none is made in the tree, and the checks do not count
    steps = sum(line["update/steps"] for line in lines)
    assert spent["updates"] == steps + 5
    if algorithm == "rloo":
        assert spent["decisions/user"] == sum(others)
    else:
        assert spent["decisions/user"] > 2 * sum(others)
    assert {f"spent/{name}": float(n) for name, n in spent.items() if name != "cpu_seconds"} == {
        name: value for name, value in lines[-1].items() if name.startswith("spent/")
    }
    clock = run.clock()
    assert list(clock) == ["0", "1", "2"]
    assert 0.0 < clock["0"] < clock["1"] < clock["2"] == spent["cpu_seconds"]
    summary = evaluate_run(run, tasks=2, processes=1, out=tmp_path / "out")
    assert summary["spent"] == spent
    first = evaluate_run(run, tasks=2, processes=1, iteration=0, out=tmp_path / "start")["spent"]
    assert (first["episodes"], first["updates"]) == (6, 5)
