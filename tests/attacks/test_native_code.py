"""No state that passes its checks takes the process down, whatever estimator it is of."""

from __future__ import annotations

import pytest

from tests.attacks.mutations import crashes
from tests.estimators.fitted import estimator_names, fitted

# Every kind of native code that reads fitted state.
QUICK = ("CountVectorizer", "DictVectorizer", "DecisionTreeRegressor", "KMeans", "SVC")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", QUICK)
def test_changed_state_is_refused_or_harmless(name: str) -> None:
    one = fitted(name)
    assert crashes(one.model, one.rows) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(set(estimator_names()) - set(QUICK)))
def test_changed_state_of_every_estimator(name: str) -> None:
    one = fitted(name)
    assert crashes(one.model, one.rows) == []
