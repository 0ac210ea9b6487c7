"""An episode as coloured lines for a terminal (ANSI escape codes)."""

from clarify_env.episode import Episode

_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"


_COLOURS = ("\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m")


_CONTROL = dict.fromkeys([*range(32), *range(127, 160)], " ")


def printable(text: str) -> str:
    """`text` without control characters, so that a player's message cannot steer the terminal."""
    return text.translate(_CONTROL)


def ansi(episode: Episode) -> str:
    """The episode so far: its setup, every move with what it paid, and the total."""
    costs = ", ".join(f"{name} cost {value:g}" for name, value in episode.costs.items())
    lines = [f"{_BOLD}{episode.env}{_RESET}  {_DIM}{costs}{_RESET}"]
    for name, value in episode.setup.items():
        if isinstance(value, list):
            value = " | ".join(map(str, value))
        shown = [printable(line) for line in str(value).splitlines()] or [""]
        lines.append("\n  ".join([f"{_DIM}{name}:{_RESET} {shown[0]}", *shown[1:]]))
    colours: dict[str, str] = {}
    for step in episode.steps:
        paid = [payment(episode, name, quantity) for name, quantity in step.paid]
        for player, move in step.moves:
            colour = colours.setdefault(player, _COLOURS[len(colours) % len(_COLOURS)])
            note = f"  {_DIM}{', '.join(paid)}{_RESET}" if paid else ""
            lines.append(f"{colour}{player}{_RESET} {move.kind}: {printable(move.text)}{note}")
    if episode.stop is not None:
        detail = f" ({printable(episode.detail)})" if episode.detail else ""
        lines.append(f"{_BOLD}{episode.stop}{_RESET}{detail}: reward {episode.reward:+.3f}")
    return "\n".join(lines)


def payment(episode: Episode, name: str, quantity: float) -> str:
    """A reward term that a step incurred, with its name and what it paid."""
    cost = episode.terms[name]
    amount = (-episode.costs[cost] * quantity if cost else quantity) + 0.0
    return f"{name} {amount:+.3f}"
