"""The command `clarify-env`: one file a command."""

import os
import sys

import typer
from rich.console import Console

from clarify_env.errors import ClarifyError
from clarify_env.trainers.cli import ablate as ablate
from clarify_env.trainers.cli import audit as audit  # commands register themselves
from clarify_env.trainers.cli import check_data as check_data
from clarify_env.trainers.cli import compare as compare
from clarify_env.trainers.cli import crossplay as crossplay
from clarify_env.trainers.cli import demo as demo
from clarify_env.trainers.cli import evaluate as evaluate
from clarify_env.trainers.cli import isotoken as isotoken
from clarify_env.trainers.cli import play as play
from clarify_env.trainers.cli import train as train
from clarify_env.trainers.cli.options import app


def main() -> None:
    """Run the command; mistakes end in one line and exit code 1, Ctrl-C in 130."""
    errors = Console(stderr=True)
    sys.path.append(os.getcwd())  # for games and agents of one's own, as module:name
    try:
        code = app(standalone_mode=False)
        if code == 130:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except ClarifyError as error:
        errors.print(f"clarify-env: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        errors.print("clarify-env: interrupted; what is complete is kept (train goes on with --resume)")
        sys.exit(130)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        errors.print(f"clarify-env: {error.format_message()}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
