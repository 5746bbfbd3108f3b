"""Arguments that several documented functions share."""

from __future__ import annotations

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


def nothing_to_choose_by(do: str) -> ConfigError:
    """Return the error of `auto` without held-out data; `do` says what helps here."""
    return ConfigError(
        "without held-out data there is nothing to choose a precision by",
        where="bit_depth",
        expected="8, 16, 32 or exact",
        got="auto",
        do=do,
    )
