"""Options that commands of the command line share, and what they are folded into."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from .options import RunOptions

if TYPE_CHECKING:
    from ..pipeline.store import Store
    from ..schemas.recipe import Recipe
    from .stage import StageResult

MakeRecipe = Callable[..., "Recipe"]
_BEGUN = "shards/recipe.toml"

store_option = click.option(
    "--store",
    "store_uri",
    default=None,
    help="Folder or URI of the store [env MOTIONPIPE_STORE; ./motionpipe-store].",
)

workers_option = click.option(
    "--workers",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="Ray workers; 0 = in this process, without Ray.",
)
address_option = click.option("--address", default=None, help="Ray cluster to join [default: start a local one].")

_RECIPE = (
    click.option(
        "--recipe",
        "recipe_name",
        default=None,
        help="Shipped recipe (MODEL/tiny, small or paper) or TOML file [default: the one the store began with].",
    ),
    click.option(
        "--set", "assignments", multiple=True, metavar="SECTION.FIELD=VALUE", help="Change one field of the recipe."
    ),
)
_RUN = (
    workers_option,
    address_option,
    click.option(
        "--max-reject-rate",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        help="Exit with 3 where more is rejected.",
    ),
    click.option(
        "--deadline",
        "deadline_s",
        type=click.FloatRange(0, min_open=True),
        default=3600.0,
        show_default=True,
        metavar="SECONDS",
        help="End a worker that is longer than this at one recording; needs --workers of 1 or more.",
    ),
    click.option(
        "--memory",
        "memory_mb",
        type=click.IntRange(1),
        default=None,
        metavar="MB",
        help="End a worker that holds more than this [default: no limit]; needs --workers of 1 or more.",
    ),
)


def whole_gpus(ctx: click.Context, param: click.Parameter, value: float) -> float:
    """Ray gives a part of one GPU, or whole ones."""
    if value > 1 and value != int(value):
        raise click.BadParameter(f"{value:g} is neither a part of one GPU nor a whole number of them", ctx, param)
    return value


gpus_option = click.option(
    "--gpus-per-worker",
    callback=whole_gpus,
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="PART",
    help="GPUs, or a part of one such as 0.25, for each worker; 0 = compute on the CPU.",
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def plain_name(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An artefact's name is one plain folder of the store."""
    if value is not None and not _NAME.fullmatch(value):
        raise click.BadParameter(f"{value!r} must be letters, digits, dots, hyphens and underscores", ctx, param)
    return value


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that change the speed of a command, with `gpus_option` where it has one, folded into run options."""

    @functools.wraps(command)
    def wrapped(
        store_uri: str | None,
        workers: int,
        address: str | None,
        max_reject_rate: float,
        deadline_s: float,
        memory_mb: int | None,
        gpus_per_worker: float = 0.0,
        **own: Any,
    ) -> None:
        options = RunOptions(workers, address, max_reject_rate, deadline_s, memory_mb, gpus_per_worker)
        _exit_with(command(open_store(store_uri), options=options, **own))

    for option in reversed((store_option, *_RUN)):
        wrapped = option(wrapped)
    return wrapped


def stage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every stage takes, folded into store, recipe and run options."""

    @functools.wraps(command)
    def wrapped(
        store: Store, options: RunOptions, recipe_name: str | None, assignments: tuple[str, ...], **own: Any
    ) -> Any:
        def recipe(*shorthand: tuple[str, Any]) -> Recipe:
            from .recipe_files import load_recipe

            given = [f"{field}={_toml(value)}" for field, value in shorthand if value is not None]
            begun = store.read_bytes(_BEGUN) if store.exists(_BEGUN) else None
            return load_recipe(recipe_name, [*assignments, *given], begun)

        return command(store, recipe, options, **own)

    for option in reversed(_RECIPE):
        wrapped = option(wrapped)
    return run_options(wrapped)


def open_store(uri: str | None) -> Store:
    """The store that a command works on."""
    from ..pipeline.store import Store

    return Store.at(uri or os.environ.get("MOTIONPIPE_STORE") or "motionpipe-store")


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _exit_with(results: StageResult | Iterable[StageResult] | None) -> None:
    if results is None:
        return
    listed = list(results) if isinstance(results, Iterable) else [results]
    code = max((result.exit_code for result in listed), default=0)
    if code:
        sys.exit(code)
