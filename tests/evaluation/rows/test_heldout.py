"""Held-out data: the right form for the model, and one named error for each bad file."""

import gzip
import io
import os
import zipfile

import numpy as np
import pandas as pd
import pytest

from model_quantization.errors import HeldOutError, LimitError, PathRefused
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.evaluation.rows.heldout import (
    check_disjoint,
    find_held_out,
    hash_rows,
    read_held_out,
)
from model_quantization.limits import Limits

TABLE = pd.DataFrame(
    {"a": [0.1, -0.0, np.nan, 4.0], "b": [1, 2, 3, 4], "c": [True, False, True, False]}
)
TARGET = np.array([0, 1, 1, 0])


def write(directory, suffix, table=TABLE, target=TARGET):
    path = directory / f"m{suffix}"
    frame = table.assign(target=target)
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".npz":
        np.savez(path, X=table.to_numpy(dtype=np.float64), y=target)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz", ".npz"])
def test_every_format_gives_the_same_rows_targets_and_hashes(tmp_path, suffix):
    data = read_held_out(write(tmp_path, suffix))
    assert data.rows.dtype == np.float64
    np.testing.assert_array_equal(data.rows, TABLE.to_numpy(dtype=np.float64))
    np.testing.assert_array_equal(data.target, TARGET)
    reference = read_held_out(write(tmp_path, ".parquet"))
    np.testing.assert_array_equal(data.row_hashes, reference.row_hashes)
    assert len(data) == 4 and len(np.unique(data.row_hashes)) == 4


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npz"])
def test_feature_names_give_a_frame_in_the_models_order(tmp_path, suffix):
    names = ("c", "a") if suffix != ".npz" else ("a", "b", "c")
    data = read_held_out(write(tmp_path, suffix), expected=ExpectedRows(feature_names=names))
    assert tuple(data.rows.columns) == names
    if suffix != ".npz":
        assert data.notes == ("columns the model does not know were dropped: b",)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz"])
def test_text_is_kept_character_for_character(tmp_path, suffix):
    texts = ["null", "NA", "", 'héllo, "you"', "12", "nan"]
    path = write(tmp_path, suffix, pd.DataFrame({"text": texts}), list("abcabc"))
    data = read_held_out(path)
    assert data.rows == texts
    assert data.target.dtype.kind == "U"
    assert data.take([4, 0]).rows == ["12", "null"]


def test_text_that_looks_like_numbers_is_text_where_the_model_wants_text(tmp_path):
    path = write(tmp_path, ".csv", pd.DataFrame({"text": ["007", "1.50", "NA", ""]}))
    assert read_held_out(path, expected=ExpectedRows(wants_text=True)).rows == [
        "007",
        "1.50",
        "NA",
        "",
    ]


def test_wants_text_false_keeps_a_frame(tmp_path):
    path = write(tmp_path, ".csv", pd.DataFrame({"text": list("wxyz")}))
    rows = read_held_out(path, expected=ExpectedRows(wants_text=False)).rows
    assert list(rows.columns) == ["text"]


def test_npz_text(tmp_path):
    np.savez(tmp_path / "m.npz", X=np.array(["a", "b"]), target=np.array([1, 2]))
    data = read_held_out(tmp_path / "m.npz")
    assert data.rows == ["a", "b"]
    np.testing.assert_array_equal(data.target, [1, 2])


def test_numbers_with_gaps_stay_numbers(tmp_path):
    (tmp_path / "m.csv").write_text("a,b,target\n1,,x\nNA,2,y\n0.1,,x\n")
    rows = read_held_out(tmp_path / "m.csv").rows
    np.testing.assert_array_equal(rows, [[1, np.nan], [np.nan, 2], [0.1, np.nan]])


def test_mixed_columns_stay_a_frame(tmp_path):
    path = write(tmp_path, ".parquet", pd.DataFrame({"a": [1.0, 2, 3, 4], "s": list("wxyz")}))
    assert list(read_held_out(path).rows.columns) == ["a", "s"]


def test_nullable_and_float32_columns_become_float64(tmp_path):
    table = pd.DataFrame(
        {"i": pd.array([1, None, 3, 4], dtype="Int64"), "f": np.float32([0.5, 1, 2, 3])}
    )
    rows = read_held_out(write(tmp_path, ".parquet", table)).rows
    assert rows.dtype == np.float64 and np.isnan(rows[1, 0]) and rows[0, 1] == 0.5


