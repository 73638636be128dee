"""A check of a gateway's OpenAPI document against the reference contract.

`python tests/contract/contract_check.py OPENAPI.json [--quiet]` prints one line per difference and
a summary, and exits 1 if anything differs.

The document must have every operation with its parameters, security, request and response schema;
every schema by name with every field; and, where the reference spells a schema out, its required
fields, types, nullability, defaults and bounds. The document may contain more than the contract.
"""

import argparse
import json
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

REFERENCE = Path(__file__).with_name("reference_contract.json")
_REF = "#/components/schemas/"
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems")
_FORMATS = ("uuid", "date-time", "binary")
_SHAPES_BY_WORD = {
    "string": {"string"},
    "string(uuid)": {"string:uuid"},
    "string(date-time)": {"string:date-time"},
    "string(binary)": {"string:binary", "string"},
    "integer": {"integer"},
    "number": {"number"},
    "boolean": {"boolean"},
}


@dataclass
class Report:
    """The number of checks, and the differences."""

    differences: list[str] = field(default_factory=list)
    checked: int = 0
    found: int = 0
    wanted: int = 0

    def expect(self, is_so: bool, otherwise: str) -> bool:  # noqa: FBT001 -- reads as a sentence
        self.checked += 1
        if not is_so:
            self.differences.append(otherwise)
        return is_so

    def summary(self, what: str) -> str:
        passed = self.checked - len(self.differences)
        return f"{what} {self.found}/{self.wanted}, checks {passed}/{self.checked}"


def load_contract() -> Json:
    return json.loads(REFERENCE.read_text())


def check_operations(
    document: Json, contract: Json, only: Collection[tuple[str, str]] | None = None
) -> Report:
    """Compare the routes; `only` names (method, path) pairs, for a gateway still growing."""
    report = Report()
    for wanted in contract["operations"]:
        if only is not None and (wanted["method"], wanted["path"]) not in only:
            continue
        report.wanted += 1
        label = f"{wanted['method']} {wanted['path']}"
        route = _route(document, wanted["path"])
        mine = route.get(wanted["method"].lower())
        if not report.expect(mine is not None, f"{label}: missing"):
            continue
        report.found += 1
        _check_parameters(report, label, wanted, route, document)
        _check_request(report, label, wanted, mine)
        _check_response(report, label, wanted, mine)
    return report


def check_schemas(document: Json, contract: Json) -> Report:
    """Compare the schemas, by name and field."""
    report = Report(wanted=len(contract["schemas"]))
    schemas = _schemas_by_name(document)
    text = json.dumps(document)
    for name, wanted in contract["schemas"].items():
        if name.startswith("Body_"):
            start = name.lower()[:20]
            is_there = any(mine.lower().startswith(start) for mine in schemas)
        elif wanted["detail"] == "name":
            is_there = name in schemas or f'"{_REF}{name}"' in text
        else:
            is_there = name in schemas
        if not report.expect(is_there, f"schema {name}: missing"):
            continue
        report.found += 1
        if name.startswith("Body_"):
            continue
        if wanted["detail"] == "full":
            _check_full_schema(report, name, wanted["schema"], schemas)
        elif wanted["detail"] == "table":
            _check_listed_fields(report, name, wanted["fields"], schemas[name])
    return report


def _route(document: Json, path: str) -> Json:
    paths = document.get("paths", {})
    return paths.get(path) or paths.get(path.replace("{path}", "{path:path}")) or {}


def _check_parameters(
    report: Report, label: str, wanted: Json, route: Json, document: Json
) -> None:
    mine = route[wanted["method"].lower()]
    declared = mine.get("parameters", []) + route.get("parameters", [])
    have = {(parameter["name"], parameter["in"]): parameter for parameter in declared}
    for parameter in wanted["parameters"]:
        if parameter["in"] == "security":
            is_secured = bool(mine.get("security") or document.get("security"))
            report.expect(is_secured, f"{label}: no security requirement")
            continue
        name = f"{label}: parameter {parameter['name']}"
        found = have.get((parameter["name"], parameter["in"]))
        if not report.expect(found is not None, f"{name} missing"):
            continue
        schema = found.get("schema", {})
        if "default" in parameter:
            got = schema.get("default")
            want = parameter["default"]
            report.expect(got == want, f"{name} default is {got!r}, reference {want!r}")
        if parameter.get("type") in {"integer", "boolean", "number"}:
            got = _shape(schema)
            want = parameter["type"]
            report.expect(got in {want, "any"}, f"{name} is {got}, reference {want}")


def _check_request(report: Report, label: str, wanted: Json, mine: Json) -> None:
    if "request" not in wanted:
        return
    content = mine.get("requestBody", {}).get("content", {})
    if wanted["request"].get("multipart") or "Body_" in str(wanted["request"]):
        report.expect("multipart/form-data" in content, f"{label}: no multipart body")
        return
    body = content.get("application/json", {}).get("schema", {})
    lacking = set(_references(wanted["request"])) - set(_references(body))
    report.expect(not lacking, f"{label}: request lacks {sorted(lacking)}")


