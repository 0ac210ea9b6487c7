"""The red team finds no way above the best play; where a hole is made in the rules, it finds that."""

import re

import numpy as np
import pytest

import clarify_env
from clarify_env import ClarifyError
from clarify_env.costs import FixedCosts
from clarify_env.env import GameEnv
from clarify_env.games.clarification import Costs, game
from clarify_env.games.clarification.game import ClarificationGame, Interpretation, Task
from clarify_env.registry import registry
from clarify_env.rollout import rollout
from clarify_env.trainers.evaluation import measure, red_team
from clarify_env.trainers.evaluation.red_team import SPELLINGS, attacks, check_rewards

FEW = {"questions": 3}
LUCKY = ("peeks", "counts")  # they guess
# Meanings in words alone, whose labels need two words each.
CUP = Task(
    "cup",
    "Who won the cup?",
    tuple(
        Interpretation(f"Who won the {year} {league} cup?", (name,), 0.25)
        for (year, league), name in {
            ("1950", "northern"): "Arden",
            ("1950", "southern"): "Velmor",
            ("1960", "northern"): "Oldmere",
            ("1960", "southern"): "Tarn",
        }.items()
    ),
)
LISTED = [Costs(1.0, 0.02)]  # no question pays, a list does


@pytest.fixture
def cup():
    return GameEnv(ClarificationGame([CUP], FixedCosts()), "cup-v0")


@pytest.mark.parametrize("id", sorted(registry))
def test_no_attack_scores_above_the_best_play(id, request):
    spec = registry[id]
    options = {}
    if spec.options.get("data_dir", 0) is None and not id.startswith("csp"):
        options = {"data_dir": str(request.getfixturevalue("data_dir"))}
    env = clarify_env.make(id, **spec.held_out(options))
    found = check_rewards(env, list(spec.unseen)[-1:], **FEW)
    assert len(found) == 3 * len(SPELLINGS) + 5
    if not id.startswith("pingeval"):  # of which no best play is known, only the best team
        assert max(attack.gain["mean"] for attack in found if attack.name not in LUCKY) <= 1e-9


def test_words_that_are_joined_would_be_found(cup, monkeypatch):
    assert check_rewards(cup, LISTED)[0].best > 0.5
    monkeypatch.setattr(game, "words", lambda text: len(text.split()))
    with pytest.raises(ClarifyError, match=r"joined by hyphens.* above the best play"):
        check_rewards(cup, LISTED)


def test_an_order_that_tells_the_meaning_would_be_found(cup, monkeypatch):
    dear = [Costs(1.0, 0.4)]
    assert check_rewards(cup, dear)[0].best < 0.5
    shuffled = measure.jobs
    monkeypatch.setattr(
        measure, "jobs", lambda *given: sorted(shuffled(*given), key=lambda job: job.options["intent"])
    )
    with pytest.raises(ClarifyError, match=r"'counts' scores .* above the best play"):
        check_rewards(cup, dear)


def test_a_generator_that_leads_back_to_nature_would_be_found(monkeypatch):
    env = clarify_env.make("synthetic-v0", split="validation", turn_cost=1.0, word_cost=0.05)
    red_team.check_rewards(env, [Costs(1.0, 0.05)], 8)
    module = __import__("sys").modules[rollout.__module__]
    monkeypatch.setattr(module, "agent_generator", lambda seed, k: np.random.default_rng((seed, k + 1)))
    with pytest.raises(ClarifyError, match=re.escape("'peeks' earns ")):
        red_team.check_rewards(env, [Costs(1.0, 0.05)], 8)


def test_who_quits_pays(cup):
    best = check_rewards(cup, LISTED)[0].best
    found = {attack.name: attack for attack in check_rewards(cup, LISTED)}
    for name in ("quits", "quits and blames a server"):
        assert found[name].reward == 0.0 < best
    honest = attacks(clarify_env.Agent())
    assert {"quits", "peeks", "counts", "tells all in questions"} <= set(honest)
