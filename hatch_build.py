"""What the wheel carries beside the package: the files that statnive serves and runs. An editable install has none of
them: there the checkout's own are used (statnive/resources.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = {"sql": "sql", "tracker": "tracker/dist", "dashboard": "dashboard/dist", "geo": "geo/dist"}


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds ASSETS to a standard wheel; refuses to build one without them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        for name, folder in ASSETS.items():
            path = Path(self.root) / folder
            if not path.is_dir() or not any(path.iterdir()):
                raise FileNotFoundError(f"{folder} is missing; `make build` makes it and then the wheel")
            build_data["force_include"][str(path)] = f"statnive/_assets/{name}"
