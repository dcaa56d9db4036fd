"""TypeScript types of the reading API, from its OpenAPI document: `python -m tools.api_types`.

Writes dashboard/src/api/schema.ts. A test checks that the file is what this makes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

from statnive.web import openapi, stats

FILE: Final = Path(__file__).parents[1] / "dashboard" / "src" / "api" / "schema.ts"
HEAD: Final = """/**
 * The answers of the reading API and the parameters of its routes, made from the OpenAPI document by
 * `python -m tools.api_types`; not edited by hand.
 */
"""
_SIMPLE: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
}


def document() -> dict[str, Any]:
    """The OpenAPI document, without a node: declaring a route reads nothing of its parts."""
    return openapi.document(stats.declared(cast(Any, None)))


def text_of(described: dict[str, Any]) -> str:
    """The file that says in TypeScript what `described`, an OpenAPI document, says."""
    schemas = described["components"]["schemas"]
    types = [f"export interface {_name(name)} {_type(schema, 0)}" for name, schema in sorted(schemas.items())]
    routes = [
        f"  '{path}': {{\n    params: {_params(operation['parameters'])};\n    answer: {_answer(operation)};\n  }};"
        for path, operations in sorted(described["paths"].items())
        for method, operation in operations.items()
        if method == "get" and _answer(operation)
    ]
    return (
        HEAD
        + "\n"
        + "\n\n".join(types)
        + "\n\n/** What may be asked of each route, and what it answers. */\nexport interface Routes {\n"
        + "\n".join(routes)
        + "\n}\n"
    )


def _name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _type(schema: dict[str, Any], depth: int) -> str:
    if "$ref" in schema:
        return _name(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return str(schema["const"]).lower() if isinstance(schema["const"], bool) else repr(schema["const"])
    if "enum" in schema:
        return " | ".join(f"'{value}'" for value in schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_SIMPLE[each] for each in kind)
    if kind == "array":
        inner = _type(schema["items"], depth) if "items" in schema else "unknown"
        return f"({inner})[]" if " | " in inner and not inner.startswith("{") else f"{inner}[]"
    if kind == "object":
        return _object(schema, depth)
    return _SIMPLE[kind] if isinstance(kind, str) else "unknown"


def _object(schema: dict[str, Any], depth: int) -> str:
    if "properties" not in schema:
        return "Record<string, unknown>"
    required, inside = set(schema.get("required", ())), "  " * (depth + 1)
    lines = [
        f"{inside}{key}{'' if key in required else '?'}: {_type(value, depth + 1)};"
        for key, value in schema["properties"].items()
    ]
    return "{\n" + "\n".join(lines) + "\n" + "  " * depth + "}"


def _params(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return "Record<never, never>"
    lines = [
        f"      {each['name']}{'' if each['required'] else '?'}: {_type(each['schema'], 0)};"
        for each in parameters
    ]
    return "{\n" + "\n".join(lines) + "\n    }"


def _answer(operation: dict[str, Any]) -> str:
    content = operation["responses"]["200"]["content"].get("application/json")
    return _type(content["schema"], 0) if content else ""


if __name__ == "__main__":
    FILE.write_text(text_of(document()))
    print(f"wrote {FILE}")
