"""No state that passes its checks ends the process, for any estimator."""

from __future__ import annotations

import pytest

from model_quantization.errors import SemanticError
from tests.attacks import mutations
from tests.attacks.mutations import crashes
from tests.estimators.fitted import estimator_names, fitted

# Every kind of native code that reads fitted state.
QUICK = ("CountVectorizer", "DictVectorizer", "DecisionTreeRegressor", "KMeans", "SVC")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", QUICK)
def test_changed_state_is_refused_or_harmless(name: str) -> None:
    one = fitted(name)
    tally = crashes(one.model, one.rows)
    assert tally.crashed == []
    # Some changes are refused and some are harmless: checks that say one thing only are none.
    assert tally.refused > 0.05 * tally.asked
    assert tally.answered > 0.05 * tally.asked


def test_a_check_that_refuses_everything_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise SemanticError("refused")

    monkeypatch.setattr(mutations, "restore", refuse)
    one = fitted("KMeans")
    with pytest.raises(AssertionError, match="does not answer"):
        mutations.crashes(one.model, one.rows)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(set(estimator_names()) - set(QUICK)))
def test_changed_state_of_every_estimator(name: str) -> None:
    one = fitted(name)
    assert crashes(one.model, one.rows).crashed == []
