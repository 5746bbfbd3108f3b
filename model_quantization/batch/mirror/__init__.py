"""Runs on directories that are elsewhere: they are copied here, and the release is sent back.

::

    lock the output there
    pull     models and held-out data that changed; the release, so that nothing is done twice
    (the run, on the mirrors, as on any local directory)
    push     objects -> releases/<n>.json -> manifest.json -> names, statistics, tables
    unlock

Replacing the manifest is one conditional request: it fails when another run has published since
the pull. A run that is killed before it leaves the old release whole; one that is killed after it
leaves names and tables that the next run makes good. What a killed run had already released here
is pushed by the next one, unless the release there has changed in the meantime.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from model_quantization.batch.mirror.index import Index
from model_quantization.batch.mirror.pull import pull_inputs, pull_release
from model_quantization.batch.mirror.push import push_release
from model_quantization.batch.mirror.registry import pull_registered, register_published
from model_quantization.config.run_config import RunConfig
from model_quantization.evaluation.rows.formats import SUFFIXES as HELD_OUT_SUFFIXES
from model_quantization.files.lease import leased
from model_quantization.files.object_store import Location, is_registry
from model_quantization.names import looks_like_model


@contextmanager
def mirrored(config: RunConfig, *, all_objects: bool = False, push: bool = True) -> Iterator[None]:
    """Mirror the directories of `config`; afterwards push the release.

    Does nothing for local directories. When the block raises, nothing is pushed or registered.

    Parameters
    ----------
    all_objects : bool
        Also mirror the artifacts of earlier releases, for rolling back.
    push : bool
        False: push nothing. The output directory is locked in any case.

    Raises
    ------
    ConfigError
        There is nothing at a URL, or its package is not installed.
    ReleaseLocked
        Another run holds the output directory, or has published there meanwhile.
    StorageError
        The store cannot be reached.
    """
    index: Index = {}
    with ExitStack() as stack:
        output = Location(config.output_url) if config.output_url else None
        if output is not None:
            stack.enter_context(leased(output))
        registry = config.model_url if is_registry(config.model_url) else None
        if registry is not None:
            pull_registered(registry, config.model_path)
        elif config.model_url is not None:
            outputs = f"{config.output_url}/" if config.output_url else None
            pull_inputs(config.model_url, config.model_path, looks_like_model, outputs)
        if config.holdout_url is not None and config.holdout_path is not None:
            pull_inputs(config.holdout_url, config.holdout_path, _looks_held_out, None)
        if output is not None:
            index = pull_release(output, config.output_path, all_objects=all_objects)
        yield
        if output is not None and push:
            push_release(output, config.output_path, index)
        if config.register_as is not None and push:
            pulled = None if registry is None else config.model_path
            register_published(config.register_as, config.output_path, pulled)


def _looks_held_out(name: str) -> bool:
    return name.endswith(HELD_OUT_SUFFIXES)
