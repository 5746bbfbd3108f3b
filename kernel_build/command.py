"""setuptools' command that builds extension modules, with the kernels' own build in it."""

from __future__ import annotations

from pathlib import Path

from setuptools import Extension
from setuptools.command.build_ext import build_ext

from kernel_build.build import MODULE, build, sources


def extension() -> Extension:
    """The kernels as setuptools knows extension modules: of the stable ABI since Python 3.11."""
    return Extension(MODULE, sources=[str(path) for path in sources()], py_limited_api=True)


class BuildKernels(build_ext):  # type: ignore[misc, unused-ignore]
    """Builds the kernels where setuptools wants them."""

    def build_extension(self, ext: Extension) -> None:
        """Build one extension module."""
        build(Path(self.get_ext_fullpath(ext.name)).resolve())
