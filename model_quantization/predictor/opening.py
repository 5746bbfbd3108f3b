"""Opens an artifact: the quantized model in it, or a container of several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.errors import ConfigError, NoSuchFile
from model_quantization.graph.nodes import (
    DictNode,
    Node,
    ObjectNode,
    PackedNode,
    RefNode,
    SequenceNode,
    entries,
)
from model_quantization.graph.traversal import children, dict_steps, join
from model_quantization.graph.values import dict_value
from model_quantization.limits import Limits
from model_quantization.predictor.component import ComponentView, Context, view_value
from model_quantization.predictor.memory import give_back
from model_quantization.predictor.model_classes import quantized_model
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.predictor.restored import library_change, restore_component
from model_quantization.trust import TrustPolicy
from model_quantization.values import Value, field

if TYPE_CHECKING:
    from model_quantization.files.signing import PublicKeys
    from model_quantization.predictor.explanation import Explanation


def load(
    source: Path | str | bytes,
    *,
    trusted: tuple[str, ...] = (),
    limits: Limits | None = None,
    sha256: str = "",
    keys: PublicKeys | None = None,
) -> Any:
    """Open a `.qma` artifact and return the quantized model.

    Parameters
    ----------
    source : path or bytes
        The file, or its bytes.
    trusted : tuple of str
        User classes and functions (`module:qualname`) that the model may hold beside those of
        the allow-list. Only the caller can say this; an artifact never can.
    limits : Limits, optional
        Caps on what is read and decoded.
    sha256 : str, optional
        The hash that the file must have, as a release pins it.
    keys : PublicKeys, optional
        The keys whose signature counts (`model_quantization.files.signing.read_public_keys`).

    Returns
    -------
    QuantizedModel
        Or, for a model that is a dict, list or tuple, that container with each estimator in it
        quantized.

    Raises
    ------
    ConfigError
        `source` is neither a path nor bytes.
    NoSuchFile
        There is no such file (a `FileNotFoundError`).
    ArtifactError
        The file is broken, tampered with or of another format; `SignatureError` when `keys` do
        not accept it.
    UntrustedTypeError
        It holds a class that is not allowed.
    PredictionError
        With other versions of the libraries than those that made it, it answers its golden rows
        differently.

    Examples
    --------
    >>> import model_quantization as mq
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rows, labels = load_digits(return_X_y=True)
    >>> model = RandomForestClassifier(20, random_state=0).fit(rows[:900], labels[:900])
    >>> quantized, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(model)
    >>> path = quantized.save("digits.qma")
    >>> bool((load(path).predict(rows) == model.predict(rows)).all())
    True
    """
    if not isinstance(source, str | bytes | os.PathLike):
        raise ConfigError(
            "there is no artifact to load",
            where="load",
            expected="the path of a .qma file, or its bytes",
            got=repr(source) if source is None else type(source).__name__,
            do="where the original stays, `output_path` is None, and `note` says why",
        )
    try:
        artifact = read_artifact(source, limits, sha256=sha256, keys=keys)
    except FileNotFoundError as error:
        raise NoSuchFile(
            "there is no such artifact",
            where=str(source),
            do="check the path; `quantize_model_file` writes one",
        ) from error
    model = open_model(artifact, TrustPolicy(frozenset(trusted)))
    if isinstance(model, QuantizedModel) and library_change(artifact) is not None:
        model.quick_self_test()
        give_back(artifact.release())
    return model


def open_model(artifact: Artifact, trust: TrustPolicy) -> Any:
    """Return the quantized model of an opened artifact (see `load`)."""
    model = _Opening(artifact, trust, Context.of(artifact.root, artifact)).open(artifact.root, "")
    # A predictor keeps what it needs; other arrays are decoded again on demand.
    give_back(artifact.release())
    return model


def explain(artifact: Artifact, trust: TrustPolicy | None = None) -> list[Explanation]:
    """Which predictor answers each method of each model in an artifact.

    Parameters
    ----------
    artifact : Artifact
        An opened file (`artifact.reader.read_artifact`).
    trust : TrustPolicy, optional
        Needed for an artifact that holds several models and objects of user classes beside them.

    Raises
    ------
    ArtifactError, UntrustedTypeError
        As `load` says.
    """
    return [one.explain() for one in iter_models(open_model(artifact, trust or TrustPolicy()))]


class _Opening(Value, frozen=True):
    """Opens one artifact; an object that is referred to several times is opened once."""

    artifact: Artifact
    trust: TrustPolicy
    context: Context
    opened: dict[int, Any] = field(default_factory=dict)

    def open(self, node: Node, path: str) -> Any:
        if isinstance(node, RefNode):
            if node.target not in self.opened:
                self.open(self.context.identified[node.target], path)
            return self.opened[node.target]
        made = self._made(node, path)
        identity = getattr(node, "id", None)
        if identity is not None:
            self.opened[identity] = made
        return made

    def _made(self, node: Node, path: str) -> Any:
        manifest = self.artifact.manifest
        match node:
            case ObjectNode() | PackedNode() if path in manifest["model"]["surfaces"]:
                view = ComponentView(node, self.context, path)
                return quantized_model(self.artifact, self.trust, view)
            case SequenceNode(kind=kind) if kind in ("list", "tuple"):
                items = [self.open(item, join(path, step)) for step, item in children(node)]
                return items if kind == "list" else tuple(items)
            case DictNode(values=SequenceNode()):
                pairs = list(entries(node))
                keys = [self._key(key, path) for key, _ in pairs]
                steps = zip(dict_steps(node), pairs, strict=True)
                values = [self.open(value, join(path, step)) for step, (_, value) in steps]
                return dict_value(keys, values, path)
            case _:
                return self._restored(node, path)

    def _key(self, node: Node, path: str) -> Any:
        """The key of a dict: a plain value, or an object such as a date."""
        if isinstance(node, ObjectNode | PackedNode | RefNode):
            return self._restored(node, path)
        return view_value(node, self.context, path)

    def _restored(self, node: Node, path: str) -> Any:
        return restore_component(self.artifact, self.trust, node, self.context, path)


def model_at(loaded: Any, path: str) -> QuantizedModel:
    """The quantized model at `path` in what `load` returned.

    Raises
    ------
    KeyError
        There is none.
    """
    for model in iter_models(loaded):
        if model.path == path:
            return model
    raise KeyError(path)


def iter_models(loaded: Any) -> Iterator[QuantizedModel]:
    """The quantized models in what `load` returned, in order."""
    if isinstance(loaded, QuantizedModel):
        yield loaded
    elif isinstance(loaded, dict):
        for value in loaded.values():
            yield from iter_models(value)
    elif isinstance(loaded, list | tuple):
        for value in loaded:
            yield from iter_models(value)
