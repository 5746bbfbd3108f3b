"""FORMAT.md names everything that a file may hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import model_quantization.artifact
from model_quantization.artifact.manifest import _KEYS as MANIFEST_KEYS
from model_quantization.artifact.manifest import VERSION
from model_quantization.codecs import REGISTRY
from model_quantization.families import all_families
from model_quantization.families.forest.stored.parts import LEAF_PARTS
from model_quantization.families.text.terms import STREAMS
from model_quantization.graph.json_form import _READERS as NODE_TAGS
from model_quantization.graph.json_form import _TAG_SEQUENCES as SEQUENCE_TAGS
from model_quantization.limits import Limits
from model_quantization.schemes.quantized_array import META_KEYS
from model_quantization.schemes.scheme import KINDS
from tests.artifact import models
from tests.artifact.forge import Forged
from tests.artifact.golden_files import DIRECTORY
from tests.artifact.samples import model_file

PAGE = Path(model_quantization.artifact.__file__).with_name("FORMAT.md").read_text("utf-8")
WORDS = set(re.findall(r"`([^`\s]+)`", PAGE))


def test_it_is_of_this_version() -> None:
    assert PAGE.startswith(f"# The `.qma` format, version {VERSION}\n")


def test_it_names_every_codec() -> None:
    assert set(REGISTRY) <= WORDS


def test_it_names_every_key_of_the_manifest_and_of_an_array() -> None:
    assert {*MANIFEST_KEYS, *META_KEYS} <= WORDS
    inner = {key for value in MANIFEST_KEYS.values() if isinstance(value, dict) for key in value}
    assert all(f'"{key}"' in PAGE for key in inner)


def test_it_names_every_scheme() -> None:
    assert all(f'"kind": "{kind}"' in PAGE for kind in KINDS if kind != "drop")


@pytest.mark.parametrize("tag", ["#", *NODE_TAGS, *SEQUENCE_TAGS])
def test_it_names_every_node(tag: str) -> None:
    assert f'["{tag}"' in PAGE


def test_it_has_a_section_for_every_family_that_packs() -> None:
    for family in all_families():
        if family.pack is not None:
            assert f"### `{family.name}`" in PAGE


def part_names(node: Any) -> set[str]:
    """The parts of all packed nodes in a graph."""
    found: set[str] = set()
    if isinstance(node, list) and node:
        if node[0] == "p" and len(node) > 3:  # a shorter one is a list of values
            found |= {name for name, _ in node[3]}
        found |= {name for item in node for name in part_names(item)}
    return found


@pytest.mark.parametrize("bit_depth", ["exact", "8"])
def test_it_names_every_part_of_packed_components(bit_depth: str) -> None:
    files = [model_file(name, bit_depth) for name in ("forest", "text")]
    files += [models.tree_file(packed=True), models.histogram_file(packed=True)]
    files += [path.read_bytes() for path in sorted(DIRECTORY.glob("*.qma"))]
    found = {name for data in files for name in part_names(Forged.of(data).manifest["graph"])}
    own = {name for name in found if name.startswith(("tree_", "terms.", "idf.", "names."))}
    assert len(own) > 12
    assert own <= WORDS
    assert {*LEAF_PARTS, *(f"terms.{name}" for name in STREAMS)} <= WORDS


def test_it_says_the_limits_there_are() -> None:
    limits = Limits()
    said = PAGE[PAGE.index("## 10. Limits") : PAGE.index("## 11. Versions")]
    assert f"{limits.nodes:,} nodes" in said
    assert f"nesting {limits.depth}" in said
    assert f"{limits.arrays:,} arrays" in said
    assert f"manifest {limits.manifest_bytes >> 20} MiB" in said
    assert f"file {limits.file_bytes >> 30} GiB" in said
    assert f"{limits.decoded_bytes >> 30} GiB of decoded streams" in said


def test_the_independent_reader_knows_nothing_of_the_library() -> None:
    source = Path(__file__).with_name("independent_reader.py").read_text("utf-8")
    imported = set(re.findall(r"^(?:from|import) (\w+)", source, re.M))
    assert imported == {
        *("__future__", "typing", "hashlib", "json", "lzma", "math", "struct"),
        *("numpy", "zstandard", "pcodec"),
    }
