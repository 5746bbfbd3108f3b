"""The one tree of errors: each says what, where, expected, got, and what to do.

::

    QuantizationError
    ├── InputRefused                     a file that must not be opened, or holds what must not run
    │   ├── PathRefused          OSError      not a plain file inside the directory it should be in
    │   │   └── NoSuchFile   FileNotFoundError  there is no file of this name
    │   ├── ScanRefused          ValueError   a pickle that names or does something not allowed
    │   │   └── HostileFile                   one that runs programs, opens files or the network
    │   ├── ScanMalformed        ValueError   not a pickle, or a broken one
    │   └── UntrustedTypeError   TypeError    a class or function outside the allow-list
    ├── LimitError               ValueError   larger, deeper or longer than the limits allow
    ├── ArtifactError            ValueError   a `.qma` file that cannot be used
    │   ├── FormatError                       it breaks the format's grammar
    │   ├── VersionError                      a format version this code does not read
    │   ├── CodecError                        an unknown codec, or bytes that do not decode
    │   ├── IntegrityError                    a hash does not match
    │   ├── SignatureError                    a required signature is missing or wrong
    │   ├── SemanticError                     well-formed, but the values make no sense
    │   └── EnvironmentMismatch               needs another library version than the one here
    ├── WorkerError              RuntimeError the child process that loads models
    │   ├── WorkerCrashed                     it died
    │   └── WorkerTimeout        TimeoutError it was stopped at its time limit
    ├── ModelError                            a model that cannot be treated as asked
    │   ├── UnsupportedComponent TypeError    an object inside that cannot be represented
    │   ├── SchemeError          ValueError   an array that does not tolerate the scheme
    │   ├── UnfittedModel        ValueError   an estimator that was never fitted
    │   ├── DroppedAttribute     AttributeError  state of training that the artifact does not keep
    │   ├── FittedModel          AttributeError  a change of a model that is fitted for good
    │   └── PredictionError      ValueError   a model whose answers cannot be used (NaN, failing)
    ├── HeldOutError             ValueError   evaluation or calibration data that cannot be used
    ├── ConfigError              ValueError   a configuration that cannot be used
    ├── StorageError             OSError      object storage that does not do what is asked of it
    ├── MissingExtra             ImportError  a library of an extra that is not installed
    └── ReleaseError             RuntimeError publishing
        ├── ReleaseLocked                     another run is writing to the same directory
        └── FallbackRefused                   the original is not the one the release pinned

`code` is the reason code that reports and records carry.
"""

from __future__ import annotations

import re
from typing import ClassVar

_NATIVE_SIGNALS = tuple(
    f"signal SIG{name}" for name in ("SEGV", "BUS", "ILL", "FPE", "ABRT", "TRAP")
)


class QuantizationError(Exception):
    """Root of every error raised on purpose by this library.

    Parameters
    ----------
    what : str
        What is wrong, in one clause.
    where : str
        The file, the path inside the model, or the key it is wrong at.
    expected, got : str
        What should have been there, and what was.
    do : str
        What the reader can do about it.

    Examples
    --------
    >>> print(QuantizationError("no such model", where="models/churn.pkl", do="train it first"))
    models/churn.pkl: no such model; train it first.
    """

    code: ClassVar[str] = "error"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" in cls.__dict__:
            return
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower().removesuffix("_error")

    def __init__(
        self, what: str, *, where: str = "", expected: str = "", got: str = "", do: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.got = got
        self.do = do

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected:
            text += f"; expected {self.expected}"
        if self.got:
            text += f"{', ' if self.expected else '; '}got {self.got}"
        if self.do:
            text += f"; {self.do}"
        return text if text.endswith((".", "?", "!")) else text + "."

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.fields()))

    def fields(self) -> dict[str, str]:
        """The five parts as plain strings, for records that cross a process."""
        return {
            "what": self.what,
            "where": self.where,
            "expected": self.expected,
            "got": self.got,
            "do": self.do,
        }

    def at(self, where: str) -> QuantizationError:
        """Return the same error with `where` in front of its own place."""
        placed = f"{where}: {self.where}" if self.where else where
        return type(self)(**{**self.fields(), "where": placed})


