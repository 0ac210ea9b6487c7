"""What a person sees of a cross-play: a table in the terminal, and a picture of the matrix."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from rich.table import Table

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle


def table(result: Mapping[str, Any]) -> Table:
    """Normalised scores by asker and user, and by row the own user's, the others' mean and the drop.

    Args:
        result: what `crossplay` returned.
    """
    users = list(next(iter(result["matrix"].values())))
    title = f"normalised score on {result['env']} ({result['questions_compared']} questions); * own user"
    shown = Table(title=title, box=None, padding=(0, 1))
    for column in ("asker", *users, "own", "others", "drop"):
        shown.add_column(column, justify="left" if column == "asker" else "right", no_wrap=column == "drop")
    for asker, line in result["matrix"].items():
        row = result["rows"][asker]
        drop = row.get("drop")
        spread = f"{drop['mean']:.3f} [{drop['low']:.3f}, {drop['high']:.3f}]" if drop else ""
        ends = (f"{row[name]['mean']:.3f}" if name in row else "" for name in ("own", "others"))
        shown.add_row(
            asker, *(_short(cell) + ("*" if cell["own"] else "") for cell in line.values()), *ends, spread
        )
    return shown


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw the matrix of normalised scores to a PNG file; own users are framed, failed cells say so."""
    matrix = result["matrix"]
    users = list(next(iter(matrix.values())))
    values = np.array(
        [
            [cell.get("normalized", {}).get("mean", np.nan) for cell in line.values()]
            for line in matrix.values()
        ]
    )
    figure, axes = plt.subplots(
        figsize=(3.0 + 1.3 * len(users), 1.8 + 0.6 * len(matrix)), constrained_layout=True
    )
    axes.imshow(np.clip(values, 0.0, 1.0), vmin=0.0, vmax=1.0, cmap="YlGnBu", aspect="auto")
    for y, line in enumerate(matrix.values()):
        for x, cell in enumerate(line.values()):
            dark = values[y, x] > 0.6
            axes.text(x, y, _short(cell), ha="center", va="center", color="white" if dark else "black")
            if cell["own"]:
                frame = Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, fill=False, ec="#d1495b", lw=2.5)
                axes.add_patch(frame)
    axes.set_xticks(range(len(users)), users, rotation=20, ha="right")
    axes.set_yticks(range(len(matrix)), list(matrix))
    axes.set_xlabel("user")
    axes.set_title(f"normalised score on {result['env']}; framed: the asker's own user", fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _short(cell: Mapping[str, Any]) -> str:
    if "failed" in cell:
        return "failed"
    mean = cell["normalized"]["mean"]
    return "" if mean is None or np.isnan(mean) else f"{mean + 0.0:.3f}".replace("-0.000", "0.000")
