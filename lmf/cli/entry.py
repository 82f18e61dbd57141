"""Entry point: every way a command can end, as one line and an exit status."""

import logging
import signal
import sys
import warnings
from typing import Any, NoReturn

import typer

from lmf.cli.commands import app
from lmf.cli.process import leads, message_of
from lmf.core.errors import LmfError

INTERRUPTED = 130
"""Exit status after Ctrl-C or SIGTERM."""

AGAIN = "interrupted; run the same command again"
SAVING = ("fetch", "train", "evaluate", "release", "notebook")
"""Commands that go on where they were interrupted; the others begin again."""


def main() -> None:
    """Entry point: what a user can mend is one line and exit status 1, or 2 for a wrong command."""
    level = logging.INFO if leads() else logging.ERROR
    logging.basicConfig(format="%(message)s", level=level, stream=sys.stderr)
    for chatty in ("httpx", "papermill", "lightning", "lightning.fabric"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Pillow refuses twice as many pixels as it warns of; what it opens is meant to be read here.
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")
    stop = _Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        status = app(standalone_mode=False)  # of a typer.Exit; None for a command that is done
        if status == INTERRUPTED:
            raise KeyboardInterrupt
    except LmfError as error:
        _fail(message_of(error), 1)
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "lmf":
            raise
        _fail(f"{error.name} is not installed; pip install -e '.[study]'", 1)
    except (KeyboardInterrupt, typer.Abort):
        _interrupted()
    except Exception as error:
        if stop.asked:  # an import that was cut short fails in ways of its own
            _interrupted()
        if not hasattr(error, "format_message"):
            raise
        _refuse(error)  # an option or argument that the parser does not take
    sys.exit(status)


class _Stop:
    """Ctrl-C or SIGTERM: remembered, then raised where the program stands."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: Any) -> None:
        self.asked = True
        raise KeyboardInterrupt


def _interrupted() -> NoReturn:
    """Say whether the same command goes on or begins again."""
    saving = next(iter(sys.argv[1:]), None) in SAVING
    _fail(
        f"{AGAIN}: {'what was saved is not done twice' if saving else 'it begins anew'}",
        INTERRUPTED,
    )


def _fail(message: str | None, status: int) -> NoReturn:
    if message is not None:
        typer.echo(f"lmf: {' '.join(message.split())}", err=True)
    sys.exit(status)


def _refuse(error: Any) -> NoReturn:
    """Say what the command line got wrong, and which names there are."""
    message = error.format_message()
    if "\n" in message:  # no command at all: the help
        typer.echo(message, err=True)
        sys.exit(2)
    command: Any = getattr(error.ctx, "command", None)
    names = sorted(getattr(command, "commands", ()))
    if hasattr(error, "option_name"):
        names = [name for one in command.params for name in one.opts if name[:2] == "--"]
    elif message.startswith("Missing argument"):
        message = f"{message.rstrip('.')}; see `{error.ctx.command_path} --help`"
        names = []
    elif not message.startswith("No such command"):
        names = []
    if names:
        message = (
            f"{message.rstrip('.')}{'' if message[-1] == '?' else ';'} valid: {', '.join(names)}"
        )
    _fail(message, 2)
