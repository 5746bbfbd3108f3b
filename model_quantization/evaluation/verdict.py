"""What becomes of a quantized model, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_quantization.evaluation.checks import Check
from model_quantization.outcome import Guarantee, Status
from model_quantization.records import Record


@dataclass(frozen=True, slots=True)
class Verdict(Record):
    """What becomes of a quantized model.

    Attributes
    ----------
    status : Status
    guarantee : Guarantee
        The tier of the served model: `fallback` where the original stays because of a loss, a
        failure or no gain.
    attained : Guarantee
        The tier by the evaluation alone, without size and policy.
    publish : bool
    reason : str
        A `Reason`; empty when published.
    note : str
        One sentence: the limit, the value, and what to do.
    checks : tuple of Check
        Every limit that applied.
    """

    status: Status
    guarantee: Guarantee
    attained: Guarantee
    publish: bool
    reason: str
    note: str
    checks: tuple[Check, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        record = Record.to_json(self)
        record["checks"] = [check.to_json() for check in self.checks]
        return record
