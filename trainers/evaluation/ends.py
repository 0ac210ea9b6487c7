"""How episodes ended, by player and reason, and what language models counted while they played them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clarify_env.agent import Agent
from clarify_env.episode import Episode
from clarify_env.game import StopReason

_BOOKED = (StopReason.ILLEGAL, StopReason.UNREADABLE, StopReason.FAILED)  # whose detail begins with a player


# What is reported of an agent's `stats`, those that it has.
_REPORTED = """messages format_failures unfinished refusals filtered shortened_prompts failed prompt_tokens
    sampled_tokens thinking_tokens""".split()


# Why a message ended that was no move, where that is told; any other word of a server's is not.
_CUT = ("length", "refusal", "content_filter", "tool_calls")


def end_of(episode: Episode) -> str:
    """How an episode ended, such as "selected" or "asker/unreadable_message/length".

    An end that one player caused begins with its name. Of a message that was no move it is added why the
    message ended, where that was not its regular end: "length", "refusal", "content_filter", "tool_calls".
    """
    stop = episode.stop or "going on"
    if stop not in _BOOKED:
        return stop
    player = episode.detail.split(maxsplit=1)[0].rstrip(":")
    trace = dict(episode.steps[-1].traces).get(player) if stop == StopReason.UNREADABLE else None
    finish = trace.get("finish") if isinstance(trace, dict) else None
    return f"{player}/{stop}/{finish}" if finish in _CUT else f"{player}/{stop}"


def counting(
    episodes: Iterable[Episode], agents: Mapping[str, Agent], counts: Counter[str]
) -> Iterator[Episode]:
    """The episodes as they come, while `counts` grows.

    Args:
        episodes: that these agents play as they are asked for, such as of `rollout`.
        agents: the players; a model that plays several is counted once, as "asker+user".
        counts: of each way to end as "end/END" (see `end_of`), and what each language model has counted
            as "PLAYER/COUNT", such as "asker/format_failures".
    """
    names: dict[int, list[str]] = {}
    for player, agent in agents.items():
        if "messages" in getattr(agent, "stats", ()):  # what every language model counts, and nobody else
            names.setdefault(id(agent), []).append(player)
    models = [("+".join(players), agents[players[0]]) for players in names.values()]

    def counted() -> Counter[str]:
        stats = [(who, getattr(model, "stats")) for who, model in models]  # noqa: B009  # no part of Agent
        return Counter({f"{who}/{key}": own[key] for who, own in stats for key in _REPORTED if key in own})

    before = counted()
    for episode in episodes:
        now = counted()
        counts[f"end/{end_of(episode)}"] += 1
        for name, count in now.items():
            counts[name] += count - before[name]  # a count of 0 is told too
        before = now
        yield episode


def nested(counts: Mapping[str, int]) -> dict[str, Any]:
    """What `counting` found as the summary holds it: `ends`, the commonest first, and `models` by player."""
    ends = {name.removeprefix("end/"): n for name, n in counts.items() if name.startswith("end/")}
    models: dict[str, dict[str, int]] = {}
    for name, count in counts.items():
        player, _, what = name.partition("/")
        if player != "end":
            models.setdefault(player, {})[what] = count
    return {"ends": dict(Counter(ends).most_common()), "models": models}