def test_several_targets(tmp_path):
    write(tmp_path, ".csv", TABLE.assign(t2=[1.5, 2.5, 3.5, 4.5]))
    data = read_held_out(tmp_path / "m.csv", target=("target", "t2"))
    assert data.target.shape == (4, 2) and data.rows.shape == (4, 3)


def test_no_target_wanted_or_needed(tmp_path):
    TABLE.to_csv(tmp_path / "m.csv", index=False)
    assert read_held_out(tmp_path / "m.csv", require_target=False).target is None
    assert read_held_out(tmp_path / "m.csv", target=()).rows.shape == (4, 3)
    np.savez(tmp_path / "m.npz", X=TABLE.to_numpy(dtype=np.float64))
    assert read_held_out(tmp_path / "m.npz", require_target=False).target is None


def test_a_written_index_is_dropped(tmp_path):
    TABLE.assign(target=TARGET).to_csv(tmp_path / "m.csv")
    data = read_held_out(tmp_path / "m.csv")
    assert data.rows.shape == (4, 3)
    assert data.notes == ("an unnamed first column (a written index) was dropped",)


def test_take_of_arrays_and_frames(tmp_path):
    path = write(tmp_path, ".parquet")
    for data in (
        read_held_out(path),
        read_held_out(path, expected=ExpectedRows(feature_names=("a", "b"))),
    ):
        part = data.take(np.array([3, 1]))
        np.testing.assert_array_equal(part.target, TARGET[[3, 1]])
        np.testing.assert_array_equal(part.row_hashes, data.row_hashes[[3, 1]])
        np.testing.assert_array_equal(np.asarray(part.rows), np.asarray(data.rows)[[3, 1]])


def test_hashes_go_by_value():
    ints = np.array([[1, 0], [2, 5]])
    np.testing.assert_array_equal(hash_rows(ints), hash_rows(ints.astype(np.float32)))
    assert hash_rows(np.array([[0.0]])) == hash_rows(np.array([[-0.0]]))
    assert hash_rows(np.array([[1.0, 2.0]])) != hash_rows(np.array([[2.0, 1.0]]))
    frame = pd.DataFrame({"x": ["a", None], "y": pd.array([1, None], dtype="Int64")})
    same = pd.DataFrame({"p": pd.array(["a", pd.NA], dtype="string"), "q": [1.0, np.nan]})
    np.testing.assert_array_equal(hash_rows(frame), hash_rows(same))
    assert hash_rows(["a"]) == hash_rows(pd.DataFrame({"text": ["a"]}))


@pytest.mark.bad_input(51)
def test_shared_rows_are_refused(tmp_path):
    (tmp_path / "gate").mkdir()
    held_out = read_held_out(write(tmp_path / "gate", ".csv"))
    check_disjoint(held_out.take([0, 1]), held_out.take([2, 3]))
    calibration = read_held_out(write(tmp_path, ".npz")).take([1, 2])
    with pytest.raises(HeldOutError, match=r"2 of 4 held-out rows are also calibration rows"):
        check_disjoint(calibration, held_out)


