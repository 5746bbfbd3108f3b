"""Models that other libraries answer as well, and those libraries' ways to answer them.

A1 to G1 are the models of the other benchmarks; B3 is LightGBM's own. Each comes with the rows that
it was trained on, since some libraries have to fit a model of theirs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Rows = Any
Answer = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A fitted model, what it was trained on, and rows that it never saw."""

    model: Any
    seen: Rows
    known: Rows
    rows: Rows
    multiplications: int = 0
    """For one row; 0 where that is not what takes the time."""


def forest(name: str) -> Case:
    from benchmarks.forest import MODELS, classification

    model, rows = MODELS[name]()
    if name == "A1":
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits, labels = load_digits(return_X_y=True)
        seen, _, known, _ = train_test_split(digits, labels, test_size=0.3, random_state=0)
        return Case(model, seen, known, rows)
    if name == "B2":
        return Case(model, None, None, rows)
    seen, labels = classification()
    return Case(model, seen[:20_000], labels[:20_000], rows)


def lightgbm() -> Case:
    from benchmarks.boosters import MODELS
    from benchmarks.forest import classification

    rows, labels = classification()
    model = MODELS["B3"][1](rows[:20_000], labels[:20_000])
    return Case(model, rows[:20_000], labels[:20_000], rows[20_000:])


def documents() -> Case:
    from benchmarks.precision import texts

    found = texts("docstrings", None)
    return Case(found.model, found.calibration, None, found.rows)


def network() -> Case:
    from benchmarks.precision import network as trained

    found = trained()
    sizes = [weights.size for weights in found.model[-1].coefs_]
    return Case(found.model, None, None, found.rows, sum(sizes))


def neighbours() -> Case:
    from sklearn.datasets import make_classification
    from sklearn.neighbors import KNeighborsClassifier

    rows, labels = make_classification(
        20_000, 64, n_informative=20, n_redundant=10, n_classes=5, flip_y=0.02, class_sep=1.5,
        random_state=1,
    )  # fmt: skip
    seen, known = rows[:10_000], labels[:10_000]
    return Case(KNeighborsClassifier(5).fit(seen, known), seen, known, rows[10_000:], seen.size)


def vectors() -> Case:
    from sklearn.svm import SVC

    from benchmarks.forest import classification

    rows, labels = classification()
    model = SVC(C=2).fit(rows[:5000], labels[:5000])
    size = model.support_vectors_.size
    return Case(model, rows[:5000], labels[:5000], rows[20_000:], size)


def linear() -> Case:
    from benchmarks.precision import linear as trained

    found = trained()
    return Case(found.model, None, None, found.rows, found.model.coef_.size)


def regressor(name: str) -> Case:
    """Numbers from similarities to 1,000 known rows of 20 columns."""
    from sklearn.datasets import make_regression
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.svm import SVR

    rows, target = make_regression(11_000, 20, n_informative=8, noise=5.0, random_state=0)
    target /= target.std()
    seen, known = rows[:1000], target[:1000]
    made = {
        "SVR": SVR(C=5.0),
        "GPR": GaussianProcessRegressor(RBF(5.0), alpha=0.05, optimizer=None),
        "KernelRidge": KernelRidge(kernel="rbf", gamma=0.05),
    }[name]
    model = made.fit(seen, known)
    size = getattr(model, "support_vectors_", seen).size
    return Case(model, seen, known, rows[1000:], size)


CASES: dict[str, Callable[[], Case]] = {
    **{name: partial(forest, name) for name in ("A1", "A2", "B1", "B2")},
    "B3": lightgbm,
    "C": documents,
    "D": network,
    "E": neighbours,
    "F": vectors,
    "G1": linear,
    **{name: partial(regressor, name) for name in ("SVR", "GPR", "KernelRidge")},
}


def onnx_file(case: Case) -> bytes:
    """The model as skl2onnx writes it."""
    from onnx import helper
    from skl2onnx import to_onnx

    plain = helper.make_attribute

    def with_integers(key: str, value: Any, *more: Any, **named: Any) -> Any:
        """Flags as integers: skl2onnx gives booleans, which onnx no longer takes."""
        if np.ndim(value) == 1 and any(isinstance(item, bool | np.bool_) for item in value):
            value = [int(flag) for flag in value]
        return plain(key, value, *more, **named)

    model = case.model
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else {}
    if isinstance(case.rows, list):  # a locale that every machine has
        vectorizer = model[0] if hasattr(model, "steps") else model
        options[id(vectorizer)] = {"locale": "C"}
    helper.make_attribute = with_integers
    try:
        if isinstance(case.rows, list):
            from skl2onnx.common.data_types import StringTensorType

            given = {"initial_types": [("X", StringTensorType([None, 1]))]}
        else:
            given = {"X": case.rows[:1].astype(np.float32)}
        return bytes(to_onnx(model, options=options, **given).SerializeToString())
    finally:
        helper.make_attribute = plain


