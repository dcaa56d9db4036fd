"""The dashboard's types of the API are those of the OpenAPI document."""

from __future__ import annotations

from tools.api_types import FILE, document, text_of


def test_the_dashboard_s_types_are_made_from_the_document_of_today() -> None:
    assert FILE.read_text() == text_of(document()), "run `python -m tools.api_types`"


def test_a_schema_is_said_in_typescript() -> None:
    answer = {"$ref": "#/components/schemas/two_words"}
    parameters = [
        {"name": "site", "required": True, "schema": {"type": "string"}},
        {"name": "limit", "required": False, "schema": {"type": "integer", "minimum": 1}},
    ]
    content = {"application/json": {"schema": answer}}
    text = text_of(
        {
            "paths": {"/a": {"get": {"parameters": parameters, "responses": {"200": {"content": content}}}}},
            "components": {
                "schemas": {
                    "two_words": {
                        "type": "object",
                        "required": ["a"],
                        "properties": {
                            "a": {"type": ["number", "null"]},
                            "b": {"type": "array", "items": {"enum": ["x", "y"]}},
                            "c": {"const": True},
                        },
                    }
                }
            },
        }
    )
    assert "export interface TwoWords {\n  a: number | null;\n  b?: ('x' | 'y')[];\n  c?: true;\n}" in text
    assert (
        "  '/a': {\n    params: {\n      site: string;\n      limit?: number;\n    };\n    answer: TwoWords;\n  };"
        in text
    )
