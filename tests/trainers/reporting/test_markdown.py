"""A sweep's result as a table for a page: the best first, both scales, all budgets, and its hash."""

import json

from clarify_env.trainers.reporting.markdown import result_hash, sweep_markdown
from clarify_env.trainers.reporting.summary import MARK


def row(mean, single, cpu, **more):
    scores = {"low": mean - 0.01, "high": mean + 0.01}
    return {
        "unseen_iqm": {"iqm": mean, **scores},
        "from_single_iqm": {"iqm": single, **scores} if single else None,
        "others_iqm": {"iqm": 0.5, "low": None, "high": None},
        "others_foreign": False,
        "foreign": False,
        "yardstick": "optimum with another user",
        "seeds": [0, 1],
        "spent": {"decisions/asker": [10, 20], "episodes": [1000, 1000], "cpu_seconds": [cpu, cpu]},
        **more,
    }


RESULT = {
    "games": {
        "hand-v0": {
            "worse": row(0.8, None, 4.0, foreign=True),
            "best": row(0.9, 0.95, 3.0),
            "broken": {"unseen_iqm": None, "seeds": [], "failed": {"0": "no"}},
        }
    },
    "better": {"hand-v0": {"best": {"worse": 0.75}, "worse": {"best": 0.25}}},
    "equal": {"hand-v0": ["episodes"]},
    "data": {"hand-v0": "0123456789abcdef"},
}


def test_a_page_has_the_table_and_what_it_takes_to_make_it_again():
    assert sweep_markdown(RESULT, "clarify-env compare --games hand-v0") == (
        "`hand-v0`:\n\n"
        "| algorithm | unseen costs | better than the next | unknown partners "
        "| episodes | asker decisions | CPU s |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| best | 0.900 [0.890, 0.910] (0.950) | 0.75 | 0.500 | 1,000 | 15 | 3 |\n"
        f"| worse | 0.800 [0.790, 0.810]{MARK} |  | 0.500 | 1,000 | 15 | 4 |\n\n"
        "`clarify-env compare --games hand-v0`, seeds 0, 1; questions 0123456789abcdef, result "
        f"{result_hash(RESULT)}. Equal for all (within 5%): episodes. "
        f"{MARK} = ceiling of another user: the score may pass 1.\n"
    )


def test_the_hash_survives_the_file_and_tells_of_a_change(tmp_path):
    again = json.loads(json.dumps(RESULT, indent=2))
    assert result_hash(again) == result_hash(RESULT)
    again["games"]["hand-v0"]["best"]["spent"]["episodes"][0] = 999
    assert result_hash(again) != result_hash(RESULT)
