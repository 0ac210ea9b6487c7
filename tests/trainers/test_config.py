"""The configuration: nested in files, flat in words, and every setting an option of the command."""

import json
from dataclasses import fields

import pytest
import typer

from clarify_env.errors import ClarifyError
from clarify_env.trainers.cli import app
from clarify_env.trainers.config import (
    AGENTS,
    ALGORITHM_RECIPES,
    PARTS,
    SETTINGS,
    TOKEN_ALGORITHMS,
    Config,
    recipe,
)


def test_every_setting_is_an_option_of_train_in_the_group_of_its_part():
    train = typer.main.get_command(app).commands["train"]
    options = {option.name: option for option in train.params}
    assert set(SETTINGS) <= set(options)
    for name, (part, _) in SETTINGS.items():
        assert options[name].default is None, "given means given"
        assert options[name].rich_help_panel.lower().startswith(part or "run"), name
    assert options["learning_rate"].opts == ["--learning-rate"]
    assert options["shared"].secondary_opts == ["--no-shared"]


def test_settings_have_names_of_their_own():
    held = [one.name for kind in (Config, *PARTS.values()) for one in fields(kind) if one.name not in PARTS]
    assert len(SETTINGS) == len(held) == len(set(held))


def test_settings_are_changed_by_name_wherever_they_stand():
    config = Config().changed(seed=3, group_size=5, algorithm="ppo", lora=2, eval_every=4)
    assert (config.seed, config.rollout.group_size, config.policy.lora) == (3, 5, 2)
    assert (config.algorithm.name, config.evaluation.eval_every) == ("ppo", 4)
    flat = dict(config.flat())
    assert (flat["algorithm"], flat["lora"], flat["tasks"]) == ("ppo", 2, 64)
    assert Config().changed(**flat) == config


def test_another_game_has_its_own_grid_of_costs():
    config = Config().changed(costs={"turn": (0.5,)})
    assert config.rollout.costs["turn"] == (0.5,)
    other = config.changed(env="csp-v0")
    assert set(other.rollout.costs) == set(other.grid.of._fields)
    assert "turn" not in other.rollout.costs
    assert config.changed(seed=1).rollout.costs["turn"] == (0.5,)


@pytest.mark.parametrize("agent", [*AGENTS])
@pytest.mark.parametrize("algorithm", [*ALGORITHM_RECIPES, "rest"])
@pytest.mark.parametrize("env", ["synthetic-v0", "csp-v0", "pingeval-names-v0"])
def test_a_recipe_is_what_is_given_and_else_as_measured(agent, algorithm, env):
    config = recipe(agent, algorithm, env=env, seed=7, learning_rate=0.125)
    assert (config.env, config.seed, config.algorithm.learning_rate) == (env, 7, 0.125)
    assert (config.policy.agent, config.algorithm.name) == (agent, algorithm)
    known = (ALGORITHM_RECIPES if agent == "move-scorer" else TOKEN_ALGORITHMS).get(algorithm, {})
    for name, value in known.items():
        if name not in ("learning_rate", "options"):
            assert dict(config.flat())[name] == value
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_an_entry_that_is_no_setting_is_named():
    with pytest.raises(ClarifyError, match=r"unknown setting in config.json 'rollout.task'; did you mean"):
        Config.from_json({"rollout": {"task": 3}})
    with pytest.raises(ClarifyError, match=r"config.json: rollout=3: not the settings of rollout"):
        Config.from_json({"rollout": 3})
