"""Puts the library into the wheel, which then is for one platform; scripts/wheel.sh says which."""

from __future__ import annotations

import os
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LibraryHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        library = os.environ["VIXDISKLIB_BUNDLE"]
        build_data["tag"] = f"py3-none-{os.environ['VIXDISKLIB_PLATFORM']}"
        build_data["pure_python"] = False
        build_data["force_include"][library] = "vixdisklib/lib/libvixDiskLib.so.8"
