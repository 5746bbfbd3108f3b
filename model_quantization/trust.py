"""Which classes and functions a model may name: an exact allow-list, and nothing else.

The list is data, `allowed_names.txt` beside this file. A name the list lacks can be trusted only by
whoever runs the job, in the configuration or in a call's argument; a file can never extend it.
A trusted name may be used in every way: the file may store it, make it and call it.
"""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from model_quantization.dangerous import warning
from model_quantization.errors import ConfigError, EnvironmentMismatch, UntrustedTypeError
from model_quantization.extras import ESTIMATORS, need
from model_quantization.values import Value

SECTIONS: Final = (
    "classes",
    "called classes",
    "array types",
    "reconstructors",
    "values",
    "read as data",
)
JOBLIB_WRAPPER: Final = "joblib.numpy_pickle:NumpyArrayWrapper"
PARTIAL: Final = "functools:partial"


def parse_allowed_names(text: str) -> dict[str, frozenset[str]]:
    """The names under each heading of the allow-list.

    Raises
    ------
    ValueError
        For an unknown heading, a name outside any, a name that is not `module:qualname`, and a
        name listed twice: one name, one meaning.
    """
    found: dict[str, list[str]] = {section: [] for section in SECTIONS}
    section = ""
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if name.startswith("["):
            section = name.strip("[]")
            if section not in found:
                raise ValueError(f"line {number}: no heading is called {name}; known: {SECTIONS}")
            continue
        module, _, qualname = name.partition(":")
        if not section or not module or not qualname or name in seen:
            raise ValueError(f"line {number}: {name!r} is misplaced, misspelt or listed twice")
        seen.add(name)
        found[section].append(name)
    return {heading: frozenset(names) for heading, names in found.items()}


@functools.cache
def _allowed() -> Mapping[str, frozenset[str]]:
    text = Path(__file__).with_name("allowed_names.txt").read_text("utf-8")
    return types.MappingProxyType(parse_allowed_names(text))


def is_read_as_data(name: str) -> bool:
    """Whether objects of this name are read as plain data, without running any of their code."""
    return name in _allowed()["read as data"]


def how_to_trust(*names: str) -> str:
    """Return the advice on names that are not on the list.

    Trusting a name helps only if the process that loads the model can import it: a class of a
    notebook or script (`__main__`) cannot be imported anywhere else, and cloudpickle writes the
    code itself into the file, to be run. For a name that only a hostile file uses, the advice is
    never to trust it.
    """
    hostile = warning(names)
    if hostile:
        return hostile
    if any(name.startswith("cloudpickle.") for name in names):
        return (
            "the file was saved by cloudpickle and carries program code: put the function or class "
            "into a module, import it from there, and save the model again with pickle or joblib"
        )
    main = [name.partition(":")[2] for name in names if name.startswith("__main__:")]
    if main:
        return (
            f"{', '.join(main)} was defined in a notebook or script, which no other process can "
            "import: put it into a module, import it from there, and save the model again"
        )
    shown = names[0] if len(names) == 1 else "them"
    they = "it is" if len(names) == 1 else "they are"
    return (
        f"if you wrote {shown} or know that {they} harmless, add "
        f"{'it' if len(names) == 1 else 'them'} to `trusted: {list(names)!r}` in the configuration "
        "or to the `trusted=` argument; otherwise do not open this file"
    )


class TrustPolicy(Value, frozen=True):
    """The shipped allow-list plus the names that this run's configuration adds.

    Attributes
    ----------
    extra : frozenset of str
        More names, `module:qualname`, only from the run's configuration or an argument. A name of
        another form is a `ConfigError`.
    """

    extra: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in self.extra:
            module, _, qualname = name.partition(":")
            if not all(part.isidentifier() for part in [*module.split("."), *qualname.split(".")]):
                raise ConfigError(
                    "a trusted name must say where it is",
                    where="trusted",
                    expected="`module:qualname`, such as `my_package.text:Cleaner`",
                    got=repr(name),
                    do="correct the name in the configuration",
                )

    def allows(self, name: str) -> bool:
        """Whether a model may hold this class, function or ufunc."""
        return name in self.extra or (
            self.allows_in_pickle(name)
            and name not in _allowed()["reconstructors"]
            and not is_read_as_data(name)
            and name != JOBLIB_WRAPPER
        )

    def allows_in_pickle(self, name: str) -> bool:
        """Whether a pickle may name this: what models hold, and the functions that remake it."""
        return name in self.extra or any(name in names for names in _allowed().values())

    def may_make(self, name: str) -> bool:
        """Whether a pickle may make an empty instance of this class."""
        allowed = _allowed()
        made = (allowed["classes"], allowed["called classes"], allowed["read as data"])
        return name in self.extra or any(name in names for names in made)

    def may_call(self, name: str) -> bool:
        """Whether a pickle may call this with arguments."""
        allowed = _allowed()
        return (
            name in allowed["called classes"]
            or name in allowed["reconstructors"]
            or name in allowed["read as data"]
            or name in self.extra
        )

    def may_hold(self, name: str) -> bool:
        """Whether a file's model may hold this as a value: never what only a pickle may call."""
        return self.allows(name) or is_read_as_data(name)

    def is_value(self, name: str) -> bool:
        """Whether a model may keep this as a value, to call it later, as a partial does."""
        return name in _allowed()["values"] or name in self.extra

    def is_array_type(self, name: str) -> bool:
        """Whether this is a kind of array, made only through numpy's reconstructors."""
        return name in _allowed()["array types"]

    def check(self, name: str, where: str) -> None:
        """Check that a model may hold this name; `where` is the place that has it.

        Raises
        ------
        UntrustedTypeError
            It may not; the message says how to trust it.
        """
        if not self.allows(name):
            raise UntrustedTypeError(
                f"{name} is not on the allow-list", where=where, do=how_to_trust(name)
            )

    def resolve_class(self, name: str, where: str) -> type:
        """The class of this name, imported.

        Raises
        ------
        UntrustedTypeError
            The name is not allowed, or is not a class.
        EnvironmentMismatch
            The name is allowed and the installed libraries do not have it.
        MissingExtra
            Its library is one of an extra, and is not installed.
        """
        value = self.resolve_name(name, where)
        if not isinstance(value, type):
            raise UntrustedTypeError(
                f"{name} is not a class",
                where=where,
                expected="a class",
                got=type(value).__name__,
                do="do not use this file: it names a function where a class must be",
            )
        return value

    def resolve_name(self, name: str, where: str) -> object:
        """The class, function or ufunc of this name, imported, as a value that is never called.

        Raises
        ------
        UntrustedTypeError
            The name is not allowed.
        EnvironmentMismatch
            The name is allowed and the installed libraries do not have it.
        """
        self.check(name, where)
        module, _, qualname = name.partition(":")
        try:
            value: object = importlib.import_module(module)
            for part in qualname.split("."):
                value = getattr(value, part)
        except (ImportError, AttributeError) as error:
            package = module.partition(".")[0]
            if package in ESTIMATORS:
                need(f"an object of {package}", package)
            raise EnvironmentMismatch(
                f"{name} does not exist here",
                where=where,
                got=f"{package} {_version(package)} ({error})",
                do=f"install the version of {package} that the model was made with",
            ) from error
        return value


def _version(package: str) -> str:
    try:
        module = importlib.import_module(package)
    except ImportError:
        return "not installed"
    return str(getattr(module, "__version__", "of unknown version"))
