"""Entries of mappings that a vectorizer of mappings knows; other vectorizers give their terms."""

from __future__ import annotations

from collections.abc import Mapping

from model_quantization.families.family import Component
from model_quantization.families.probing import Collect, ProbeValues
from model_quantization.families.text.names import MAPPINGS

MOST_ENTRIES = 400


def probe(component: Component, collect: Collect) -> ProbeValues | None:
    """Return the entries; None for what reads documents, whose terms any vocabulary gives."""
    names, separator = component.get("vocabulary_"), component.get("separator")
    if component.type != MAPPINGS or not isinstance(names, Mapping):
        return None
    known = [name for name in names if isinstance(name, str)]
    step = max(1, len(known) // MOST_ENTRIES)
    return ProbeValues(mappings=tuple(_entry(name, separator) for name in known[::step]))


def _entry(name: str, separator: object) -> tuple[str, str | None]:
    if not (isinstance(separator, str) and separator and separator in name):
        return name, None
    key, _, text = name.partition(separator)
    return key, text
