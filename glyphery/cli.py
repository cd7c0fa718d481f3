"""The command line: one verb a stage, in the order in which data flows.

A verb imports its stage when it runs, so that `--help` answers at once and serving never loads
what training needs.
"""

from __future__ import annotations

import codecs
import json
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from glyphery import (
    bench,
    data,
    evaluating,
    identify,
    indexing,
    keys,
    model,
    models,
    recognise,
    repair,
    scoring,
    serving,
    show,
)
from glyphs.errors import BadInput, GlypheryError

_NOBODY_READS = 128 + 13  # SIGPIPE, as a shell tells it of other programs
_OF_TRAINING = {"lightning", "matplotlib", "onnx", "onnxscript", "scipy", "sklearn", "torch"}


class _Verbs(TyperGroup):
    """Turns our errors into one line and an exit code; lists verbs in the order of the data flow."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except GlypheryError as error:
            show.say(str(error))
            ctx.exit(error.exit_code)
        except ModuleNotFoundError as error:
            if error.name not in _OF_TRAINING:
                raise
            show.say(f"This verb needs {error.name}. Install it: pip install 'glyphery[train]'.")
            ctx.exit(1)
        except BrokenPipeError:  # whoever read it has enough, as `head` has
            with suppress(OSError, ValueError):  # what is left in the buffer goes nowhere
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(_NOBODY_READS)
        except OSError as error:
            from glyphs.folders import is_full  # loads SQLite, which --help does without

            if is_full(error):
                show.say("The disk is full. Make room, and run it again.")
            elif error.filename is not None:
                show.say(f"{os.fsdecode(error.filename)} cannot be used: {error.strerror}.")
            else:
                raise
            ctx.exit(BadInput.exit_code)  # 1 would be taken for a finding of `score`

    def list_commands(self, ctx: Any) -> list[str]:
        return [
            "dataset", "models", "train", "evaluate", "compare", "export", "index", "classify", "similar",
            "identify", "repair", "score", "serve", "bench", "keys",
        ]  # fmt: skip


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Recognise glyphs: which character and joining form a picture shows, and what looks like it.",
)


def _print_version(as_json: bool) -> None:
    """The program's version, and what the shipped bundles are, which are checked for that."""
    from importlib.metadata import version

    from bundles import SHIPPED
    from recognition.bundle import Bundle

    shipped = [
        {"name": bundle.manifest.name, "version": bundle.manifest.version, "digest": bundle.digest}
        for bundle in map(Bundle.load, map(Path, SHIPPED))
    ]
    if as_json:
        print(json.dumps({"glyphery": version("glyphery"), "bundles": shipped}))
    else:
        print(f"glyphery {version('glyphery')}")
        for bundle in shipped:
            print("bundle", *bundle.values())


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print it, and the shipped bundles with their digests.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    if version:
        _print_version(as_json)
        raise typer.Exit
    if context.invoked_subcommand is None:
        context.fail("Missing command.")


app.add_typer(data.app, name="dataset")
app.command()(models.models)
app.command()(model.train)
app.command()(evaluating.evaluate)
app.command()(evaluating.compare)
app.command()(model.export)
app.add_typer(indexing.app, name="index")
app.command()(recognise.classify)
app.command()(recognise.similar)
app.command()(identify.identify)
app.command()(repair.repair)
app.command()(scoring.score)
app.command()(serving.serve)
app.command()(bench.bench)
app.add_typer(keys.app, name="keys")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What cannot be written, as JSON escapes it: a document stays one, and a table can be read."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def main() -> None:
    # Processes of a pool, too, import nothing from the folder that somebody works in.
    os.environ["PYTHONSAFEPATH"] = "1"
    if isinstance(sys.stdout, TextIOWrapper):  # whose encoding may lack what is to be printed
        codecs.register_error("glyphery", _escaped)
        sys.stdout.reconfigure(errors="glyphery")
    app(prog_name="glyphery")  # however it was started, `python -m` included
