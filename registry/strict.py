"""Strict reading of YAML and JSON lines into domain types.

Duplicate keys, unknown keys and wrong values are errors that name the file, the line, the key and the
nearest right name. All errors of a file are collected before they are raised.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, SequenceNode

from assay.registry.errors import ContentError, nearest
from assay.registry.types.base import NAME_PATTERN
from assay.registry.types.bundle import MLFLOW_URI_PATTERN
from assay.registry.types.suite import SCORER_PATTERN

__all__ = ["line_of", "load_yaml", "parse_json", "parse_yaml", "plain_json", "read_text", "validation_problems"]

M = TypeVar("M", bound=BaseModel)

_FORMS = {
    NAME_PATTERN: "a name begins with a letter or digit and goes on with letters, digits, '_', '.' and '-'",
    MLFLOW_URI_PATTERN: "a model is pinned by number, as models:/NAME/VERSION; an alias or a stage may move to another",
    SCORER_PATTERN: "a scorer is a name, or module and class or function as in 'checks.thanks:number', without '.py'",
}
"""What people read in place of a regular expression."""

# The C parser is ten times as fast and comes with every PyYAML wheel; a source build may lack it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte-order mark and with line ends as they are.

    Raises:
        ContentError: the file is missing, is a folder, cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise ContentError(f"there is no such file.{nearest(path.name, siblings)}", file=path) from None
    except UnicodeDecodeError as error:
        raise ContentError(f"not UTF-8 text: {error.reason} at byte {error.start}", file=path) from None
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", file=path) from None


def load_yaml(path: Path, model: type[M]) -> M:
    """Read a YAML file into `model`. Raises ContentError, with every problem of the file in its text."""
    return parse_yaml(read_text(path), model, file=path)


def parse_yaml(text: str, model: type[M], *, file: Path | str) -> M:
    """Parse YAML text into `model`. Raises ContentError, with every problem of the text in its message."""
    try:
        node, data = _read_yaml(text, file)
        plain = json.dumps(data, default=str)
    except RecursionError:
        raise ContentError("it is nested too deeply", file=file) from None
    try:
        return model.model_validate_json(plain)
    except ValidationError as error:
        lines = [str(_problem(p, node, file)) for p in validation_problems(error, model)]
        raise ContentError("\n".join(lines)) from None


def _read_yaml(text: str, file: Path | str) -> tuple[MappingNode, Any]:
    try:
        # What a reviewer signs has to be read without following references; and they can grow without bound.
        alias = next((event for event in yaml.parse(text, Loader=_Loader) if isinstance(event, AliasEvent)), None)
        node = yaml.compose(text, Loader=_Loader) if alias is None else None
        data = yaml.load(text, Loader=_Loader) if alias is None else None  # noqa: S506 - both loaders are the safe ones
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ContentError(f"not valid YAML: {error.problem}", file=file, line=line) from None
    except yaml.YAMLError as error:
        raise ContentError(f"not valid YAML: {' '.join(str(error).split())}", file=file) from None
    if alias is not None:
        line = alias.start_mark.line + 1
        raise ContentError(
            f"the alias *{alias.anchor}: aliases are not read in YAML here, write it out", file=file, line=line
        )
    if node is None:
        raise ContentError("the file is empty", file=file)
    if not isinstance(node, MappingNode):
        raise ContentError("a mapping (key: value) is expected at the top", file=file, line=1)
    _refuse_duplicates(node, file)
    return node, data


def plain_json(text: str | bytes, *, surrogates: bool = False) -> Any:
    """The value of one JSON text, for formats that have no model of their own.

    Args:
        text: UTF-8 where it is bytes.
        surrogates: let half characters pass, for a caller that tells better where they stand.

    Raises:
        ContentError: it is not UTF-8, not JSON, or what only some parsers let through: a key that stands twice, NaN or
            infinity, a lone surrogate, nesting without end. It names the column, or the line of several.
    """
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = json.loads(decoded, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite)
        if not surrogates and "\\u" in decoded:  # an escape may stand for half a character, which no file can hold
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise ContentError(f"not UTF-8 text: {error.reason} at byte {error.start}") from None
    except UnicodeEncodeError as error:
        raise ContentError(f"not Unicode text: {error.reason}") from None
    except json.JSONDecodeError as error:
        line = error.lineno if "\n" in error.doc else None
        raise ContentError(f"not valid JSON: {error.msg} at column {error.colno}", line=line) from None
    except RecursionError:
        raise ContentError("not valid JSON: it is nested too deeply") from None
    except ValueError as error:
        raise ContentError(f"not valid JSON: {error}") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def parse_json(text: str | bytes, model: type[M], *, file: Path | str, line: int | None = None) -> M:
    """Parse one JSON document (or one line of a JSON-lines file) into `model`. Raises ContentError."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        problems = [ContentError(p[1], file=file, line=line, key=p[0]) for p in validation_problems(error, model)]
        raise ContentError("\n".join(map(str, problems))) from None


