"""Episodes in which a player could not decide: cut off, recorded, and left out of training and averages."""

from collections import Counter
from zlib import crc32

import numpy as np
import pytest

import clarify_env
from clarify_env import Agent, ClarifyError, Decision, Failed, read_episodes, rollout, write_episodes
from clarify_env.agents import AlwaysAsk, AlwaysEnumerate, Random, ScriptedUser
from clarify_env.games.clarification import SEEN, Answer, Ask, Costs
from clarify_env.simulate import choices
from clarify_env.trainers import experiment
from clarify_env.trainers.algorithms.best_continuation import BestContinuation
from clarify_env.trainers.algorithms.selection import Batch, grouped, make_rule
from clarify_env.trainers.config import Config
from clarify_env.trainers.evaluation.evaluate import Measured, evaluate, failure_summary, summarise
from clarify_env.trainers.evaluation.measure import average, complete, measure, measures_of
from clarify_env.trainers.evaluation.yardsticks import Yardsticks
from clarify_env.trainers.loop import means
from clarify_env.trainers.run_directory import RunDirectory

CELLS = [Costs(0.02, 0.002), Costs(0.3, 0.02)]
REASON = "the server is down"
DOWN = Failed(REASON, outside=True)


class Flaky(Agent):
    """Plays as another agent, but fails where `when(observation)` says so."""

    def __init__(self, agent, when):
        super().__init__()
        self.agent, self.when = agent, when

    def act(self, observations, rngs=None):
        made = self.agent.act(observations, rngs)
        return [DOWN if self.when(o) else a for o, a in zip(observations, made, strict=True)]


def one_in(n):
    """About one observation in n, always the same ones."""
    return lambda o: crc32(f"{o['question']} {o['costs']} {len(o['transcript'])}".encode()) % n == 0


def small(**options):
    return clarify_env.make("synthetic-v0", size=30, costs=SEEN, **options)


@pytest.mark.parametrize("action", [DOWN, Decision(DOWN, trace={"seed": 1})])
@pytest.mark.parametrize("player", ["asker", "user"])
def test_a_failure_truncates_the_episode_and_is_no_move(player, action):
    env = clarify_env.make("synthetic-v0", turn_cost=0.1)
    env.reset(seed=0)
    if player == "user":
        env.step({"asker": Ask("?")})
    _, rewards, terminations, truncations, infos = env.step({player: action})
    assert set(rewards.values()) == {0.0}
    assert (terminations, truncations) == (dict.fromkeys(rewards, False), dict.fromkeys(rewards, True))
    assert infos["asker"]["episode"]["stop"] == "failed"
    episode = env.episode()
    assert (episode.stop, episode.detail) == ("failed", f"{player}: {REASON}")
    assert episode.moves(player) == []
    assert episode.reward == pytest.approx(-0.1 if player == "user" else 0.0)
    with pytest.raises(ClarifyError, match="outside an episode"):
        env.step({"asker": Answer("x")})


def test_who_is_not_on_turn_has_nothing_to_fail_at():
    env = clarify_env.make("synthetic-v0")
    env.reset(seed=0)
    env.step({"asker": Ask("?"), "user": DOWN})
    assert env.episode().stop == "illegal_move"


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rollout_yields_failed_episodes_in_their_places_and_they_survive_storage(tmp_path, suffix):
    flaky = {"asker": Flaky(AlwaysAsk(), one_in(5)), "user": Flaky(ScriptedUser(), one_in(7))}
    episodes = list(rollout(small(), flaky, 80, seed=2, batch=9))
    whole = list(rollout(small(), {"asker": AlwaysAsk(), "user": ScriptedUser()}, 80, seed=2))
    assert [e.index for e in episodes] == list(range(80))
    assert {e.detail for e in episodes if e.stop == "failed"} == {f"asker: {REASON}", f"user: {REASON}"}
    for episode, complete_one in zip(episodes, whole, strict=True):
        assert episode.stop == "failed" or episode == complete_one
    write_episodes(tmp_path / f"e.{suffix}", episodes)
    assert list(read_episodes(tmp_path / f"e.{suffix}")) == episodes


