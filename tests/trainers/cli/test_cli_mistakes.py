"""What goes wrong in the command `clarify-env`: one line each, and nothing is lost."""

import sys

import pytest

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("play --env synthetc-v0", "unknown environment 'synthetc-v0'; did you mean 'synthetic-v0'?"),
        (
            "play --as nobody --agent optimall",
            "agent or run directory 'optimall'; did you mean 'optimal'?",
        ),
        ("play --as askr", "unknown player 'askr'; did you mean 'asker'?"),
        ("play --split valid", "unknown split 'valid'"),
        ("play --costs turn=-0.1", "turn_cost=-0.1: a cost is a finite number >= 0"),
        ("play --costs word=nan", "word_cost=nan: a cost is a finite number >= 0"),
        ("play --knob noise=1.5", "noise=1.5): a probability in [0, 1)"),
        ("play --task 9999", "there are 500 tasks, from 0"),
        ("play --task nothing", "'nothing': no task has this id"),
        ("play --data-dir nowhere", "unknown option 'data_dir'"),
        ("train --rule topk", "unknown selection rule 'topk'; did you mean 'top-k'?"),
        ("train --env synthetic-v3", "unknown environment 'synthetic-v3'; did you mean 'synthetic-v1'?"),
        ("train --knob noise=-0.1", "noise=-0.1): a probability in [0, 1)"),
        ("train --knob noise=0.6 --knob refusal=0.5", "the user would never answer"),
        ("train --costs turn=0.1,x", "--costs 'turn=0.1,x': a cost's name and numbers"),
        ("train --costs word=0.1,-1", "word_cost=-1.0: a cost is a finite number >= 0"),
        ("train --tasks 0", "tasks=0: a whole number, at least 1"),
        ("train --learning-rate nan", "learning_rate=nan: a number above 0"),
        (
            "train --agent move-scorer --lora 4",
            "lora=4: has no effect on move-scorer, only on a language model",
        ),
        ("train --agent small --hidden 8", "hidden=8: has no effect on small, only on a small policy"),
        ("compare --games synthetic-v0 --users foo", "unknown agent or run directory 'foo'"),
        (
            "train --algorithm ppo --algorithm-option credit=exat",
            "unknown credit 'exat'; did you mean 'exact'?",
        ),
        ("train --algorithm ppo --rule top-k", "unknown option of ppo 'rule'"),
        ("train --agent move-scorer --rule top-k --algorithm-option off_path=0.5", "no effect on the rule"),
        ("train --agent move-scorer --rule math:Nothing", "'math:Nothing': cannot be loaded"),
        ("train --algorithm-option off_path=nan", "option off_path='nan': a number >= 0"),
        ("train --algorithm-option rescore=3", "option rescore=3: as rescore=True"),
        ("train --env-option nothing=1", "unknown option 'nothing'"),
        ("train --knob noise", "--knob 'noise': write it as NAME=VALUE, such as noise=0.1"),
        ("train --players askr", "unknown player of synthetic-v1 'askr'; did you mean 'asker'?"),
        ("train --start-share 2", "start_share=2.0: a share between 0 and 1"),
        ("train --resume --out nowhere", "nowhere: no run directory; it has no config.json"),
        ("evaluate optimum", "unknown agent or run directory 'optimum'; did you mean 'optimal'?"),
        ("crossplay optimum", "unknown agent or run directory 'optimum'; did you mean 'optimal'?"),
        ("crossplay optimal optimal", "two players are called 'optimal'"),
        (
            "crossplay optimal --users scriptd",
            "unknown agent or run directory 'scriptd'; did you mean 'scripted'?",
        ),
        ("crossplay optimal --users noisy:2", "noise=2.0): a probability in [0, 1)"),
        ("crossplay optimal --costs trun=0.1", "did you mean 'turn'?"),
        ("audit server:some --server localhost", "does not begin with http:// or https://"),
        ("audit nowhere/at/all", "unknown agent or run directory 'nowhere/at/all'"),
        ("evaluate optimal --temperature 0.5", "--temperature 0.5: of a language model that is named"),
        ("evaluate small --server http://localhost:1/v1", "of server:MODEL, and there is only small"),
        ("crossplay optimal --users scripted --examples 2", "there is only optimal, scripted"),
        ("isotoken pingeval-names-v0 --agent guess --max-tokens 9", "--max-tokens 9: of a language model"),
        ("play --device cpu", "--device cpu: of a language model"),
        ("audit --temperature 1", "--temperature 1.0: of a language model"),
        ("demo --examples 1", "--examples 1: of a language model"),
        (
            "evaluate server:x --server http://localhost:1/v1 --device cpu",
            "device='cpu': server:x runs as its server does",
        ),
        ("evaluate small --max-thinking-tokens 9", "max_thinking_tokens=9: small has no token that begins a"),
        ("evaluate small --chat-template-option x", "--chat-template-option 'x': write it as NAME=VALUE"),
        ("evaluate human", "unknown agent or run directory 'human'"),
        ("evaluate .", ".: no run directory; it has no config.json"),
        ("evaluate optimal --knob noise=nan", "--knob noise=nan: a number, as in noise=0.1"),
        ("evaluate always-ask --split nothing", "unknown split 'nothing'"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, said, tmp_path, mistake):
    assert said in mistake(*arguments.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("trian", "trian"),
        ("train --seeds 1", "--seeds"),
        ("train --iterations many", "--iterations"),
        ("evaluate", "argument"),
        ("evaluate optimal --seed -1", "--seed"),
        ("play --episodes 0", "--episodes"),
    ],
)
def test_mistakes_of_form_exit_with_2(arguments, said, mistake):
    assert said in mistake(*arguments.split(), code=2)


