"""Arguments that several documented functions share."""

from __future__ import annotations

import os
from pathlib import Path

from model_quantization.errors import ConfigError


def bit_depth_of(bit_depth: int | str, recipe: str | None) -> str:
    """Return the bit depth of the settings; `recipe="exact"` stands in place of it.

    Raises
    ------
    ConfigError
        An unknown recipe.
    """
    if recipe is None:
        return str(bit_depth)
    if recipe != "exact":
        raise ConfigError(
            "unknown recipe", where="recipe", expected="exact", got=repr(recipe), do="or bit_depth"
        )
    return recipe


def path_of(value: object, where: str, what: str) -> Path:
    """Return an argument as a path.

    Raises
    ------
    ConfigError
        It is no path, or an empty one.
    """
    if isinstance(value, str | os.PathLike) and str(value):
        return Path(value)
    fitted = hasattr(value, "fit")
    raise ConfigError(
        "not a path",
        where=where,
        expected=f"the path of {what}",
        got=type(value).__name__ if fitted else repr(value)[:60],
        do="`ModelQuantizer().quantize_model` takes a model itself" if fitted else "name one",
    )


def nothing_to_choose_by(do: str) -> ConfigError:
    """Return the error of `auto` without held-out data; `do` says what helps here."""
    return ConfigError(
        "without held-out data there is nothing to choose a precision by",
        where="bit_depth",
        expected="8, 16, 32 or exact",
        got="auto",
        do=do,
    )
