"""Reads a configuration: defaults, then the file, the environment, the caller.

Relative directories and key files in a file count from the file's own directory; those of the
environment and of the caller count from the working directory. An environment variable is `MLQ_`
and the key, `__` between nested keys, its value read as YAML: `MLQ_BIT_DEPTH=16`,
`MLQ_GATE__ALLOWED_DROP=0.01`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from model_quantization.config.run_config import GateConfig, LimitsConfig, ModelOverride, RunConfig
from model_quantization.errors import ConfigError, QuantizationError
from model_quantization.files.object_store import is_url
from model_quantization.files.signing import ENVIRONMENT

PREFIX = "MLQ_"
DIRECTORIES = ("model_dir", "output_dir", "holdout_dir", "cache_dir")
KEY_FILES = ("signing_key", "public_keys")
_MODELS: dict[str, type[BaseModel]] = {
    "gate": GateConfig,
    "limits": LimitsConfig,
    "overrides": ModelOverride,
}


# What a value should have been, in place of pydantic's words about Python's types.
_EXPECTED = {
    "string_pattern_mismatch": "`module:qualname`, such as `my_package.text:Cleaner`",
    "string_type": "text",
    "string_too_short": "at least one character",
    "too_short": "at least one",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}


def load_config(
    path: Path | str | None = None,
    *,
    given: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> RunConfig:
    """The configuration of a run; a later source in the order below wins.

    Parameters
    ----------
    defaults : mapping, optional
        The caller's own defaults, nested as in the file.
    path : path, optional
        A YAML file.
    environ : mapping, optional
        The environment; `os.environ` when not given.
    given : mapping, optional
        The caller's values; None counts as not given.

    Raises
    ------
    ConfigError
        No such file, not YAML, an unknown key, a wrong type or value: one line that names the
        place, the key and what would do.
    """
    merged: dict[str, Any] = {}
    origins: dict[tuple[str, ...], str] = {}
    layers = (
        ("defaults", dict(defaults or {})),
        (str(path), _read_yaml(Path(path)) if path is not None else {}),
        ("environment", _read_environment(os.environ if environ is None else environ)),
        ("", dict(given or {})),
    )
    for origin, layer in layers:
        for keys, value in _leaves(layer):
            if origin or value is not None:
                _put(merged, keys, value)
                origins[keys] = origin
    return _validate(merged, origins)


def _validate(values: dict[str, Any], origins: Mapping[tuple[str, ...], str]) -> RunConfig:
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        more = error.error_count() - 1
    keys = tuple(str(key) for key in problem["loc"])
    if problem["type"] == "extra_forbidden":
        raise _unknown_key(keys, _place(origins, keys))
    if problem["type"] == "missing":
        what = f"`{'/'.join(keys)}` is missing"
        raise ConfigError(what, where=_place(origins, keys), do="add it")
    expected, got = "", _short(problem["input"])
    inner = problem.get("ctx", {}).get("error")
    message = str(inner) if isinstance(inner, ValueError) else problem["msg"]
    if isinstance(inner, QuantizationError):  # the gate's own error names its key
        keys = (*keys[:-1], *inner.where.split("/"))
        expected, got, message = inner.expected, inner.got, ""
    elif problem["type"] in _EXPECTED:
        expected, message = _EXPECTED[problem["type"]], ""
    elif message.startswith("Input should be "):
        expected, message = message.removeprefix("Input should be "), ""
    if not keys:  # several keys that do not go together: the message names them
        raise ConfigError(message, where=_place(origins, keys))
    raise ConfigError(
        f"`{'/'.join(keys)}` cannot be used" + (f" ({message})" if message else ""),
        where=_place(origins, keys),
        expected=expected,
        got=got,
        do=f"and {more} more like it" if more else "",
    )


def _unknown_key(keys: tuple[str, ...], place: str) -> ConfigError:
    owner = next((_MODELS[key] for key in reversed(keys[:-1]) if key in _MODELS), RunConfig)
    known = sorted(owner.model_fields)
    close = get_close_matches(keys[-1].lower(), known, n=1)
    return ConfigError(
        f"unknown key `{'/'.join(keys)}`",
        where=place,
        expected="" if close else f"one of {', '.join(known)}",
        do=f"did you mean `{close[0]}`?" if close else "",
    )


def _place(origins: Mapping[tuple[str, ...], str], keys: tuple[str, ...]) -> str:
    """The source of the value at `keys`: the file, a variable, or empty."""
    for length in range(len(keys), 0, -1):
        origin = origins.get(keys[:length])
        if origin == "environment":
            return PREFIX + "__".join(keys[:length]).upper()
        if origin is not None:
            return origin
    return ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _leaves(
    layer: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value with its keys; only nested models are merged by key."""
    for key, value in layer.items():
        keys = (*above, str(key))
        if isinstance(value, Mapping) and keys[0] in ("gate", "limits"):
            yield from _leaves(value, keys)
        else:
            yield keys, value


def _put(merged: dict[str, Any], keys: tuple[str, ...], value: object) -> None:
    for key in keys[:-1]:
        nested = merged.setdefault(key, {})
        if not isinstance(nested, dict):
            nested = merged[key] = {}
        merged = nested
    merged[keys[-1]] = value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the configuration cannot be read ({getattr(error, 'strerror', None) or error})",
            where=str(path),
            do="name a YAML file, such as one in configs/; `model-quantization init` starts a "
            "project that has some",
        ) from None
    values = _parse_yaml(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            "not a configuration",
            where=str(path),
            expected="keys and values",
            got=type(values).__name__,
        )
    for key in (*DIRECTORIES, *KEY_FILES):
        if key in values:
            values[key] = _from_file(values[key], path.absolute().parent)
    return values


def _from_file(value: object, directory: Path) -> object:
    """A path, or a list of them, that counts from the configuration file's own directory."""
    if isinstance(value, list):
        return [_from_file(item, directory) for item in value]
    if not isinstance(value, str) or not value or value.startswith(ENVIRONMENT) or is_url(value):
        return value
    return os.path.normpath(directory / Path(value).expanduser())


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if name.startswith(PREFIX):
            keys = tuple(name.removeprefix(PREFIX).lower().split("__"))
            value: object = text if keys[0] in DIRECTORIES else _parse_yaml(text, name)
            _put(values, keys, value)
    return values


def _parse_yaml(text: str, where: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Raises an error for a key that is written twice: the second would silently win."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen = [self.construct_object(key, deep=True) for key, _ in node.value]
            for key in seen:
                if seen.count(key) > 1:
                    raise yaml.YAMLError(f"`{key}` is written twice")
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(
            f"not YAML ({' '.join(str(error).split())})", where=where, do="correct the file"
        ) from None
