"""Where the built files are: inside the wheel, or in the checkout beside the package."""

from __future__ import annotations

from pathlib import Path

from statnive.errors import BrokenInput

_PACKAGE = Path(__file__).parent
_CHECKOUT = {"sql": "sql", "tracker": "tracker/dist", "dashboard": "dashboard/dist", "geo": "geo/dist"}


def directory(name: str) -> Path:
    """The folder of "sql", "tracker" or "dashboard" files. Raises BrokenInput when it was not built."""
    folder = optional_directory(name)
    if folder is None:
        raise BrokenInput(f"the {name} files are missing; in a checkout, `make build` makes them")
    return folder


def optional_directory(name: str) -> Path | None:
    """The same for what a node can do without ("geo"): None when it was not built."""
    for folder in (_PACKAGE / "_assets" / name, _PACKAGE.parent / _CHECKOUT[name]):
        if folder.is_dir():
            return folder
    return None