def collected(when, tasks=4, each=12):
    """Episodes of random play, some of which fail."""
    agents = {"asker": Flaky(Random(), when), "user": ScriptedUser()}
    env = small()
    found = list(rollout(env, agents, tasks * each, options=lambda i: {"task": i // each}, seed=1))
    return env, found, [e for e in found if e.stop != "failed"]


def test_a_failed_episode_has_no_choices_to_learn_from():
    env, episodes, _ = collected(lambda o: len(o["transcript"]) == 2)
    failed = [e for e in episodes if e.stop == "failed"]
    assert any(e.moves("asker") for e in failed)
    assert [list(choices(env.game, e, "asker")) for e in failed] == [[]] * len(failed)
    whole = next(e for e in episodes if e.stop == "selected")
    assert [c.move for c in choices(env.game, whole, "asker")] == whole.moves("asker")


@pytest.mark.parametrize(
    "rule", ["threshold", "top-k", "clustering", "clustering-plain", "best-continuation"]
)
@pytest.mark.parametrize("cells", [CELLS, None])
def test_every_rule_selects_as_if_failed_episodes_had_not_been_played(rule, cells):
    env, episodes, whole = collected(one_in(3))
    assert len(whole) < len(episodes)
    batches = [Batch(env, "asker", {"user": ScriptedUser()}, e, cells, 0) for e in (episodes, whole)]
    with_failed, without = (
        [(str(x.observation), x.move, x.weight) for x in make_rule(rule).select(batch)] for batch in batches
    )
    assert with_failed == without
    assert without
    assert all(e.stop != "failed" for _, members in grouped(batches[0]) for e in members)


@pytest.mark.parametrize("when", ["it replies", "it selects after a reply"])
def test_the_tree_drops_a_question_whose_continuation_is_unknown(when):
    def fails(observation):
        kinds = [turn.move.kind for turn in observation["transcript"]]
        return kinds[-1] == "ask" if when == "it replies" else "reply" in kinds and kinds[-1] != "ask"

    env, episodes, _ = collected(lambda o: False)
    users = {name: {"user": user} for name, user in
             (("sound", ScriptedUser()), ("flaky", Flaky(ScriptedUser(), fails)))}  # fmt: skip
    trees = {
        name: BestContinuation().grow(Batch(env, "asker", others, episodes, CELLS, 0))
        for name, others in users.items()
    }
    asked = {
        name: sum(isinstance(m, Ask) for t in grown for m in t.nodes[0].edges)
        for name, grown in trees.items()
    }
    assert asked["flaky"] == 0 < asked["sound"]
    for sound, flaky in zip(trees["sound"], trees["flaky"], strict=True):
        assert len(flaky.nodes) == 1  # nothing is left below the root
        for move, (quantities, _) in flaky.nodes[0].edges.items():
            whole = sound.nodes[0].edges[move][0]
            assert quantities.mean(axis=1) == pytest.approx(whole.mean(axis=1))
    selected = BestContinuation().select(Batch(env, "asker", users["flaky"], episodes, CELLS, 0))
    assert {example.move.kind for example in selected} <= {"answer", "enumerate"}
    assert selected


def test_measure_averages_over_the_meanings_that_were_played():
    env, failures = small(), Counter()
    task = next(k for k, t in enumerate(env.game.tasks) if len(t.interpretations) == 3)
    meanings = env.game.tasks[task].interpretations
    asker = AlwaysAsk()
    flaky = Flaky(ScriptedUser(), lambda o: o["intent"] == meanings[0].text)
    got = measure(env, {"asker": asker, "user": flaky}, [task], CELLS, failures=failures)
    single = []
    for meaning in meanings[1:]:
        others = Flaky(ScriptedUser(), lambda o, meaning=meaning: o["intent"] != meaning.text)
        single.append(measure(env, {"asker": asker, "user": others}, [task], CELLS))
    shares = np.array([meaning.weight for meaning in meanings[1:]])
    expected = sum(share * part for share, part in zip(shares / shares.sum(), single, strict=True))
    assert got == pytest.approx(expected)
    assert failures == {f"user: {REASON}": len(CELLS)}


def test_a_question_that_was_never_played_is_left_out_of_the_comparison():
    env, questions, failures = small(), range(5), Counter()
    lost = env.game.tasks[2].question
    flaky = Flaky(AlwaysEnumerate(), lambda o: o["question"] == lost and o["costs"][0] == CELLS[0].turn)
    own = measure(env, {"asker": flaky, "user": ScriptedUser()}, questions, CELLS, failures=failures)
    assert np.isnan(own[2, 0]).all()
    assert np.isfinite(own[[0, 1, 3, 4]]).all()
    assert complete(own).tolist() == [True, True, False, True, True]
    expected = [own[[0, 1, 3, 4], 0].mean(axis=0), own[:, 1].mean(axis=0)]
    assert average(own) == pytest.approx(np.array(expected))
    assert np.isnan(average(own[2:3])[0]).all()
    rng = np.random.default_rng(0)
    yard = Yardsticks({"a": rng.random(own.shape)}, {"reward": rng.random((5, 2))}, ("a",), "optimum")
    kept = [0, 1, 3, 4]
    all_five = Measured(CELLS, measures_of(env, "asker"), own, yard)
    four = all_five._replace(agent_N_C_M=own[kept], yard=yard.only(kept))
    assert summarise(all_five, [0, 1]) == summarise(four, [0, 1])
    told = failure_summary(failures, all_five)
    assert told["questions_left_out"] == 1
    assert told["failed"] == failures.total() == told["failure_reasons"][f"asker: {REASON}"] > 0
    with pytest.raises(ClarifyError, match="none of 5 questions was played at all costs"):
        complete(np.full_like(own, np.nan))


def test_the_summary_of_an_evaluation_counts_failures(tmp_path):
    env = small(split="validation")
    flaky = Flaky(AlwaysEnumerate(), one_in(9))
    told = evaluate(env, {"asker": flaky}, "flaky", tmp_path, seen=CELLS[:1], unseen=CELLS[1:], tasks=8)
    stored = list(read_episodes(tmp_path / "episodes" / "evaluation.parquet"))
    assert told["failed"] == sum(e.stop == "failed" for e in stored) > 0
    assert told["failure_reasons"] == {f"asker: {REASON}": told["failed"]}
    assert np.isfinite(told["unseen"]["reward"]["mean"])


def test_rest_counts_failed_episodes_and_stops_where_all_failed(tmp_path):
    settings = Config().changed(
        env_options={"size": 30},
        iterations=1,
        tasks=4,
        group_size=6,
        gradient_steps=4,
        hidden=8,
        eval_train_tasks=2,
        batch_size=16,
    )
    trainer = experiment.build(settings, RunDirectory(tmp_path / "run"))
    trainer.others["user"] = Flaky(ScriptedUser(), one_in(6))
    (line,) = trainer.train()
    played = list(read_episodes(tmp_path / "run" / "episodes" / "iteration-000.parquet"))
    whole = [e for e in played if e.stop != "failed"]
    assert line["play/failed"] == len(played) - len(whole) > 0
    assert line["play/reward"] == pytest.approx(np.mean([e.reward for e in whole]))
    assert np.isfinite([v for k, v in line.items() if k.startswith("eval/")]).all()
    failed = [e for e in played if e.stop == "failed"]
    with pytest.raises(ClarifyError, match=f"^all {len(failed)} episodes failed, .* {REASON}$"):
        means(failed)
