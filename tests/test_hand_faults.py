"""Each fault of `hand_faults` can still be put in; `make mutants` does so, and a test must fail."""

from __future__ import annotations

import pytest

from tests.hand_faults import FAULTS, ROOT, HandFault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_code_that_a_fault_changes_is_there_once(fault: HandFault) -> None:
    text = (ROOT / fault.path).read_text("utf-8")
    assert text.count(fault.old) == 1
    assert fault.old != fault.new
    assert all((ROOT / name).is_file() for name in fault.tests)


def test_no_fault_is_named_twice() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