def session_answer(data: bytes, as_text: bool) -> Answer:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    state = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        session = onnxruntime.InferenceSession(data, settings)
    except (state.Fail, state.InvalidGraph, state.NotImplemented) as error:
        raise ValueError(str(error)) from error
    wanted = [session.get_outputs()[0].name]
    if as_text:
        return lambda x: session.run(wanted, {"X": np.array(x, dtype=object).reshape(-1, 1)})[0]
    return lambda x: session.run(wanted, {"X": x.astype(np.float32)})[0].ravel()


def onnx_float32(case: Case) -> Answer:
    return session_answer(onnx_file(case), isinstance(case.rows, list))


def onnx_int8(case: Case) -> Answer:
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        plain, short = Path(folder) / "plain.onnx", Path(folder) / "short.onnx"
        plain.write_bytes(onnx_file(case))
        quantize_dynamic(plain, short)
        data = short.read_bytes()
    if b"Integer" not in data:  # MatMulInteger, DynamicQuantizeLinear's companion
        raise ValueError("it has no layer that ONNX Runtime quantizes")
    return session_answer(data, False)


def treelite(case: Case) -> Answer:
    import treelite as library

    model = case.model
    if hasattr(model, "booster_"):
        loaded = library.frontend.from_lightgbm(model.booster_)
    else:
        try:
            loaded = library.sklearn.import_model(model)
        except library.TreeliteError as error:
            raise ValueError(str(error)) from error
    predict = partial(library.gtil.predict, loaded, nthread=1)
    classes = getattr(model, "classes_", None)
    if classes is None:
        return lambda x: predict(x).ravel()
    return lambda x: classes.take(predict(x).reshape(len(x), -1).argmax(axis=1))


def lleaves(case: Case) -> Answer:
    import lleaves as library

    if not hasattr(case.model, "booster_"):
        raise ValueError("lleaves takes models of LightGBM alone")
    folder = tempfile.mkdtemp()
    path = Path(folder) / "model.txt"
    case.model.booster_.save_model(str(path))
    compiled = library.Model(model_file=str(path))
    compiled.compile()
    classes = case.model.classes_
    return lambda x: classes.take(compiled.predict(x, n_jobs=1).argmax(axis=1))


_IN_SKLEARNEX = {
    "RandomForestClassifier": "ensemble",
    "KNeighborsClassifier": "neighbors",
    "SVC": "svm",
    "SVR": "svm",
}


def intelex(case: Case) -> Answer:
    import daal4py

    daal4py.daalinit(1)
    name = type(case.model).__name__
    if name == "LGBMClassifier":
        built = daal4py.mb.convert_model(case.model)
        return built.predict  # type: ignore[no-any-return]
    if name not in _IN_SKLEARNEX:
        raise ValueError(f"scikit-learn-intelex has no {name} of its own")
    own = getattr(import_module(f"sklearnex.{_IN_SKLEARNEX[name]}"), name)
    fitted = own(**case.model.get_params()).fit(case.seen, case.known)
    return fitted.predict  # type: ignore[no-any-return]


def faiss(case: Case) -> Answer:
    import faiss as library

    if type(case.model).__name__ != "KNeighborsClassifier":
        raise ValueError("faiss finds neighbours and nothing else")
    library.omp_set_num_threads(1)
    index = library.IndexScalarQuantizer(case.seen.shape[1], library.ScalarQuantizer.QT_8bit)
    seen = case.seen.astype(np.float32)
    index.train(seen)
    index.add(seen)
    classes = case.model.classes_
    places = np.searchsorted(classes, case.known)

    def answer(rows: Any) -> Any:
        found = places[index.search(rows.astype(np.float32), case.model.n_neighbors)[1]]
        votes = np.zeros((len(rows), len(classes)))
        np.add.at(votes, (np.arange(len(rows))[:, np.newaxis], found), 1.0)
        return classes.take(votes.argmax(axis=1))

    return answer


# Name -> modules, what installs them, and how the peer is made.
PEERS: dict[str, tuple[tuple[str, ...], str, Callable[[Case], Answer]]] = {
    "ONNX Runtime": (("onnxruntime", "skl2onnx"), "onnxruntime skl2onnx onnx", onnx_float32),
    "ONNX Runtime int8": (("onnxruntime", "skl2onnx"), "onnxruntime skl2onnx onnx", onnx_int8),
    "treelite (gtil)": (("treelite",), "treelite", treelite),
    "lleaves": (("lleaves",), "lleaves", lleaves),
    "scikit-learn-intelex": (("sklearnex",), "scikit-learn-intelex", intelex),
    "faiss SQ8": (("faiss",), "faiss-cpu", faiss),
}
