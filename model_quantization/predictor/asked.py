"""The reply of each component that was asked for its fast predictor, kept for `explain()`."""

from __future__ import annotations

from typing import NamedTuple

from model_quantization.families import Lowered, NotFast


class AskedComponent(NamedTuple):
    """Whether a component has a fast predictor, in words: the predictor itself is not kept.

    Attributes
    ----------
    type, family : str
        Exact class name, and the family that speaks for it.
    by : str
        Its predictor, in a few words; empty where it has none.
    methods : tuple of str
        Methods that its predictor answers.
    why, where : str
        Why it has none, and the path of the component that is the reason.
    """

    type: str
    family: str
    by: str
    methods: tuple[str, ...]
    why: str
    where: str

    @classmethod
    def of(cls, type_name: str, family: str, found: Lowered | NotFast) -> AskedComponent:
        """The result of a family's `lower`, in words."""
        if isinstance(found, NotFast):
            return cls(type_name, family, "", (), found.reason, found.where or "")
        return cls(type_name, family, found.by, tuple(found.methods), "", "")
