"""The allow-list: exact names, kept apart by what a pickle may do with them."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from model_quantization import trust
from model_quantization.errors import ConfigError, EnvironmentMismatch, UntrustedTypeError
from model_quantization.trust import TrustPolicy, parse_allowed_names

LOGISTIC = "sklearn.linear_model._logistic:LogisticRegression"
DATA = Path(trust.__file__).with_name("allowed_names.txt").read_text()


@pytest.fixture
def policy() -> TrustPolicy:
    return TrustPolicy()


def test_a_listed_class_is_allowed_and_resolved(policy: TrustPolicy) -> None:
    from sklearn.linear_model import LogisticRegression

    policy.check(LOGISTIC, "model")
    assert policy.resolve_class(LOGISTIC, "model") is LogisticRegression


@pytest.mark.parametrize(
    "name",
    [
        "os:system", "posix:system", "builtins:eval", "builtins:getattr", "numpy:load",
        "sklearn.linear_model._logistic:logisticregression", LOGISTIC + ".fit",
        "sklearn.datasets._base:os.system", "joblib.memory:Memory", "numpy:memmap",
        "operator:methodcaller",
        "scipy.stats._distn_infrastructure:rv_generic", "", ":", "os", "copyreg",
    ],
)  # fmt: skip
def test_anything_else_is_refused(policy: TrustPolicy, name: str) -> None:
    assert not policy.allows(name)
    assert not policy.allows_in_pickle(name)
    with pytest.raises(UntrustedTypeError):
        policy.resolve_name(name, "model")


def test_the_refusal_says_how_to_trust(policy: TrustPolicy) -> None:
    with pytest.raises(UntrustedTypeError) as caught:
        policy.check("my_package.text:Cleaner", "pipeline/clean")
    assert str(caught.value) == (
        "pipeline/clean: my_package.text:Cleaner is not on the allow-list; if you wrote "
        "my_package.text:Cleaner or know that it is harmless, add it to `trusted: "
        "['my_package.text:Cleaner']` in the configuration or to the `trusted=` argument; "
        "otherwise do not open this file."
    )


def test_a_name_of_the_configuration_is_trusted_for_everything() -> None:
    policy = TrustPolicy(frozenset({"fractions:Fraction"}))
    assert policy.resolve_class("fractions:Fraction", "model").__name__ == "Fraction"
    assert policy.may_make("fractions:Fraction")
    assert policy.may_call("fractions:Fraction")
    assert not TrustPolicy().allows("fractions:Fraction")


@pytest.mark.parametrize("name", ["Cleaner", "my package:Cleaner", "a:b:c", ":x", "a.b:", "*:*"])
def test_a_trusted_name_must_be_spelt_out(name: str) -> None:
    with pytest.raises(ConfigError, match="module:qualname"):
        TrustPolicy(frozenset({name}))


def test_a_function_is_no_class(policy: TrustPolicy) -> None:
    assert callable(policy.resolve_name("numpy:log1p", "model"))
    with pytest.raises(UntrustedTypeError, match="expected a class, got ufunc"):
        policy.resolve_class("numpy:log1p", "model")


def test_a_listed_name_that_is_not_installed_says_so(
    policy: TrustPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "sklearn.neighbors._kd_tree:KDTree16"
    monkeypatch.setattr(TrustPolicy, "allows", lambda policy, name: True)
    with pytest.raises(EnvironmentMismatch, match="install the version of sklearn") as caught:
        policy.resolve_class(old, "model/loss_")
    assert "does not exist here" in str(caught.value)


def test_what_is_read_as_data_is_named_in_pickles_only(policy: TrustPolicy) -> None:
    for name in parse_allowed_names(DATA)["read as data"]:
        assert policy.allows_in_pickle(name)
        assert not policy.allows(name)
        assert not policy.is_value(name)
        with pytest.raises(UntrustedTypeError):
            policy.resolve_class(name, "an artifact")


def test_a_trusted_package_that_is_not_installed_says_so() -> None:
    policy = TrustPolicy(frozenset({"no_such_package:Thing"}))
    with pytest.raises(EnvironmentMismatch, match="not installed"):
        policy.resolve_name("no_such_package:Thing", "model")


@pytest.mark.parametrize(
    "name",
    ["copyreg:_reconstructor", "numpy._core.multiarray:_reconstruct", "_codecs:encode",
     "functools:partial", "joblib.numpy_pickle:NumpyArrayWrapper"],
)  # fmt: skip
def test_reconstructors_are_names_of_pickles_only(policy: TrustPolicy, name: str) -> None:
    assert policy.allows_in_pickle(name)
    assert not policy.allows(name)


def test_values_are_neither_made_nor_called(policy: TrustPolicy) -> None:
    names = parse_allowed_names(DATA)
    for name in names["values"]:
        assert policy.allows(name)
        assert not policy.may_make(name)
        assert not policy.may_call(name)


def test_classes_that_are_made_empty_are_not_called(policy: TrustPolicy) -> None:
    assert not any(policy.may_call(name) for name in parse_allowed_names(DATA)["classes"])


@pytest.mark.filterwarnings("ignore")
def test_every_listed_class_is_a_class_and_none_runs_source_text(policy: TrustPolicy) -> None:
    from scipy.stats._distn_infrastructure import rv_frozen, rv_generic

    names = parse_allowed_names(DATA)
    missing = 0
    for name in names["classes"] | names["called classes"] | names["array types"]:
        if not policy.allows(name):
            continue
        try:
            cls = policy.resolve_class(name, "list")
        except EnvironmentMismatch:
            missing += 1
            continue
        assert not issubclass(cls, rv_generic | rv_frozen), name
        source = inspect.getsource(cls.__setstate__) if _python_setstate(cls) else ""
        assert "exec(" not in source, name
        assert "eval(" not in source, name
    assert missing < 100  # old homes of classes; most names exist


def _python_setstate(cls: type) -> bool:
    return inspect.isfunction(getattr(cls, "__setstate__", None))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:b", "line 1"),
        ("[classes]\nab", "line 2"),
        ("[classes]\na:b\na:b", "line 3"),
        ("[classes]\na:b\n[values]\na:b", "line 4"),
        ("[anything]", "no heading"),
    ],
)
def test_the_list_has_a_grammar(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_allowed_names(text)


@pytest.mark.slow
def test_the_list_has_all_that_this_scikit_learn_needs() -> None:
    tool = Path(__file__).with_name("collect_names.py")
    done = subprocess.run([sys.executable, tool], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
