"""Recipes from TOML files, shipped names and `--set section.field=value`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with motionpipe, as model/size."""
    root = resources.files(__package__) / "recipes"
    return sorted(
        f"{model.name}/{file.name.removesuffix('.toml')}"
        for model in root.iterdir()
        if model.is_dir()
        for file in model.iterdir()
        if file.name.endswith(".toml")
    )


def load_recipe(name: str | None, assignments: Sequence[str] = (), stored: bytes | None = None) -> Recipe:
    """The recipe `name` (a shipped name or a TOML file), changed by section.field=value.

    Without a name: the one that the store's shards were made with, `stored`, else all defaults.
    """
    if name is None:
        values = {} if stored is None else _parse(stored.decode(), "of the store")
    else:
        values = _parse(_text(name), name)
    for assignment in assignments:
        _assign(values, assignment)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise MotionpipeError(f"recipe {name or 'with --set'}: {first_problem(error)}") from error


def _text(name: str) -> str:
    if name in shipped_recipes():
        return (resources.files(__package__) / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    if Path(name).is_file():
        try:
            return Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise MotionpipeError(f"recipe {name} is not UTF-8 text") from error
    raise MotionpipeError(f"no recipe {name!r}: neither a file nor one of {', '.join(shipped_recipes())}")


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MotionpipeError(f"recipe {name} is not TOML: {error}") from error


def _assign(values: dict[str, Any], assignment: str) -> None:
    path, equals, text = assignment.partition("=")
    section, dot, field = path.strip().partition(".")
    if not equals or not dot:
        raise MotionpipeError(f"--set {assignment}: expected section.field=value, for example train.seed=1")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    if not isinstance(values.setdefault(section, {}), dict):
        raise MotionpipeError(f"recipe: [{section}] must be a section")
    values[section][field] = value


def first_problem(error: ValidationError) -> str:
    """Where it is and what it is, in a line."""
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _fields_near(problem["loc"])
        return f"unknown key {field}; known here: {', '.join(known)}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "tuple_type":
        message = "expected a list such as ['a', 'b'] (in a shell: with quotes around all of --set's value)"
    got = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
    return f"{field}: {message}{got}"


def _fields_near(location: tuple[int | str, ...]) -> list[str]:
    if len(location) == 1:
        return list(Recipe.model_fields)
    section = Recipe.model_fields[str(location[0])].annotation
    assert section is not None
    return list(section.model_fields)
