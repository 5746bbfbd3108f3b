"""Rows in three parts that share no row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_quantization.errors import HeldOutError
from model_quantization.evaluation.rows.division import (
    CALIBRATION_SHARE,
    FEWEST_TO_DIVIDE,
    MOST_CALIBRATED,
    MOST_SELECTED,
    MOST_TRAINED,
    SELECTION_SHARE,
    DividedRows,
    divide,
    divide_calibration,
    places,
    training_rows,
)
from model_quantization.evaluation.rows.heldout import HeldOut, hash_rows, read_held_out


def held_out(count: int, seed: int = 0) -> HeldOut:
    rows = np.random.default_rng(seed).normal(size=(count, 3))
    return HeldOut(Path(f"rows{seed}.npz"), "", rows, np.arange(count) % 2, hash_rows(rows))


def parts(divided: DividedRows) -> list[HeldOut]:
    return [part for part in (divided.calibration, divided.selection, divided.gate) if part]


def test_parts_share_no_row_and_leave_none_out() -> None:
    rows = held_out(5000)
    found = parts(divide(rows))
    assert len(found) == 3
    hashes = np.concatenate([part.row_hashes for part in found])
    assert len(np.unique(hashes)) == len(hashes) == len(rows)
    for part in found:  # rows, targets and hashes still belong together
        np.testing.assert_array_equal(hash_rows(part.rows), part.row_hashes)


def test_shares_are_about_as_said() -> None:
    division = divide(held_out(5000)).division
    assert abs(division.selection - 5000 * SELECTION_SHARE) < 120
    assert abs(division.calibration - 5000 * CALIBRATION_SHARE) < 90
    assert division.gate + division.selection + division.calibration == 5000
    large = divide(held_out(40_000)).division
    assert abs(large.selection - MOST_SELECTED) < 200
    assert abs(large.calibration - MOST_CALIBRATED) < 150


def test_few_rows_all_go_to_the_gate() -> None:
    divided = divide(held_out(FEWEST_TO_DIVIDE - 1))
    assert divided.calibration is None and divided.selection is None
    assert divided.division.gate == FEWEST_TO_DIVIDE - 1
    copies = held_out(100).take(np.arange(6000) % 100)
    assert divide(copies).selection is None, "copies are no further rows"


def test_equal_rows_are_in_one_part_wherever_they_stand() -> None:
    rows = held_out(4000)
    order = np.random.default_rng(1).permutation(4000)
    doubled = rows.take(np.concatenate([order, order]))
    first, second = parts(divide(rows)), parts(divide(doubled))
    for one, other in zip(first, second, strict=True):
        assert set(one.row_hashes.tolist()) == set(other.row_hashes.tolist())


def test_the_place_of_a_row_is_spread_evenly_and_never_changes() -> None:
    found = places(hash_rows(np.arange(100_000.0)[:, None]))
    assert found.min() >= 0 and found.max() < 1
    counts = np.histogram(found, bins=10, range=(0, 1))[0]
    assert np.abs(counts - 10_000).max() < 400
    np.testing.assert_allclose(
        places(np.array([0, 1, 2**63], dtype=np.uint64)),
        [0.5079605879681605, 0.007171886040521658, 0.9205580077582041],
    )


def test_a_calibration_file_spares_the_gate() -> None:
    gate = held_out(1000)
    divided = divide_calibration(held_out(6000, seed=1), gate)
    assert divided.gate is gate and divided.source == "calibration file"
    assert divided.calibration is not None and divided.selection is not None
    assert not np.isin(divided.calibration.row_hashes, divided.selection.row_hashes).any()
    assert len(divided.calibration) < 1200 and len(divided.selection) < 2300


def test_a_row_in_both_files_stays_with_the_gate() -> None:
    gate = held_out(1000)
    other = held_out(500, seed=1)
    both = other.take(np.arange(500))
    mixed_rows = np.concatenate([both.rows, gate.rows[:300]])
    mixed = HeldOut(Path("c.npz"), "", mixed_rows, None, hash_rows(mixed_rows))
    divided = divide_calibration(mixed, gate)
    for part in (divided.calibration, divided.selection):
        assert part is not None and not np.isin(part.row_hashes, gate.row_hashes).any()
    with pytest.raises(HeldOutError, match="every calibration row is also a held-out row"):
        divide_calibration(gate, gate)


def test_parts_are_the_same_in_every_format(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3500, 2)).round(6)
    target = np.arange(3500) % 2
    np.savez(tmp_path / "a.npz", X=rows, target=target)
    lines = [f"{a!r},{b!r},{t}" for (a, b), t in zip(rows.tolist(), target.tolist(), strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["a,b,target", *lines]), "utf-8")
    first, second = (divide(read_held_out(tmp_path / name)) for name in ("a.npz", "a.csv"))
    assert first.division == second.division
    np.testing.assert_array_equal(first.gate.row_hashes, second.gate.row_hashes)


def test_no_row_that_chooses_or_judges_is_trained_on() -> None:
    rows = held_out(6000)
    divided = divide(rows.take(range(4000)))
    found = training_rows(rows, divided)
    assert found is not None and divided.selection is not None and divided.calibration is not None
    for part in (divided.gate, divided.selection):
        assert not np.isin(found.row_hashes, part.row_hashes).any()
    assert len(found) == 2000 + len(divided.calibration)
    assert training_rows(divided.gate, divided) is None
    other = divide_calibration(rows, divided.gate, "training rows")
    assert other.source == "training rows"


def test_training_rows_are_bounded_and_the_same_in_any_order() -> None:
    rows, gate = held_out(MOST_TRAINED + 500, seed=3), held_out(50, seed=4)
    found = training_rows(rows, DividedRows(None, None, gate))
    turned = training_rows(rows.take(range(len(rows))[::-1]), DividedRows(None, None, gate))
    assert found is not None and turned is not None and len(found) == MOST_TRAINED
    np.testing.assert_array_equal(np.sort(found.row_hashes), np.sort(turned.row_hashes))
