"""The advice on a verdict, as precisely as the record allows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from model_quantization.dangerous import DO_NOT_OPEN, warning
from model_quantization.outcome import Guarantee, Outcome, Reason, Status
from model_quantization.version import report_it

UNLISTED = "on the allow-list"  # as every refusal of a name says
_NAME = re.compile(r"(?<![\w.:])[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_MORE_BITS = {"8": "16", "16": "exact", "32": "exact", "auto": "exact"}
_ROUNDED = frozenset(
    {
        Reason.GATE,
        Reason.CLASS_RECALL,
        Reason.RANKING,
        Reason.PROPER_SCORE,
        Reason.RUINED_ROWS,
        Reason.PROBABILITY_SHIFT,
        Reason.SCORE_ERROR,
        Reason.RANK_CORRELATION,
        Reason.NAN_ANSWERS,
        Reason.TIER,
    }
)


@dataclass(frozen=True, slots=True)
class NextStep:
    """One sentence, and where it helps the lines to put into the configuration."""

    text: str
    configuration: str = ""


def is_hostile(outcome: Outcome) -> bool:
    """Whether the file has names that only a hostile one uses; no advice may trust it."""
    if outcome.status is not Status.REFUSED:
        return False
    named = warning(_NAME.findall(outcome.note))  # records of earlier versions have no more
    return outcome.reason == "hostile_file" or DO_NOT_OPEN in outcome.note or bool(named)


def next_step(outcome: Outcome) -> NextStep:
    """The advice on one model's verdict; for most models there is nothing to do."""
    if outcome.status is Status.PUBLISHED:
        return _published(outcome)
    if outcome.status is Status.UNVERIFIED:
        return _unverified(outcome)
    if outcome.status is Status.NO_GAIN:
        return NextStep("Nothing: the original is served, and it is small enough.")
    if outcome.status is Status.FALLBACK:
        return _fallback(outcome)
    return _broken(outcome)


def _published(outcome: Outcome) -> NextStep:
    if outcome.guarantee is Guarantee.INCONCLUSIVE:
        return NextStep(
            f"It is served, although the rows are too few to prove it. {_add_rows(outcome)}"
        )
    return NextStep("Nothing: the artifact is served.")


def _unverified(outcome: Outcome) -> NextStep:
    file = f"{outcome.name}.parquet"
    step = f"Put held-out rows with their target into `{file}` in the held-out directory"
    if outcome.published:
        return NextStep(f"It is served without proof. {step}; the next run then judges it.")
    return NextStep(f"The original is served. {step}; or set `gate.publish_unverified`.")


def _fallback(outcome: Outcome) -> NextStep:
    reason = outcome.reason
    if reason == Reason.ORIGINAL_NAN:
        return NextStep("Retrain or repair the original: its own answers hold NaN or infinity.")
    if reason == Reason.FAILED_METHOD:
        return NextStep(
            f"An artifact must answer: {report_it()}. Until then:",
            _override(outcome.name, "exact"),
        )
    if reason == Reason.INCONCLUSIVE:
        return NextStep(f"{_add_rows(outcome)} Or allow a larger drop for this model.")
    if reason == Reason.BUDGET:
        return NextStep(
            "The original is served: nothing within the budget of bytes passes. Allow more bytes "
            "(max_bytes, target_ratio), or a larger drop of the score."
        )
    if reason in _ROUNDED and outcome.bit_depth != "exact":
        more = _MORE_BITS.get(outcome.bit_depth, "exact")
        return NextStep(
            f"The original is served. To get a smaller file, use {_words(more)}:",
            _override(outcome.name, more),
        )
    return NextStep(
        f"The original is served. An exact artifact should lose nothing: {report_it()}."
    )


def _broken(outcome: Outcome) -> NextStep:
    reason = outcome.reason
    if reason == Reason.DIFFERS:
        return NextStep(
            "The original is served. An artifact that rounds nothing must answer the same bits: "
            f"{report_it()}."
        )
    if is_hostile(outcome):
        return NextStep(
            "Do not open this file. Find out who put it there, and remove it. Programs that "
            "opened it before may be compromised."
        )
    if reason == "untrusted_type" or UNLISTED in outcome.note:
        return _unlisted(outcome)
    if reason in ("scan_refused", "scan_malformed"):
        return NextStep(
            "Find out where this file comes from. Do not open it by other means: it is damaged, "
            "or it does something that no model needs."
        )
    if reason == "path_refused":
        return NextStep("Put the file itself there: links, pipes and devices are not read.")
    if reason == "limit":
        return NextStep("If the model is meant to be this large, raise the limit that is named.")
    if reason in ("worker_crashed", "worker_timeout", "system"):
        return NextStep("The next run tries again. If it fails then too, give it more memory.")
    if outcome.status is Status.REFUSED:
        return NextStep("The file was not opened; first find out what it is.")
    if reason in ("unsupported_component", "scheme", "unfitted_model", "held_out"):
        return NextStep("Repair what the message names; until then the original is served.")
    return NextStep("The log of the run says more; the next run tries again.")


def _unlisted(outcome: Outcome) -> NextStep:
    """The advice on names that are not on the allow-list; the note names them."""
    if "cloudpickle" in outcome.note or "__main__:" in outcome.note:
        return NextStep(
            "These cannot be trusted by name. Put the classes and functions into a module that is "
            "installed where models are quantized and served, import them from there, and save "
            "the model again with pickle or joblib."
        )
    names = dict.fromkeys(_NAME.findall(outcome.note.partition(UNLISTED)[0]))
    names |= dict.fromkeys(
        _NAME.findall(outcome.note.partition(f"{UNLISTED}: ")[2].partition(";")[0])
    )
    listed = "".join(f"  - {name}\n" for name in names) or "  - your_module:YourClass\n"
    return NextStep(
        "If these are yours, or you know that they are harmless, trust them by name; otherwise do "
        "not open this file.",
        f"trusted:\n{listed}",
    )


def _add_rows(outcome: Outcome) -> str:
    needed = outcome.evaluation.get("rows_needed")
    if isinstance(needed, int):
        return f"Add held-out rows: about {needed:,} in all would tell."
    return "Add held-out rows."


def _words(bit_depth: str) -> str:
    return "the lossless artifact" if bit_depth == "exact" else f"{bit_depth} bits"


def _override(name: str, bit_depth: str) -> str:
    """Lines of YAML that give one model another precision."""
    literal = "".join(f"[{char}]" if char in "*?[" else char for char in name)
    return f"overrides:\n  - match: {json.dumps(literal)}\n    bit_depth: {bit_depth}\n"