def _check_response(report: Report, label: str, wanted: Json, mine: Json) -> None:
    if "response" not in wanted:
        return
    got = {
        name
        for code, response in mine.get("responses", {}).items()
        if code.startswith("2")
        for name in _references(
            response.get("content", {}).get("application/json", {}).get("schema", {})
        )
    }
    lacking = set(_references(wanted["response"])) - got
    report.expect(not lacking, f"{label}: response lacks {sorted(lacking)}")


def _check_full_schema(report: Report, name: str, wanted: Json, schemas: dict[str, Json]) -> None:
    got = schemas[name]
    have = set(got.get("required", [])) & set(wanted["properties"])
    want = set(wanted.get("required", []))
    report.expect(have == want, f"{name}: required is {sorted(have)}, reference {sorted(want)}")
    properties = got.get("properties", {})
    for field_name, spec in wanted["properties"].items():
        label = f"{name}.{field_name}"
        if report.expect(field_name in properties, f"{label}: missing"):
            _check_full_field(report, label, spec, properties[field_name], schemas)


def _check_full_field(
    report: Report, label: str, spec: Json, mine: Json, schemas: dict[str, Json]
) -> None:
    want, have = _shape(spec), _shape(mine)
    # One of our enums is accepted for a plain string of the reference.
    is_enum = have.startswith("ref:") and bool(schemas.get(have[4:], {}).get("enum"))
    is_same = want == have or "any" in {want, have} or (want == "string" and is_enum)
    report.expect(is_same, f"{label}: type is {have}, reference {want}")
    wanted, want_null = _without_null(spec)
    got, have_null = _without_null(mine)
    report.expect(
        want_null == have_null or not got,
        f"{label}: nullable is {have_null}, reference {want_null}",
    )
    if spec.get("default") is not None:
        report.expect(
            mine.get("default") == spec["default"],
            f"{label}: default is {mine.get('default')!r}, reference {spec['default']!r}",
        )
    for bound in _BOUNDS:
        if wanted.get(bound) is not None:
            report.expect(
                got.get(bound) == wanted[bound],
                f"{label}: {bound} is {got.get(bound)!r}, reference {wanted[bound]!r}",
            )


def _check_listed_fields(report: Report, name: str, fields: Json, got: Json) -> None:
    properties = got.get("properties", {})
    for field_name, spec in fields.items():
        label = f"{name}.{field_name}"
        if not report.expect(field_name in properties, f"{label}: missing"):
            continue
        allowed = _SHAPES_BY_WORD.get(spec.get("type"))
        if allowed:
            have = _shape(properties[field_name])
            is_same = have in allowed | {"any"} or have.startswith("ref:")
            report.expect(is_same, f"{label}: type is {have}, reference {spec['type']}")


def _schemas_by_name(document: Json) -> dict[str, Json]:
    """Return the schemas without FastAPI's suffixes; an input schema wins over an output schema."""
    schemas: dict[str, Json] = {}
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        if name.endswith("-Input"):
            schemas[_base_name(name)] = schema
        else:
            schemas.setdefault(_base_name(name), schema)
    return schemas


def _base_name(name: str) -> str:
    return name.removesuffix("-Input").removesuffix("-Output")


def _without_null(schema: Json) -> tuple[Json, bool]:
    """Return the schema without its null branch, and True where it had one."""
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        rest = [branch for branch in branches if branch.get("type") != "null"]
        if len(rest) != len(branches):
            return (rest[0] if len(rest) == 1 else {"anyOf": rest}), True
    return schema, False


def _references(schema: Json) -> Iterator[str]:
    """Return the names of the schemas that a body may have."""
    if "$ref" in schema:
        yield _base_name(schema["$ref"].removeprefix(_REF))
        return
    for key in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(key, []):
            yield from _references(branch)
    if schema.get("type") == "array":
        yield from _references(schema.get("items", {}))


def _shape(schema: Json) -> str:
    """Return a comparable form of a type: without descriptions, references by name."""
    schema, _ = _without_null(schema)
    if "$ref" in schema:
        return "ref:" + _base_name(schema["$ref"].removeprefix(_REF))
    if len(schema.get("allOf", [])) == 1:
        return _shape(schema["allOf"][0])
    if schema.get("type") == "array":
        return f"array<{_shape(schema.get('items', {}))}>"
    if "anyOf" in schema or "oneOf" in schema:
        return "any"
    kind = schema.get("type", "any")
    return f"{kind}:{schema['format']}" if schema.get("format") in _FORMATS else kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("openapi", type=Path)
    parser.add_argument("--quiet", action="store_true", help="only the summary")
    arguments = parser.parse_args()
    document, contract = json.loads(arguments.openapi.read_text()), load_contract()
    operations = check_operations(document, contract)
    schemas = check_schemas(document, contract)
    differences = operations.differences + schemas.differences
    lines = [] if arguments.quiet else differences
    summary = f"contract: {operations.summary('operations')}; {schemas.summary('schemas')}"
    sys.stdout.write("\n".join([*lines, summary]) + "\n")
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
