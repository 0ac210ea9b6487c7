"""One episode move by move: what everybody can see, what each player plays, and what that costs.

python examples/play.py --seed 3
python examples/play.py --human      # you are the asker
"""

import argparse

import clarify_env
from clarify_env import rollout
from clarify_env.agents import Human, ScriptedUser
from clarify_env.codec import encode
from clarify_env.games.clarification import Enumerate


def show(observation) -> None:
    """The part of an observation that both players share."""
    print("costs (turn, word):", observation["costs"].tolist())
    for turn in observation["transcript"]:
        print(f"  {turn.player} {turn.move.kind}: {turn.move.text}")


def by_hand(seed: int) -> None:
    """A question as a text message, then an enumeration as a structured move."""
    env = clarify_env.make("synthetic-v0", turn_cost=0.1, word_cost=0.01, render_mode="ansi")
    observations, _ = env.reset(seed=seed)
    notes = observations["asker"]["notes"]
    print("question:", observations["asker"]["question"])
    for note in notes:
        print(f"  only the asker knows {note.weight:.0%}: {note.text} => {note.answers[0]}")
    print("  only the user knows:", observations["user"]["intent"])
    user = ScriptedUser()
    listed = Enumerate((note.text, note.answers[0]) for note in notes)
    for action in ("<ask>Which profession?</ask>", listed):
        print("asker plays", action if isinstance(action, str) else encode(action))
        observations, _, _, _, infos = env.step({"asker": action, "user": None})
        print("reward terms:", infos["asker"]["terms"])
        reply = user.act([observations["user"]])[0]
        observations, _, _, _, infos = env.step({"asker": None, "user": reply})
        show(observations["asker"])
    print("the end:", infos["asker"]["episode"])
    print(env.render())


def main() -> None:
    """Read the options and play."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", type=int, default=3)
    options.add_argument("--human", action="store_true", help="play the asker yourself")
    chosen = options.parse_args()
    if not chosen.human:
        by_hand(chosen.seed)
        return
    env = clarify_env.make("synthetic-v0")
    for episode in rollout(env, {"asker": Human(), "user": ScriptedUser()}, 1, chosen.seed):
        print(episode.reward_terms, f"reward {episode.reward:+.3f}")


if __name__ == "__main__":
    main()
