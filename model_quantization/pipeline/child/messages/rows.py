"""The held-out rows of a model, as the child process is asked for them and answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_quantization.evaluation.rows.division import Division
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.records import Record


@dataclass(frozen=True, slots=True)
class RowsRequest(Record):
    """The held-out rows for a model, and how they are read.

    Attributes
    ----------
    held_out : Path
        The file, absolute.
    target : tuple of str
        Its target columns.
    calibration_rows : int
        Number of rows at the beginning that calibrate and are not answered.
    divided : bool
        A precision is chosen from rows: they are divided by their hashes, and the gate sees no row
        of the other parts (`evaluation.rows.division`). `calibration_rows` then says nothing.
    calibration : Path or None
        A file whose rows spare the gate its own; only where they are divided.
    refit : Path or None
        A file of labelled rows that the model was trained on; only where rows are divided.
    """

    held_out: Path
    target: tuple[str, ...] = ("target",)
    calibration_rows: int = 0
    divided: bool = False
    calibration: Path | None = None
    refit: Path | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is read for these rows."""
        found = (self.held_out, self.calibration, self.refit)
        return tuple(str(path) for path in found if path is not None)


@dataclass(frozen=True, slots=True)
class RowsReply(Record):
    """How the original answered the rows; the workspace has the answers.

    Attributes
    ----------
    answered : str
        Path of the estimator that answered.
    expected : ExpectedRows
        What that estimator says of the rows it takes.
    grams : tuple of str
        Path of each calibrated array; its second moments lie in `grams.npz`, in this order.
    division : Division or None
        How the rows were divided; None where nothing is chosen from rows.
    inputs : tuple of str
        Path of each layer of weights whose calibration rows lie in `inputs.npz`, in this order.
    labelled : tuple of str
        The same for labelled training rows, in `labelled.npz`, with the labels behind them.
    """

    answered: str
    expected: ExpectedRows
    grams: tuple[str, ...]
    division: Division | None = None
    inputs: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
