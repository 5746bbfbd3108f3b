"""`model-quantization profile`, and the options of `auto` on the command line."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from model_quantization.commands.application import main
from model_quantization.report.page.evidence import view_model
from model_quantization.report.page.precision_picture import draw_curve, draw_precision
from model_quantization.report.precision import (
    CURVE_HEAD,
    chosen_plan,
    curve_rows,
    precision_word,
    profile_lines,
    sensitivity_rows,
)
from tests.report.made import make_outcome

ROWS, LABELS = make_classification(
    2600, 120, n_informative=20, n_classes=3, class_sep=3.0, flip_y=0, random_state=0
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profile")
    model = LogisticRegression(max_iter=300).fit(ROWS[:300], LABELS[:300])
    (folder / "churn.pkl").write_bytes(pickle.dumps(model))
    np.savez(folder / "churn.npz", X=ROWS[300:1500], target=LABELS[300:1500])
    np.savez(folder / "churn.calibration.npz", X=ROWS[1500:])
    return folder


def test_profile_prints_and_draws_and_keeps_no_artifact(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in shop.iterdir())
    rows = ["--held-out", str(shop / "churn.npz")]
    calibration = ["--calibration", str(shop / "churn.calibration.npz")]
    picture = shop / "curve.svg"
    code = main(
        ["profile", str(shop / "churn.pkl"), *rows, *calibration, "--picture", str(picture)]
    )
    out = capsys.readouterr().out
    assert code == 0
    assert "1,200 judge" in out and "calibration file" in out
    assert "coef_" in out and "int8/channel" in out
    assert "smallest that passes" in out and "published" not in out
    table = out.split("verdict\n")[1].split("\n\n")[0].splitlines()
    assert len({line.split("  ")[0] for line in table}) == len(table)  # no two plans of one name
    assert "allowed drop: 0.005" in out
    assert picture.read_text("utf-8").startswith("<?xml")
    picture.unlink()
    assert sorted(path.name for path in shop.iterdir()) == before


def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_measured(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["profile", str(shop / "churn.pkl"), "--held-out", str(shop / "churn.npz")]
    for picture, words in (
        (tmp_path / "curve.xyz", "a picture of this kind is not drawn"),
        (tmp_path / "nowhere" / "curve.svg", "the picture's directory does not exist"),
    ):
        assert main([*arguments, "--picture", str(picture)]) == 2
        told = capsys.readouterr()
        assert words in told.err and not told.out


def test_profile_as_json_and_within_a_budget(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["profile", str(shop / "churn.pkl"), "--held-out", str(shop / "churn.npz")]
    code = main([*arguments, "--max-bytes", "2600", "--time-budget", "0.2", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert code == 0 and record["verdict"] in ("non_inferior", "label_exact", "fallback")
    assert record["precision"]["budget_bytes"] == 2600
    assert len(record["precision"]["plans"]) == 1 and record["precision"]["cut"]


def test_labelled_training_rows_beside_the_held_out_ones_train_weights(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "churn.npz").write_bytes((shop / "churn.npz").read_bytes())
    rows = np.concatenate([ROWS[1500:], ROWS[300:500]])  # the last 200 are held-out rows as well
    labels = np.concatenate([LABELS[1500:], LABELS[300:500]])
    np.savez(tmp_path / "churn.refit.npz", X=rows, target=labels)
    where = ["--held-out", str(tmp_path), "--output-dir", str(tmp_path)]
    base = ["quantize", str(shop / "churn.pkl"), *where, "--bit-depth", "auto"]
    assert main([*base, "--time-budget", "0.15", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["evaluation"]["precision"]
    division = found["division"]
    assert division["source"] == "training rows" and division["gate"] == 1200
    assert found["training_rows"] == 1100 - division["selection"]
    (tier,) = (line for line in found["refits"] if " plans" in line and "labelled" in line)
    assert tier.startswith(f"trained on {found['training_rows']:,} labelled rows: nearer for ")
    missing = ["--refit-rows", str(tmp_path / "nowhere.npz")]
    assert main([*base, *missing]) != 0
    assert "the training rows do not exist" in capsys.readouterr().err


def test_quantize_takes_the_options_of_auto(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--held-out", str(shop), "--output-dir", str(tmp_path)]
    base = ["quantize", str(shop / "churn.pkl"), *where, "--bit-depth", "auto"]
    assert main([*base, "--target-ratio", "1.6", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["status"] == "published"
    assert record["original_size_bytes"] >= 1.6 * record["quantized_size_bytes"]
    # The file beside the held-out rows is found by its name.
    division = record["evaluation"]["precision"]["division"]
    assert division["source"] == "calibration file"
    code = main(["quantize", str(shop / "churn.pkl"), "--max-bytes", "100"])
    assert (
        code != 0
        and "--max-bytes: cannot be used; expected --bit-depth auto" in capsys.readouterr().err
    )
    code = main(["quantize", str(shop), "--calibration", str(shop / "churn.npz")])
    assert code != 0 and "with a single model only" in capsys.readouterr().err


def figures() -> dict[str, object]:
    plans = [
        {
            "precision": "16",
            "size_bytes": 9000,
            "distortion": {"value": 1e-9},
            "loss_bound": 0.001,
            "judged": {"published": True, "size_bytes": 9100, "loss_bound": 0.002, "reason": ""},
        },
        {
            "precision": "3-7",
            "size_bytes": 3000,
            "distortion": {"value": 0.01},
            "loss_bound": None,
            "judged": {
                "published": False,
                "size_bytes": 3100,
                "loss_bound": 0.01,
                "reason": "ranking",
            },
        },
        {"precision": "2", "size_bytes": 2000, "distortion": {"value": 1.0}, "loss_bound": None},
    ]
    points = [{"level": "int8/channel", "saved_bytes": 4000, "distortion": 1e-4}]
    return {
        "plans": plans,
        "curve": plans,
        "sensitivities": [{"component": "steps/clf", "part": "coef_", "points": points}],
        "exact_bytes": 20_000,
        "allowed_drop": 0.005,
        "budget_bytes": 5000,
        "cut": ["coef_: int2/channel"],
        "refits": ["errors compensated: distortion 1 -> 0.5 at 10 bytes"],
    }


def test_the_curve_says_what_was_judged_and_chosen() -> None:
    assert chosen_plan(figures()) == 0
    words = [row[-1] for row in curve_rows(figures())]
    assert words == ["published", "stopped: ranking", "not reached"]
    assert curve_rows(figures())[1][0] == "3-7 bits" and len(CURVE_HEAD) == 6
    assert sensitivity_rows(figures()) == [("steps/clf/coef_", "int8/channel", "4.0 KB", "0.0001")]
    text = "\n".join(profile_lines(figures()))
    for piece in ("budget: 5.0 KB", "not measured, for the time budget", "solved again: errors"):
        assert piece in text
    assert precision_word("exact") == "exact"
    assert "smallest that passes" in text and "about 2.1 KB" in text and "9.1 KB" in text


def test_plans_of_one_precision_are_told_apart_and_reasons_are_words() -> None:
    judged = {"published": False, "size_bytes": 900, "reason": "rank_correlation"}
    plans = [
        {"precision": "5", "levels": {"a": "int5/array", "b": "int5"}, "judged": judged},
        {"precision": "5", "levels": {"a": "4.5 bits/array", "b": "int5"}},
        {"precision": "4", "levels": {"a": "int4", "b": "int4"}},
    ]
    rows = curve_rows({"plans": plans})
    assert [row[0] for row in rows] == ["5 bits (int5/array)", "5 bits (4.5 bits/array)", "4 bits"]
    assert rows[0][-1] == "stopped: rank correlation"


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_picture_is_the_same_each_time(tmp_path: Path, ending: str) -> None:
    for name in ("a", "b"):
        draw_curve(figures(), tmp_path / f"{name}.{ending}")
    first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("a", "b"))
    assert first == second and len(first) > 1000


def test_the_page_shows_the_curve_and_the_sensitivity() -> None:
    from dataclasses import replace

    from model_quantization.report.table import table_rows

    outcome = make_outcome("churn")
    evaluation = {**outcome.evaluation, "precision": figures()}
    outcome = replace(outcome, bit_depth="3-7", evaluation=evaluation)
    (cells,) = table_rows([outcome])
    view = view_model(0, outcome, cells)
    titles = [grid.title for grid in view.grids]
    assert "Bytes against loss" in titles and "Sensitivity of parts, each alone" in titles
    assert cells["bits"] == "3-7"
    (picture,) = view.pictures
    assert picture.key == "precision-0" and picture.svg.startswith("<svg")
    for piece in ("allowed drop", "budget", "steps/clf/coef_, int8/channel: 4.0 KB saved"):
        assert piece in picture.svg
    assert [key.word for key in picture.legend] == ["steps/clf/coef_"]
    assert "9.1 KB were published" in picture.alt
    assert not view_model(0, outcome, cells, draws=False).pictures
    assert draw_precision({"plans": []}, "empty") is None
    assert next(cell for cell in view.cells if cell.text == "3-7").key == "7"
