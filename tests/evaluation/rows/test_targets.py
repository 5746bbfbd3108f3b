"""Targets in the form of the model's classes, and files in the form of the model."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from model_quantization.errors import HeldOutError
from model_quantization.evaluation.readings import as_text_like
from model_quantization.evaluation.rows.expected import ExpectedRows, Labels, ask_model
from model_quantization.evaluation.rows.heldout import HeldOut, read_held_out

N = 40
ROWS = np.random.default_rng(0).normal(size=(N, 3))
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])
TEXTS = [f"word{i % 7} and word{i % 3}" for i in range(N)]


def classes(kind: Any, *values: Any) -> ExpectedRows:
    return ExpectedRows("classification", classes=(Labels(kind, values),))


def write(directory: Path, targets: Any, suffix: str, frame: pd.DataFrame = FRAME) -> Path:
    path = directory / f"m{suffix}"
    table = frame.assign(target=list(targets))
    if suffix == ".parquet":
        table.to_parquet(path)
    elif suffix == ".npz":
        np.savez(path, X=frame.to_numpy(), y=np.asarray(targets))
    else:
        table.to_csv(path, index=False)
    return path


def read(path: Path, expected: ExpectedRows) -> HeldOut:
    return read_held_out(path, expected=expected)


# --- targets that are classes, however the file holds them ----------------------------------

FORMS = {
    "zero-padded text": (("text", "01", "02"), ["01", "02"], [".csv", ".parquet", ".npz"]),
    "text like booleans": (("text", "true", "false"), ["true", "false"], [".csv", ".parquet"]),
    "text in exponents": (("text", "1e2", "2e2"), ["1e2", "2e2"], [".csv", ".parquet", ".npz"]),
    "text like a gap": (("text", "NA", "null"), ["NA", "null"], [".csv", ".parquet"]),
    "text from numbers": (("text", "0", "1"), [0, 1], [".parquet", ".npz", ".csv"]),
    "text from floats": (("text", "0", "1"), [0.0, 1.0], [".parquet", ".npz"]),
    "text from booleans": (("text", "True", "False"), [True, False], [".parquet", ".csv"]),
    "whole numbers": (("number", 1, 2), [1, 2], [".csv", ".parquet", ".npz"]),
    "numbers as floats": (("number", 1, 2), [1.0, 2.0], [".csv", ".parquet", ".npz"]),
    "numbers as text": (("number", 1, 2), ["1", "2"], [".csv", ".parquet", ".npz"]),
    "numbers with blanks": (("number", 1, 2), [" 1", "2 "], [".csv", ".parquet"]),
    "numbers as decimals": (("number", 1, 2), [Decimal(1), Decimal(2)], [".parquet"]),
    "fractions as decimals": (("number", 0.5, 1.5), [Decimal("0.5"), Decimal("1.5")], [".parquet"]),
    "numbers from booleans": (("number", 1, 0), [True, False], [".parquet", ".npz"]),
    "booleans": (("boolean", True, False), [True, False], [".csv", ".parquet", ".npz"]),
    "booleans in lower case": (("boolean", True, False), ["true", "false"], [".csv", ".parquet"]),
    "booleans as numbers": (("boolean", True, False), [1, 0], [".csv", ".parquet", ".npz"]),
}


@pytest.mark.parametrize(
    ("form", "suffix"),
    [(form, suffix) for form, (_, _, kinds) in FORMS.items() for suffix in kinds],
)
def test_a_target_has_the_form_of_the_classes(tmp_path: Path, form: str, suffix: str) -> None:
    (kind, *known), pair, _ = FORMS[form]
    found = read(write(tmp_path, pair * (N // 2), suffix), classes(kind, *known))
    assert found.target is not None
    assert found.target.tolist() == list(known) * (N // 2)
    assert found.target.dtype.kind in {"text": "U", "boolean": "b", "number": "if"}[kind]
    assert found.target.dtype != object
    assert found.target_notes == ()


MISSPELLED = {
    "zeros were lost": (("text", "01", "02"), [1, 2], "remove|as the model spells them, such as"),
    "trailing blanks": (("text", "a", "b"), ["a ", "b "], "remove the blanks around"),
    "another case": (("text", "Yes", "No"), ["yes", "no"], "upper and lower case"),
    "booleans for text": (("text", "true", "false"), [True, False], "upper and lower case"),
    "other words": (("text", "spam", "ham"), ["1", "0"], "that the model was trained on"),
    "words for numbers": (("number", 0, 1), ["no", "yes"], "that the model was trained on"),
    "other numbers": (("number", 1, 2), [0, 3], "that the model was trained on"),
    "two for a boolean": (("boolean", True, False), [2, 3], "that the model was trained on"),
}


@pytest.mark.parametrize("case", MISSPELLED)
@pytest.mark.bad_input(50)
def test_targets_that_are_no_classes_name_both_spellings(tmp_path: Path, case: str) -> None:
    (kind, *known), pair, remedy = MISSPELLED[case]
    path = write(tmp_path, pair * (N // 2), ".parquet")
    with pytest.raises(HeldOutError, match=remedy) as raised:
        read(path, classes(kind, *known))
    message = str(raised.value)
    assert f"{N} of {N} targets are no class of the model" in message
    assert f"{path}, column target" in message
    assert f"such as {known[0]!r}" in message
    assert f"{pair[0]!r} ({N // 2} rows)" in message


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_a_tenth_may_be_labels_that_the_model_never_saw(tmp_path: Path, suffix: str) -> None:
    targets = ["x"] * 3 + ["y"] + ["a", "b"] * ((N - 4) // 2)
    found = read(write(tmp_path, targets, suffix), classes("text", "a", "b"))
    assert found.target is not None
    assert found.target.tolist() == targets
    assert found.target_notes == (
        f"4 of {N} held-out targets are no class of the model: 'x' (3 rows), 'y' (1 rows)",
    )
    with pytest.raises(HeldOutError, match="5 of 40"):
        read(write(tmp_path, ["x", *targets[:4], *targets[5:]], suffix), classes("text", "a", "b"))


def test_labels_beside_numbers_and_booleans_keep_their_spelling(tmp_path: Path) -> None:
    path = write(tmp_path, ["?", *["1", "2"] * 19, "1"], ".parquet")
    found = read(path, classes("number", 1, 2))
    assert found.target is not None
    assert found.target.tolist()[:3] == ["?", "1", "2"]


@given(
    st.lists(
        st.one_of(st.text(max_size=3), st.integers(-9, 9), st.booleans(), st.floats(-9, 9)),
        min_size=1,
        max_size=8,
    )
)
def test_every_column_is_read_or_refused_and_never_of_object_dtype(values: list[Any]) -> None:
    from model_quantization.evaluation.rows.targets import read_targets

    column = np.array([*values, None], dtype=object)[:-1]
    for kind, known in (("text", ("a", "1")), ("number", (1, 2.5)), ("boolean", (True, False))):
        try:
            made, notes = read_targets([column], ["y"], Path("m"), classes(kind, *known))
        except HeldOutError:
            continue
        assert made.shape == column.shape
        assert made.dtype != object
        labels = np.array(known)
        matched = np.isin(as_text_like(made, labels), as_text_like(labels, made))
        assert bool(notes) == (not matched.all())


def test_each_output_is_held_against_its_own_classes(tmp_path: Path) -> None:
    expected = ExpectedRows(
        "classification", classes=(Labels("text", ("01", "02")), Labels("number", (0, 1)))
    )
    frame = FRAME.assign(one=["01", "02"] * (N // 2), two=["0", "1"] * (N // 2))
    frame.to_csv(tmp_path / "m.csv", index=False)
    found = read_held_out(tmp_path / "m.csv", target=("one", "two"), expected=expected)
    assert found.target is not None
    assert found.target.tolist() == [["01", "0"], ["02", "1"]] * (N // 2)
    frame.assign(two="x").to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(HeldOutError, match="column two"):
        read_held_out(tmp_path / "m.csv", target=("one", "two"), expected=expected)


def test_indicators_of_several_labels_are_left_as_they_are(tmp_path: Path) -> None:
    expected = classes("text", "red", "green")
    frame = FRAME.assign(red=[0, 1] * (N // 2), green=1)
    frame.to_parquet(tmp_path / "m.parquet")
    found = read_held_out(tmp_path / "m.parquet", target=("red", "green"), expected=expected)
    assert found.target is not None
    assert found.target.tolist() == [[0, 1], [1, 1]] * (N // 2)


REGRESSION = ExpectedRows("regression")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_regressors_targets_are_numbers(tmp_path: Path, suffix: str) -> None:
    values = np.random.default_rng(1).normal(size=N)
    found = read(write(tmp_path, values, suffix), REGRESSION)
    assert found.target is not None
    assert np.array_equal(found.target, values), "to the last bit"
    decimals = [Decimal("0.1"), Decimal("2")] * (N // 2)
    found = read(write(tmp_path, decimals, suffix), REGRESSION)
    assert found.target is not None
    assert found.target.tolist() == [0.1, 2.0] * (N // 2)
    for wrong, remedy in (("1,5", "decimal points"), ("high", "correct them")):
        with pytest.raises(HeldOutError, match=remedy) as raised:
            read(write(tmp_path, [wrong, *map(str, values[1:])], suffix), REGRESSION)
        assert f"1 of {N} targets are no numbers" in str(raised.value)
        assert f"{wrong!r} at row 0" in str(raised.value)


@pytest.mark.parametrize("cell", ["", "NA", "nan"])
def test_a_missing_number_is_missing_and_text_is_text(tmp_path: Path, cell: str) -> None:
    targets = [cell, *["1", "2"] * 19, "1"]
    for expected in (classes("number", 1, 2), REGRESSION):
        with pytest.raises(HeldOutError, match=r"missing in 1 rows.*rows 0"):
            read(write(tmp_path, targets, ".csv"), expected)
    if cell:
        found = read(write(tmp_path, targets, ".csv"), classes("text", "1", "2", cell))
        assert found.target is not None
        assert found.target[0] == cell


# --- what the model says --------------------------------------------------------------------

Y = np.array(["01", "02"] * (N // 2))


def test_classes_are_asked_for() -> None:
    for labels, kind, values in (
        (Y, "text", ("01", "02")),
        (Y.astype(object), "text", ("01", "02")),
        (Y.astype(int), "number", (1, 2)),
        (Y.astype(float) / 2, "number", (0.5, 1.0)),
        (Y == "01", "boolean", (False, True)),
    ):
        model = LogisticRegression().fit(ROWS, np.unique(labels, return_inverse=True)[1])
        model.classes_ = np.unique(labels)
        assert ask_model(model, "classification").classes == (Labels(kind, values),)
    assert ask_model(LinearRegression().fit(ROWS, ROWS), "regression").classes == ()
    several = DecisionTreeClassifier().fit(ROWS, np.column_stack([Y, Y[::-1]]))
    assert len(ask_model(several, "classification").classes) == 2
    mixed = LogisticRegression().fit(ROWS, Y)
    mixed.classes_ = np.array(["01", 2], dtype=object)
    assert ask_model(mixed, "classification").classes == (None,)


TEXT_MODELS = {
    "pipeline": make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "hashing": make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()),
    "union": make_pipeline(
        FeatureUnion([("w", TfidfVectorizer()), ("c", TfidfVectorizer(analyzer="char"))]),
        LogisticRegression(),
    ),
    "search": GridSearchCV(
        make_pipeline(TfidfVectorizer(), LogisticRegression()), {"logisticregression__C": [1]}, cv=2
    ),
    "calibrated": CalibratedClassifierCV(
        make_pipeline(TfidfVectorizer(), LogisticRegression()), cv=2
    ),
    "voting": VotingClassifier([("a", make_pipeline(TfidfVectorizer(), LogisticRegression()))]),
    "one against the rest": OneVsRestClassifier(
        make_pipeline(TfidfVectorizer(), LogisticRegression())
    ),
}


@pytest.mark.parametrize("name", TEXT_MODELS)
def test_text_models_are_known(name: str) -> None:
    expected = ask_model(TEXT_MODELS[name].fit(TEXTS, Y), "classification")
    assert expected.wants_text is True
    assert not expected.numbers_only
    assert ExpectedRows.from_json(expected.to_json()) == expected


@pytest.mark.parametrize(
    ("model", "numbers_only"),
    [
        (LogisticRegression(), True),
        (make_pipeline(StandardScaler(), LogisticRegression()), True),
        (make_pipeline("passthrough", RandomForestClassifier(3)), True),
        (make_pipeline(FunctionTransformer(), LogisticRegression()), False),
        (HistGradientBoostingClassifier(max_iter=3), True),
        (make_pipeline(OrdinalEncoder(), DecisionTreeClassifier()), False),
        (
            make_pipeline(ColumnTransformer([("n", StandardScaler(), ["a"])]), DummyClassifier()),
            False,
        ),
    ],
)
def test_models_of_numbers_are_known(model: Any, numbers_only: bool) -> None:
    expected = ask_model(model.fit(FRAME, Y), "classification")
    assert expected.numbers_only == numbers_only
    assert expected.wants_text is None


@pytest.mark.parametrize(
    "columns",
    [["zip", "flag"], [3, 4], slice(3, 5), slice("zip", None), np.array([False] * 3 + [True] * 2)],
)
def test_categories_are_asked_for(columns: Any) -> None:
    frame = FRAME.assign(zip=Y, flag=["true", "false"] * (N // 2))
    encode = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    model = make_pipeline(
        ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(), columns),
                           ("d", encode, ["zip"]), ("no", "drop", ["c"])]),
        LogisticRegression(),
    ).fit(frame, Y)  # fmt: skip
    assert ask_model(model, "classification").categories == {
        "zip": Labels("text", ("01", "02")),
        "flag": Labels("text", ("false", "true")),
    }


@pytest.mark.parametrize("columns", [slice(None, "flag"), slice("zip", "flag"), slice(None, 2)])
def test_a_slice_by_name_has_its_end_and_may_begin_anywhere(columns: slice) -> None:
    frame = pd.DataFrame({"zip": Y, "flag": ["true", "false"] * (N // 2)}).join(FRAME)
    model = ColumnTransformer([("c", OneHotEncoder(), columns), ("n", StandardScaler(), ["a"])])
    assert ask_model(model.fit(frame), "").categories == {
        "zip": Labels("text", ("01", "02")),
        "flag": Labels("text", ("false", "true")),
    }


def test_members_that_vote_get_the_rows_as_they_are() -> None:
    frame = pd.DataFrame({"zip": Y})
    encoded = make_pipeline(OneHotEncoder(), LogisticRegression())
    voting = VotingClassifier([("a", encoded), ("b", encoded)]).fit(frame, Y)
    asked = ask_model(voting, "classification")
    assert asked.categories == {"zip": Labels("text", ("01", "02"))}
    assert not asked.numbers_only


# --- files that are written otherwise -------------------------------------------------------


def test_categories_are_read_as_written(tmp_path: Path) -> None:
    frame = FRAME.assign(zip=Y, flag=["true", "false"] * (N // 2))
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame[["zip", "flag"]], Y)
    expected = ask_model(model, "classification")
    found = read(write(tmp_path, Y, ".csv", frame), expected)
    assert found.rows["zip"].tolist() == Y.tolist()
    assert found.rows["flag"].tolist() == ["true", "false"] * (N // 2)
    assert (model.predict(found.rows) == Y).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"zip": [1, 2] * (N // 2)}, "'01', '02'; |'01', '02', got int64 such as 1, 2"),
        ({"flag": [True, False] * (N // 2)}, "'false', 'true', got bool such as True, False"),
        ({"flag": ["true ", "false "] * (N // 2)}, "'true ', 'false '"),
    ],
)
@pytest.mark.bad_input(50)
def test_categories_in_another_spelling(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    frame = FRAME.assign(zip=Y, flag=["true", "false"] * (N // 2))
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame[["zip", "flag"]], Y)
    path = write(tmp_path, Y, ".parquet", frame.assign(**change))
    with pytest.raises(HeldOutError, match=words) as raised:
        read(path, ask_model(model, "classification"))
    assert f"column {next(iter(change))}: a column has no category of the model" in str(
        raised.value
    )


def test_categories_that_are_new_are_left_to_the_encoder(tmp_path: Path) -> None:
    frame = FRAME.assign(zip=Y)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame[["zip"]], Y)
    path = write(tmp_path, Y, ".parquet", frame.assign(zip="99"))
    assert read(path, ask_model(model, "classification")).rows["zip"].tolist() == ["99"] * N


TEXT = ExpectedRows("classification", wants_text=True, classes=(Labels("text", ("01", "02")),))
NUMBERS = ExpectedRows(
    "classification",
    feature_names=("a", "b", "c"),
    numbers_only=True,
    classes=(Labels("text", ("01", "02")),),
)
TABLE = FRAME.assign(target=Y)
TEXT_TABLE = pd.DataFrame({"text": TEXTS, "target": Y})


def as_bytes(frame: pd.DataFrame, encoding: str = "utf-8", **options: Any) -> bytes:
    return frame.to_csv(index=False, **options).encode(encoding)


FILES: dict[str, tuple[ExpectedRows, bytes, str]] = {
    "semicolons": (NUMBERS, as_bytes(TABLE, sep=";"), "separated by semicolons; expected commas"),
    "tabs": (NUMBERS, as_bytes(TABLE, sep="\t"), "separated by tabs"),
    "decimal commas": (
        NUMBERS,
        as_bytes(TABLE, sep=";", decimal=","),
        "separated by semicolons and the numbers have decimal commas",
    ),
    "quoted decimal commas": (
        NUMBERS,
        as_bytes(TABLE, decimal=","),
        "column a: a column has text where the model takes numbers.*decimal points, not commas",
    ),
    "words": (
        NUMBERS,
        as_bytes(TABLE.assign(b="many")),
        "column b: .*got 'many'; correct the column",
    ),
    "UTF-16": (NUMBERS, as_bytes(TABLE, "utf-16"), "is UTF-16, not UTF-8; write it as UTF-8"),
    "UTF-16 without a mark": (NUMBERS, as_bytes(TABLE, "utf-16-le"), "is UTF-16, not UTF-8"),
    "Latin-1": (
        TEXT,
        as_bytes(TEXT_TABLE.assign(text="café"), "latin-1"),
        "not UTF-8; got byte 0xe9",
    ),
    "text with semicolons": (TEXT, as_bytes(TEXT_TABLE, sep=";"), "separated by semicolons"),
    "id beside the text": (
        TEXT,
        as_bytes(TEXT_TABLE.assign(id=range(N))),
        "one text per row; expected one column beside the target, got text, id; remove the other",
    ),
    "an empty column": (
        TEXT,
        as_bytes(TEXT_TABLE.assign(rest=None)),
        r"got text, rest \(empty\); remove the other",
    ),
    "no text at all": (
        TEXT,
        as_bytes(TEXT_TABLE.assign(text=None)),
        "column text: every text is empty",
    ),
}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("case", FILES)
@pytest.mark.bad_input(50)
def test_one_sentence_on_the_file(tmp_path: Path, case: str, suffix: str) -> None:
    expected, content, words = FILES[case]
    path = tmp_path / f"m{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".csv.gz" else content)
    with pytest.raises(HeldOutError, match=words) as raised:
        read(path, expected)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_none_in_the_text(tmp_path: Path) -> None:
    TEXT_TABLE.assign(text=[None, *TEXTS[1:]]).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(HeldOutError, match=r"takes text, but some rows hold none.*got 1 rows"):
        read(tmp_path / "m.parquet", TEXT)


@pytest.mark.parametrize(
    "content", ["a;b,target\n1,01\n2,02\n", "a,target\n1;2,01\n3;4,02\n", '"a;b"\n1\n2\n']
)
def test_semicolons_in_a_file_with_commas_are_content(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    found = read_held_out(
        tmp_path / "m.csv", expected=ExpectedRows(), require_target="target" in content
    )
    assert len(found) == 2


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(as_bytes(TABLE, "utf-8-sig"))
    assert list(read(tmp_path / "m.csv", NUMBERS).rows.columns) == ["a", "b", "c"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_numbers_of_other_types_are_numbers(tmp_path: Path, suffix: str) -> None:
    frame = FRAME.assign(b=[Decimal(1), Decimal("0.5")] * (N // 2), c=[True, False] * (N // 2))
    found = read(write(tmp_path, Y, suffix, frame), NUMBERS)
    assert found.rows["b"].tolist() == [1.0, 0.5] * (N // 2)
    LogisticRegression().fit(found.rows, Y)