def validation_problems(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, str]]:
    """Each problem as (dotted key, what is wrong with it and the nearest right name)."""
    problems: list[tuple[str, str]] = []
    items = error.errors(include_url=False)
    for item in items:
        if item["type"] == "too_short" and any(_inside(other["loc"], item["loc"]) for other in items):
            continue  # there are some, and what is wrong with them is told
        loc = _plain_loc(item["loc"], model)
        key = ".".join(map(str, loc))
        if item["type"] == "extra_forbidden":
            fields = _fields_at(model, loc[:-1])
            problems.append((key, f"unknown key {str(loc[-1])!r}.{nearest(str(loc[-1]), fields)}"))
        elif item["type"] == "union_tag_invalid":
            problems.append(_unknown_tag(key, item.get("ctx", {})))
        elif item["type"] == "missing":
            problems.append((key, f"the key {str(loc[-1])!r} is required"))
        else:
            given = item.get("input")
            if item["type"] == "string_pattern_mismatch" and item.get("ctx", {}).get("pattern") in _FORMS:
                item["msg"] = _FORMS[item.get("ctx", {})["pattern"]]
            shown = "" if isinstance(given, dict | list) or given is None else f" (given: {_short(given)})"
            hint = _expected(item, given)
            problems.append((key, f"{item['msg'].removeprefix('Value error, ')}{shown}{hint}"))
    return problems


def _inside(loc: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _unknown_tag(key: str, context: dict[str, Any]) -> tuple[str, str]:
    """The problem of an object whose kind is not known: at the key that says the kind."""
    name, tag = str(context["discriminator"]).strip("'"), str(context["tag"])
    known = [part.strip(" '") for part in str(context["expected_tags"]).split(",")]
    return f"{key}.{name}" if key else name, f"there is no {name} {tag!r}.{nearest(tag, known)}"


def _expected(item: Any, given: object) -> str:
    expected = str(item.get("ctx", {}).get("expected", ""))
    names = [part.strip(" '") for part in expected.replace(" or ", ",").split(",")] if expected else []
    suggestion = nearest(str(given), names) if isinstance(given, str) else ""
    return f".{suggestion}" if suggestion.startswith(" Did you") else ""


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _plain_loc(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[int | str, ...]:
    """A location without what pydantic puts in for the members of a union: their names, or what tells them apart."""
    kept: list[int | str] = []
    current = [model]
    for part in loc:
        if isinstance(part, str) and ("[" in part or part[:1].isupper()):
            continue
        told_apart = [m for m in current if part in _tags(m)] if len(current) > 1 else []
        if told_apart:
            current = told_apart
            continue
        kept.append(part)
        current = [m for c in current for m in _below(c, part)] or current
    return tuple(kept)


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """What the model's `kind` or `type` may say."""
    fields = [model.model_fields[name] for name in ("kind", "type") if name in model.model_fields]
    return tuple(value for field in fields for value in get_args(field.annotation))


def _below(model: type[BaseModel], part: int | str) -> list[type[BaseModel]]:
    return _models_in(model.model_fields[part].annotation) if part in model.model_fields else []


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Field names that are allowed at a location below `model`, or all below it where that is unclear."""
    current: list[type[BaseModel]] = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        following = [m for c in current if part in c.model_fields for m in _models_in(c.model_fields[part].annotation)]
        current = following or current
    return sorted({name for c in current for name in c.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in get_args(annotation) for m in _models_in(arg)]


def _problem(problem: tuple[str, str], root: Node, file: Path | str) -> ContentError:
    key, text = problem
    return ContentError(text, file=file, line=_line_of(root, key), key=key)


def line_of(text: str, key: str, *, file: Path | str) -> int:
    """The line of YAML text (1-based) on which a dotted key stands, or the nearest key above it.

    Raises:
        ContentError: the text is no YAML mapping.
    """
    return _line_of(_read_yaml(text, file)[0], key)


def _line_of(root: Node, key: str) -> int:
    node, line = root, root.start_mark.line
    for part in key.split(".") if key else []:
        if isinstance(node, MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line
    return line + 1


def _refuse_duplicates(node: Node, file: Path | str) -> None:
    if isinstance(node, MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ContentError(
                    f"the key stands twice (first on line {seen[key.value]})", file=file, line=line, key=key.value
                )
            seen[key.value] = key.start_mark.line + 1
            _refuse_duplicates(value, file)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, file)