def test_data_that_is_not_there(tmp_path, monkeypatch, mistake):
    monkeypatch.setitem(sys.modules, "datasets", None)
    said = mistake("play", "--env", "ambigqa-v0")
    assert all(hint in said for hint in ("no data", "--data-dir", "CLARIFY_ENV_DATA", "clarify_env[hub]"))
    said = mistake("train", "--env", "ambigqa-v0", "--data-dir", "nowhere", "--no-wandb")
    assert "nowhere" in said
    assert "no train_light.json or train.json there" in said


def test_truncated_data_is_named_by_file_and_position(tmp_path, mistake):
    (tmp_path / "dev_light.json").write_text('[{"id": "1",\n "question": ')
    said = mistake("play", "--env", "ambigqa-v0", "--data-dir", tmp_path)
    assert "dev_light.json: malformed JSON at line 2, column 14" in said


def test_a_run_is_not_overwritten_and_goes_on_only_with_its_settings(trained, mistake, tiny):
    out, _ = trained
    before = (out / "config.json").read_bytes(), (out / "metrics.jsonl").read_bytes()
    assert "holds a run already; continue it with --resume" in mistake("train", "--out", out, *tiny)
    said = mistake("train", "--out", out, "--resume", "--seed", 5, *tiny)
    assert "was started with seed=0, not 5; leave it out" in said
    said = mistake("evaluate", out, "--checkpoint", 7)
    assert "has no checkpoint 7" in said
    assert before == ((out / "config.json").read_bytes(), (out / "metrics.jsonl").read_bytes())


def test_a_folder_that_cannot_be_written(tmp_path, mistake, tiny):
    (tmp_path / "file").write_text("in the way")
    assert "file/run: cannot be made: " in mistake("train", "--out", "file/run", *tiny)
    said = mistake("evaluate", "always-answer", "--out", "file/run", "--eval-tasks", 1)
    assert "file/run" in said


def test_the_end_of_the_input_is_told(command):
    code, _, err = command("play", stdin="")
    assert code == 1
    assert err.split("\n")[-2].startswith("clarify-env: no more input")


def test_an_evaluation_overwrites_no_other_run(tmp_path, command):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text("{}")
    code, _, err = command("evaluate", "random", "--out", str(run), "--eval-tasks", "2", "--no-wandb")
    assert code == 1
    assert "holds the run of another policy" in err
    assert not (run / "summary.json").exists()


@pytest.mark.parametrize("who", ["always-answer", "optimal"])
def test_an_agent_that_needs_notes_says_so_in_one_line(who, mistake):
    said = mistake("evaluate", who, "--env-option", "knowledge=document", "--eval-tasks", 2, "--no-wandb")
    assert "plays from the asker's notes and found none; make the game knowledge='open'" in said


def test_training_the_scorer_without_notes_is_one_line(tmp_path, mistake, tiny):
    assert "MoveScorer plays from the asker's notes" in mistake(
        "train", "--env-option", "knowledge=closed", *tiny
    )
    assert not [*tmp_path.rglob("config.json")], "it is found out before anything is written"
    assert "unknown knowledge 'notes'" in mistake("play", "--env-option", "knowledge=notes")
    assert "unknown knowledge 'opne'" in mistake("audit", "--env-option", "knowledge=opne")
