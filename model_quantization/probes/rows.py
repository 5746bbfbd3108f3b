"""Rows for a model, before they have a form: numbers, columns, documents or mappings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from model_quantization.arrays import Array

Kind: TypeAlias = Literal["numbers", "table", "documents", "mappings"]


@dataclass(frozen=True, slots=True)
class ProbeRows:
    """Rows for a model, before they have a form.

    Attributes
    ----------
    kind : {"numbers", "table", "documents", "mappings"}
    numbers : float64 array of shape (n, n_features)
        Of kind `numbers`.
    columns : tuple of tuple
        Of kind `table`: the cells of each column. None is a missing value.
    documents : tuple of str
    names : tuple of str or None
        Column names that the model was fitted with.
    mappings : tuple of dict
        From a key to a number, a text, or several texts.
    """

    kind: Kind
    numbers: Array = field(default_factory=lambda: np.empty((0, 0)))
    columns: tuple[tuple[Any, ...], ...] = ()
    documents: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    mappings: tuple[dict[str, Any], ...] = ()

    def __len__(self) -> int:
        match self.kind:
            case "numbers":
                return len(self.numbers)
            case "table":
                return len(self.columns[0]) if self.columns else 0
            case "documents":
                return len(self.documents)
            case "mappings":
                return len(self.mappings)

    def milder(self) -> list[ProbeRows]:
        """Return rows of numbers for models that refuse these: none negative, small and whole."""
        if self.kind != "numbers":
            return []
        positive = np.abs(self.numbers)
        whole = np.floor(np.minimum(positive, 1e6)) % 3
        return [replace(self, numbers=positive), replace(self, numbers=whole)]

    def first(self, count: int) -> ProbeRows:
        """Return the first rows."""
        return ProbeRows(
            self.kind,
            self.numbers[:count],
            tuple(column[:count] for column in self.columns),
            self.documents[:count],
            self.names,
            self.mappings[:count],
        )

    def to_files(self, directory: Path, stem: str) -> None:
        """Write `<stem>.npy` and `<stem>.json` for `from_files`."""
        # numpy's own error of a full disk only gives a number of bytes.
        data = BytesIO()
        np.save(data, self.numbers, allow_pickle=False)
        (directory / f"{stem}.npy").write_bytes(data.getvalue())
        record = {
            "kind": self.kind,
            "columns": self.columns,
            "documents": self.documents,
            "names": self.names,
            "mappings": self.mappings,
        }
        (directory / f"{stem}.json").write_text(json.dumps(record), encoding="utf-8")

    @classmethod
    def from_files(cls, directory: Path, stem: str) -> ProbeRows:
        """Return the rows that `to_files` wrote."""
        record = json.loads((directory / f"{stem}.json").read_text(encoding="utf-8"))
        names = record["names"]
        return cls(
            record["kind"],
            np.load(directory / f"{stem}.npy", allow_pickle=False),
            tuple(tuple(column) for column in record["columns"]),
            tuple(record["documents"]),
            None if names is None else tuple(names),
            tuple(record["mappings"]),
        )
