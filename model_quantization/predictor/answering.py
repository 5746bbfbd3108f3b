"""The public methods of a quantized model: fast ones, and those of the restored estimator."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from model_quantization.errors import EnvironmentMismatch, SemanticError
from model_quantization.extras import MODULES, need
from model_quantization.families.lowered import options_of
from model_quantization.graph.values import MISFITS
from model_quantization.predictor.input_rows import InputAdapter

_JOBS = "n_jobs : int or None: threads for a large batch, counted as joblib counts."
_TEXTS = {
    "predict": "Return the label or value of each row.",
    "predict_proba": "Return the probability of each class, one row per row of the input.",
    "predict_log_proba": "Return the logarithms of `predict_proba`.",
    "predict_joint_log_proba": "Return the joint log-probability of each row and class.",
    "decision_function": "Return the scores that decide, one row per row of the input.",
    "score_samples": "Return the score of each row.",
    "transform": "Return the rows transformed.",
    "inverse_transform": "Return the rows before they were transformed.",
    "score": "Return the score of the model on rows and targets.",
    "apply": "Return the leaf that each row reaches in each tree.",
}


def restored_method(
    type_name: str, name: str, original: Callable[[], Any], saved_by: str = ""
) -> Callable[..., Any]:
    """A method that the restored estimator answers.

    Parameters
    ----------
    type_name : str
        Class of the original, `module:qualname`.
    name : str
        The method.
    original : callable
        Returns the restored estimator.
    saved_by : str, optional
        The version of scikit-learn that saved the model's state.
    """

    def restored(*args: Any, **options: Any) -> Any:
        try:
            return getattr(original(), name)(*args, **options)
        except AttributeError as error:
            from model_quantization.loading.pickles.migrations.steps import installed_version

            if saved_by in ("", installed_version()):
                raise
            raise _mismatch(name, type_name, saved_by, installed_version(), error) from error

    return _named(restored, type_name, name, "Answered by the restored estimator.", None)


def _mismatch(
    name: str, type_name: str, saved_by: str, installed: str, error: AttributeError
) -> EnvironmentMismatch:
    return EnvironmentMismatch(
        f"{name} cannot be answered by the installed libraries",
        where=type_name,
        expected=f"scikit-learn {saved_by} and the libraries of its time",
        got=f"scikit-learn {installed}: {error}",
        do="install the versions that the artifact names, or quantize the original here",
    )


def fast_method(
    type_name: str,
    name: str,
    fast: Callable[..., Any],
    adapter: InputAdapter,
    restored: Callable[..., Any],
    argument: str,
    where: str = "",
) -> Callable[..., Any]:
    """A method that a fast predictor answers; unusual calls go to the restored estimator.

    Parameters
    ----------
    type_name, name
        As in `restored_method`.
    fast : callable
        The predictor's function of prepared rows.
    adapter : InputAdapter
    restored : callable
        The same method of the restored estimator.
    argument : str
        Name of the original's first argument: `X`, or `raw_documents` of vectorizers.
    where : str, optional
        Path of the model, for messages.
    """
    frames = _frames_are_configured if name == "transform" else None
    known = options_of(fast)

    def answer(*args: Any, n_jobs: int | None = None, **options: Any) -> Any:
        given = args
        if not args and argument in options:
            given = (options[argument],)
            asked = {name: value for name, value in options.items() if name != argument}
        else:
            asked = options
        if len(given) != 1 or (asked and not asked.keys() <= known):
            return restored(*args, **options)
        X = given[0]
        if not (frames and frames()):
            rows = adapter.rows(X)
            if rows is not None:
                try:
                    if asked:
                        result = fast(rows, **asked)
                    else:
                        result = fast(rows) if n_jobs is None else _in_threads(fast, rows, n_jobs)
                except FloatingPointError:
                    raise  # the caller's `numpy.errstate` asks for this error
                except ModuleNotFoundError as error:
                    need(
                        f"{name} of this model",
                        *(module for module in MODULES if module == error.name),
                    )
                    raise
                except MISFITS as error:
                    raise _misfit(name, where, error) from error
                if result is not None:
                    adapter.warn_unnamed(X)
                    return result
        return restored(*args, **options)

    text = f"Answered by a fast predictor; the restored estimator answers unusual input.\n\n{_JOBS}"
    return _named(answer, type_name, name, text, argument)


def _misfit(name: str, where: str, error: Exception) -> SemanticError:
    """Return the error of a predictor that failed: only inconsistent arrays make it fail."""
    return SemanticError(
        f"{name} cannot be answered: stored values do not fit each other",
        where=where or "model",
        got=f"{type(error).__name__}: {error}"[:200],
        do="quantize the original again",
    )


def _named(
    method: Callable[..., Any], type_name: str, name: str, how: str, argument: str | None
) -> Callable[..., Any]:
    """Give the method the original's name, docstring and signature, as far as known."""
    method.__name__ = name
    method.__qualname__ = f"QuantizedModel.{name}"
    known = _original_method(type_name, name)
    text = (known.__doc__ if known is not None else "") or _TEXTS.get(name, "")
    # The result comes first, as in every docstring, and the predictor last.
    method.__doc__ = f"{inspect.cleandoc(text)}\n\n{how}" if text else how
    signature = _own_signature(argument) if argument else None
    if known is not None:
        signature = _signature_of(known, with_jobs=argument is not None) or signature
    if signature is not None:
        method.__signature__ = signature  # type: ignore[attr-defined]  # `inspect` looks for it
    return method


def attributes_of_class(type_name: str) -> set[str]:
    """Public properties of the original's class, as far as they are known; no methods."""
    cls = _original_class(type_name)
    names = {name for name in dir(cls) if not name.startswith("_")} if cls is not None else set()
    return {name for name in names if isinstance(inspect.getattr_static(cls, name), property)}


def _original_class(type_name: str) -> type | None:
    """The original's class if its module is imported already, else None."""
    module, _, qualname = type_name.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _original_method(type_name: str, name: str) -> Any:
    cls = _original_class(type_name)
    return inspect.getattr_static(cls, name, None) if cls is not None else None


def _signature_of(method: Any, *, with_jobs: bool) -> inspect.Signature | None:
    """The signature without `self`; None for a callable whose signature cannot be read."""
    # scikit-learn wraps a method that depends on parameters in a descriptor.
    method = getattr(method, "fn", method)
    try:
        own = list(inspect.signature(method).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    rest = [each for each in own if each.kind is each.VAR_KEYWORD]
    named = [each for each in own if each.kind is not each.VAR_KEYWORD]
    if with_jobs and not any(each.name == "n_jobs" for each in named):
        named.append(_JOBS_PARAMETER)
    return inspect.Signature([*named, *rest])


_JOBS_PARAMETER = inspect.Parameter("n_jobs", inspect.Parameter.KEYWORD_ONLY, default=None)


@cache
def _own_signature(argument: str) -> inspect.Signature:
    first = inspect.Parameter(argument, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rest = inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([first, _JOBS_PARAMETER, rest])


def _in_threads(fast: Callable[..., Any], rows: Any, n_jobs: int) -> Any:
    """The answer of a fast predictor, in several threads where it supports them."""
    takes = "n_jobs" in inspect.signature(fast).parameters
    return fast(rows, n_jobs=n_jobs) if takes else fast(rows)


def _frames_are_configured() -> bool:
    """Whether `sklearn.set_config` asks every `transform` for frames."""
    sklearn = sys.modules.get("sklearn")
    return sklearn is not None and sklearn.get_config()["transform_output"] != "default"
