"""attrs classes from JSON and back, strictly: a misspelt fault is an error, not one that never happens."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import cattrs
from cattrs.v import format_exception

_STRICT: Final = cattrs.Converter(forbid_extra_keys=True)
_T = TypeVar("_T")


def read_value(value: Any, into: type[_T]) -> _T:
    """`value` (from JSON) as `into`. Raises ValueError that names each wrong place."""
    try:
        return _STRICT.structure(value, into)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(cattrs.transform_error(error, format_exception=_words))) from error
    except (ValueError, TypeError, AttributeError, re.error) as error:
        raise ValueError(f"{into}: {error}") from error


def write_value(value: Any) -> Any:
    """`value` for JSON."""
    return _STRICT.unstructure(value)


def _words(error: BaseException, type_: type | None) -> str:
    """cattrs says "invalid value" for what a class's own check has a sentence for."""
    if isinstance(error, (ValueError, re.error)) and not isinstance(error, cattrs.BaseValidationError):
        return str(error)
    return format_exception(error, type_)
