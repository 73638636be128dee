"""Data that follows a JSON schema: deterministic, by types and enums. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

_DEPTH = 6
"""Deepest nesting that is filled; beyond it, optional parts are left out and lists are empty."""
_HINT = re.compile(r"\b((?:exclusiveM|m)(?:ini|axi)mum): (-?\d+(?:\.\d+)?)")
_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "email": "a@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


@dataclass(frozen=True)
class Filler:
    """Fills a schema and what it refers to.

    Attributes:
        root: the schema.
        colour: a word for its texts.
        seed: varies the choices.
        people: for fields that count people.
    """

    root: Mapping[str, Any]
    colour: str
    seed: int
    people: int = 0

    def value(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        """Return data for a part of the schema; `name`: of the field that it is for."""
        given = self._resolved(schema)
        if "const" in given:
            return given["const"]
        if given.get("enum"):
            return given["enum"][self._pick(name) % len(given["enum"])]
        return self._typed(self._joined(given, depth), name, depth)

    def _joined(self, given: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """Return a schema with the parts that it combines."""
        for key in ("anyOf", "oneOf", "allOf"):
            if not given.get(key):
                continue
            parts = [self._resolved(part) for part in given[key]]
            if key != "allOf":
                is_deep = depth >= _DEPTH
                kinds = [each for each in parts if (each.get("type") == "null") == is_deep]
                parts = (kinds or parts)[:1]
            given = {name: value for name, value in given.items() if name != key}
            for part in parts:
                given = _merged(given, part)
            return self._joined(given, depth)
        return given

    def _typed(self, given: Mapping[str, Any], name: str, depth: int) -> Any:
        if "const" in given or given.get("enum"):
            return self.value(given, name, depth)
        kind: Any = given.get("type") or _implied(given)
        if isinstance(kind, list):
            kinds = cast("list[str]", kind)
            kind = next((word for word in kinds if word != "null"), "null")
        match kind:
            case "object":
                found: Any = self._object(given, depth)
            case "array":
                found = self._array(given, name, depth)
            case "integer":
                found = self._integer(given, name)
            case "number":
                found = self._number(given, name)
            case "boolean":
                found = self._pick(name) % 2 == 0
            case "null":
                found = None
            case _:
                found = self._text(given, name)
        return found

    def _object(self, given: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required: set[str] = set(given.get("required") or ())
        properties: Mapping[str, Any] = given.get("properties") or {}
        wanted = {
            name: schema
            for name, schema in properties.items()
            if name in required or (depth < _DEPTH and schema is not False)
        }
        out = {name: self.value(schema, name, depth + 1) for name, schema in wanted.items()}
        more = given.get("additionalProperties")
        for name in sorted(required - out.keys()):
            out[name] = self.value(more if isinstance(more, Mapping) else True, name, depth + 1)
        return out

    def _array(self, given: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        first: list[Any] = list(given.get("prefixItems") or ())
        least, most = int(given.get("minItems", 0)), int(given.get("maxItems", 1_000))
        wanted = 0 if depth >= _DEPTH else 1
        number = min(max(least, wanted, len(first)), most)
        rest = given.get("items", True)
        if rest is False:
            number = min(number, len(first))
        out: list[Any] = []
        for index in range(number):
            schema = first[index] if index < len(first) else rest
            own = f"{name}{index}" if index or given.get("uniqueItems") else name
            out.append(self.value(schema, own, depth + 1))
        return out

    def _integer(self, given: Mapping[str, Any], name: str) -> int:
        low, high = _range(given, 0, 3, is_whole=True)
        if "people" in name and low <= self.people <= high:
            return self.people
        step = int(given.get("multipleOf") or 1)
        first = -(-int(low) // step) * step
        count = (int(high) - first) // step + 1
        return first + step * (self._pick(name) % max(1, count))

    def _number(self, given: Mapping[str, Any], name: str) -> float:
        if step := given.get("multipleOf"):
            low, _ = _range(given, 0, 1)
            return step * -(-low // step)
        low, high = _range(given, 0, 1)
        share = (self._pick(name) % 998 + 1) / 1000
        return low + (high - low) * share

    def _text(self, given: Mapping[str, Any], name: str) -> str:
        text = _FORMATS.get(str(given.get("format")))
        if text is None:
            text = self.colour if "colo" in name else f"{self.colour} {name}".strip()
        least, most = int(given.get("minLength", 0)), given.get("maxLength")
        text = text + "." * (least - len(text))
        return text if most is None else text[: int(most)]

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        given = cast("Mapping[str, Any]", schema if isinstance(schema, Mapping) else {})
        return self._resolved(self._target(str(given["$ref"]))) if "$ref" in given else given

    def _target(self, ref: str) -> Any:
        target: Any = self.root
        for part in ref.removeprefix("#").strip("/").split("/"):
            if part:
                target = target[part.replace("~1", "/").replace("~0", "~")]
        return target

    def _pick(self, name: str) -> int:
        """Return a number by the field's name and the statistics."""
        digest = hashlib.sha256(f"{name}/{self.seed}".encode(errors="surrogatepass"))
        return int.from_bytes(digest.digest()[:6])


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = sorted({*one["required"], *other["required"]})
    return merged


def _implied(given: Mapping[str, Any]) -> str:
    if "properties" in given or "required" in given:
        return "object"
    return "array" if "items" in given or "prefixItems" in given else "string"


def _hinted(given: Mapping[str, Any]) -> dict[str, float]:
    """Return the bounds that a description states, where a vendor's schemas cannot."""
    found = _HINT.findall(str(given.get("description", "")))
    return {name: float(number) for name, number in found}


def _range(
    given: Mapping[str, Any], low: float, high: float, *, is_whole: bool = False
) -> tuple[float, float]:
    """Return the range of a number; a bound that is not stated is near the other."""
    span, step = high - low, 1 if is_whole else 1e-6
    given = {**_hinted(given), **given}
    least = given.get("minimum")
    if (above := given.get("exclusiveMinimum")) is not None:
        least = max(above + step, above + step if least is None else least)
    most = given.get("maximum")
    if (below := given.get("exclusiveMaximum")) is not None:
        most = min(below - step, below - step if most is None else most)
    if least is None:
        least = low if most is None or most >= low else most - span
    if most is None:
        most = max(high, least + span)
    return least, most