def told(error: BaseException) -> str:
    """What an error says to people: of one of the system the file and the reason, not its number.

    Examples
    --------
    >>> told(FileNotFoundError(2, "No such file or directory", "churn.qma"))
    'churn.qma: no such file or directory'
    """
    if isinstance(error, OSError) and not isinstance(error, QuantizationError) and error.strerror:
        reason = error.strerror[:1].lower() + error.strerror[1:]
        return f"{error.filename}: {reason}" if error.filename else reason
    return str(error) or type(error).__name__


def _rebuild(cls: type[QuantizationError], fields: dict[str, str]) -> QuantizationError:
    return cls(**fields)


class InputRefused(QuantizationError):
    """A file that must not be opened, or holds what must not run."""


class PathRefused(InputRefused, OSError):
    """Not a plain file (a link, a device, a pipe, a name that leaves its directory)."""


class NoSuchFile(PathRefused, FileNotFoundError):
    """There is no file of this name."""

    code = PathRefused.code  # outcomes and loaders have one reason for both


class ScanRefused(InputRefused, ValueError):
    """A pickle that names or does something that is not on the allow-list."""


class HostileFile(ScanRefused):
    """A pickle that names what runs programs, opens files or reaches the network."""


class ScanMalformed(InputRefused, ValueError):
    """Not a pickle or joblib file, or a broken one."""


class UntrustedTypeError(InputRefused, TypeError):
    """A class or function that is not on the allow-list and not trusted by the configuration."""


class LimitError(QuantizationError, ValueError):
    """Larger, deeper or longer than the limits allow."""


class ArtifactError(QuantizationError, ValueError):
    """A `.qma` file that cannot be used."""


class FormatError(ArtifactError):
    """The file breaks the grammar of the format."""


class VersionError(ArtifactError):
    """A format version that this code does not read."""


class CodecError(ArtifactError):
    """An unknown codec, or bytes that do not decode."""


class IntegrityError(ArtifactError):
    """A hash does not match the bytes."""


class SignatureError(ArtifactError):
    """A required signature is missing, or does not verify."""


class SemanticError(ArtifactError):
    """Well-formed, but the values are impossible (an index out of range, a NaN scale)."""


class EnvironmentMismatch(ArtifactError):
    """The artifact needs another version of a library than the one installed."""


class MissingMethod(EnvironmentMismatch, AttributeError):
    """A method that the installed version of the model's library does not have."""


class WorkerError(QuantizationError, RuntimeError):
    """The child process that loads models."""


class WorkerCrashed(WorkerError):
    """The child process died before it answered."""

    @property
    def is_native(self) -> bool:
        """Whether native code crashed, as it will again on the same file.

        Otherwise something outside ended the process: the system, for lack of memory, or a person.
        """
        return self.got.startswith(_NATIVE_SIGNALS)


class WorkerTimeout(WorkerError, TimeoutError):
    """The child process was stopped at its time limit."""


class ModelError(QuantizationError):
    """A model that cannot be quantized as requested."""


class UnsupportedComponent(ModelError, TypeError):
    """An object inside the model that cannot be represented as data."""


class SchemeError(ModelError, ValueError):
    """An array that does not tolerate the requested scheme."""


class UnfittedModel(ModelError, ValueError):
    """An estimator that was never fitted."""


class DroppedAttribute(ModelError, AttributeError):
    """State of training that the artifact does not keep."""


class FittedModel(ModelError, AttributeError):
    """A change of a model that is fitted for good."""


class PredictionError(ModelError, ValueError):
    """A model whose answers cannot be used: it fails, or gives NaN."""


class HeldOutError(QuantizationError, ValueError):
    """Evaluation or calibration data that cannot be used."""


class ConfigError(QuantizationError, ValueError):
    """A configuration that cannot be used."""


class StorageError(QuantizationError, OSError):
    """Object storage that cannot be reached, or that refuses a request."""


class MissingExtra(QuantizationError, ImportError):
    """A call that needs libraries of an extra that is not installed."""


class ReleaseError(QuantizationError, RuntimeError):
    """Publishing a release, or serving from one."""


class ReleaseLocked(ReleaseError):
    """Another run is writing to the same output directory."""


class FallbackRefused(ReleaseError):
    """The original is not the file that the release pinned, so it is not served either."""


def _tree(root: type[QuantizationError]) -> dict[str, type[QuantizationError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


def error_from_record(name: str, fields: dict[str, str]) -> QuantizationError:
    """The error that a record from another process describes.

    An unknown name gives a plain `QuantizationError`: a record is data and never picks code to run.
    """
    return _tree(QuantizationError).get(name, QuantizationError)(**fields)
