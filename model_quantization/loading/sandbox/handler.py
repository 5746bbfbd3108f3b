"""A function that a child process runs: it takes one record and gives another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_type_hints

from model_quantization.errors import FormatError, WorkerError
from model_quantization.records import Record

Request = TypeVar("Request", bound=Record)
Reply = TypeVar("Reply", bound=Record)


class Handler(Generic[Request, Reply]):
    """A module-level function that children may be asked to run.

    Use it as a decorator. The types of the request and of the reply are those of the function's
    annotations, so that the parent, the wire and the child share one spelling.

    Attributes
    ----------
    function : callable
        The function itself: a request in, a reply out.
    name : str
        `module:function`, by which the child finds it.
    """

    def __init__(self, function: Callable[[Request], Reply]) -> None:
        self.function = function
        self.name = f"{function.__module__}:{function.__qualname__}"
        self.__doc__ = function.__doc__

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run in the child: JSON values in, JSON values out."""
        hints = get_type_hints(self.function)
        kind: type[Request] = next(hints[name] for name in hints if name != "return")
        return self.function(kind.from_json(request)).to_wire()

    def read_reply(self, answer: dict[str, Any]) -> Reply:
        """Return what a child answered, which may have been taken over by what it loaded.

        Raises
        ------
        WorkerError
            The answer is not a reply of this handler.
        """
        kind: type[Reply] = get_type_hints(self.function)["return"]
        try:
            return kind.from_json(answer)
        except FormatError as error:
            raise WorkerError(
                "the child's reply is malformed",
                where=self.name,
                got=error.got,
                do="do not use this file: what loaded it was taken over, or is broken",
            ) from error
