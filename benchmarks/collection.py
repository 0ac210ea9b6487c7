"""Collection: turns per second with instant agents, 256 episodes at once; and memory of a long collection.

Bars: at least 20,000 turns/s; 1,000,000 episodes to disk with less than 1 GB resident. One core.

    python benchmarks/collection.py
    python benchmarks/collection.py --episodes 1000000
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import clarify_env
from clarify_env.agents import Script, ScriptedUser
from clarify_env.games.clarification import Answer, Ask, Enumerate, Reply, Select
from clarify_env.rollout import rollout
from clarify_env.storage import write_episodes

CANNED = {
    "asker": Script([Ask("Which profession?"), Enumerate([("painter", "Oslo"), ("chemist", "Port Arden")])]),
    "user": Script([Reply("The painter."), Select("Oslo")], player="user"),
}
SCRIPTED = {"asker": Script([Ask("Which profession?"), Answer("Oslo")]), "user": ScriptedUser()}


def turns_per_second(agents: dict[str, clarify_env.Agent], episodes: int, seed: int) -> float:
    """Moves made per second of a collection."""
    env = clarify_env.make("synthetic-v0")
    begun = time.perf_counter()
    turns = sum(len(episode.steps) for episode in rollout(env, agents, episodes, seed, batch=256))
    return turns / (time.perf_counter() - begun)


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--episodes", type=int, default=100_000, help="of the collection to disk")
    options.add_argument("--repeats", type=int, default=5)
    chosen = options.parse_args()
    for agents in (CANNED, SCRIPTED):
        turns_per_second(agents, 2_000, 0)
    print("agents                        turns/s   (median, min, max)")
    for name, agents in (("canned", CANNED), ("canned asker, scripted user", SCRIPTED)):
        speeds = [turns_per_second(agents, 5_000, seed) for seed in range(chosen.repeats)]
        print(f"{name:<29} {statistics.median(speeds):>7,.0f}   {min(speeds):,.0f} {max(speeds):,.0f}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episodes.parquet"
        begun = time.perf_counter()
        episodes = rollout(clarify_env.make("synthetic-v0"), CANNED, chosen.episodes, 0, batch=256)
        count = write_episodes(path, episodes)
        took = time.perf_counter() - begun
        size = path.stat().st_size / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{count:,} episodes to Parquet: {took:.0f} s, {size:,.0f} MiB on disk")
    print(f"resident memory: {before:.0f} MiB before, {peak:.0f} MiB at its peak")


if __name__ == "__main__":
    main()