BAD = {
    "empty": (b"", "file is empty"),
    "blank": (b"\n \n", "file is empty"),
    "header only": (b"a,target\n", "no rows"),
    "no target": (b"a,b\n1,2\n", "no target column target; got the columns a, b"),
    "only the target": (b"target\n1\n", "no feature columns"),
    "missing target": (b"a,target\n1,0\n2,\n", "target target is missing in 1 rows.*at rows 1"),
    "missing label": (b"a,target\n1,x\n2,\n", "missing in 1 rows"),
    "not utf-8": (b"a,target\n\xff\xfe,1\n", "not UTF-8; got byte 0xff; write it as UTF-8"),
    "surplus": (b"a,target\n1,2,3\n4,5,6\n", "more cells than the header"),
    "ragged": (b"a,target\n1,2\n1,2,3,4\n", "cannot be read.*ParserError"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.bad_input(50)
def test_bad_csv(tmp_path, case):
    content, message = BAD[case]
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(HeldOutError, match=f"m.csv: .*{message}"):
        read_held_out(tmp_path / "m.csv")


@pytest.mark.parametrize("name", ["m.parquet", "m.csv.gz", "m.npz"])
@pytest.mark.parametrize("content", [b"rubbish", b"PK\x03\x04 truncated", b"\x1f\x8b\x08truncated"])
def test_broken_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HeldOutError, match="cannot be read"):
        read_held_out(tmp_path / name)


@pytest.mark.bad_input(50)
def test_missing_features_are_named(tmp_path):
    with pytest.raises(
        HeldOutError, match=r"2 of the model's 3 features.*columns x, y, got a, b, c"
    ):
        read_held_out(write(tmp_path, ".csv"), expected=ExpectedRows(feature_names=("a", "x", "y")))
    with pytest.raises(HeldOutError, match="expected 2 columns, got shape"):
        read_held_out(write(tmp_path, ".npz"), expected=ExpectedRows(feature_names=("a", "b")))


def test_text_models_refuse_other_tables(tmp_path):
    with pytest.raises(HeldOutError, match=r"takes one text per row.*got a, b, c"):
        read_held_out(write(tmp_path, ".csv"), expected=ExpectedRows(wants_text=True))
    table = pd.DataFrame({"text": ["a", None, "c", "d"]})
    with pytest.raises(HeldOutError, match="1 rows without text"):
        read_held_out(write(tmp_path, ".parquet", table), expected=ExpectedRows(wants_text=True))


def test_bad_npz(tmp_path):
    path = tmp_path / "m.npz"
    x = np.zeros((3, 2))
    for arrays, message in [
        ({"rows": x}, "no array X; got rows"),
        ({"X": x}, "no array y or target"),
        (
            {"X": x, "y": [1.0, np.nan, 2.0]},
            "target y is missing in 1 rows; got no value at rows 1",
        ),
        ({"X": x, "y": [1, 2]}, "differ in number; expected 3 targets, got 2"),
        ({"X": x.astype(complex), "y": [1, 2, 3]}, "neither numbers nor text"),
        (
            {"X": np.array([[1, "a"], [None, 2]], dtype=object), "y": [1, 2]},
            "cannot be read.*pickle",
        ),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(HeldOutError, match=message):
            read_held_out(path)


def test_other_kinds_and_missing_files(tmp_path):
    (tmp_path / "m.xlsx").write_bytes(b"x")
    with pytest.raises(HeldOutError, match=r"unknown kind.*ending in .parquet, .csv"):
        read_held_out(tmp_path / "m.xlsx")
    with pytest.raises(HeldOutError, match="cannot be opened; got No such file"):
        read_held_out(tmp_path / "none.csv")


def test_limits(tmp_path):
    with pytest.raises(LimitError, match="raise the limit file_bytes"):
        read_held_out(write(tmp_path, ".csv"), limits=Limits(file_bytes=10))
    bomb = Limits(decompressed_bytes=100_000)
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(b"a,target\n" + b"1,2\n" * 100_000))
    np.savez_compressed(tmp_path / "m.npz", X=np.zeros((100_000, 1)), y=np.zeros(100_000))
    pd.DataFrame({"a": np.arange(50_000.0), "target": 1}).to_parquet(
        tmp_path / "m.parquet", use_dictionary=False
    )
    for name in ("m.csv.gz", "m.npz", "m.parquet"):
        with pytest.raises(LimitError, match="raise the limit decompressed_bytes"):
            read_held_out(tmp_path / name, limits=bomb)


def test_an_npz_header_that_lies_about_its_shape(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(4))
    lying = buffer.getvalue().replace(b"(4,), ", b"(9,), ")
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("X.npy", lying)
    with pytest.raises(HeldOutError, match="cannot be read"):
        read_held_out(tmp_path / "m.npz")


def test_finding(tmp_path):
    assert find_held_out(None, "m") is None
    assert find_held_out(tmp_path, "m") is None
    write(tmp_path, ".csv.gz")
    assert find_held_out(tmp_path, "m") == tmp_path / "m.csv.gz"
    write(tmp_path, ".npz")
    with pytest.raises(
        HeldOutError, match=r"more than one.*m.csv.gz and m.npz.*remove all but one"
    ):
        find_held_out(tmp_path, "m")
    with pytest.raises(HeldOutError, match="does not exist"):
        find_held_out(tmp_path / "nowhere", "m")


def test_names_do_not_lead_out(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    write(tmp_path, ".csv")
    with pytest.raises(PathRefused, match="outside its directory"):
        find_held_out(inside, "../m")
    (inside / "m.csv").symlink_to(tmp_path / "m.csv")
    with pytest.raises(PathRefused, match="outside its directory"):
        find_held_out(inside, "m")
    with pytest.raises(PathRefused, match="control characters"):
        find_held_out(inside, "m\0")
    (inside / "dir.csv").mkdir()
    with pytest.raises(PathRefused, match="not a plain file"):
        find_held_out(inside, "dir")


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "m.csv")
    with pytest.raises(PathRefused, match="not a plain file"):
        read_held_out(tmp_path / "m.csv")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(PathRefused, match="not a plain file"):
        read_held_out(tmp_path / "d.csv")
