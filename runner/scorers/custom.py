"""A team's own scorers: by dotted path (`checks.tone:ToneScorer`) or by entry point (group `assay.scorers`).

What is named is a subclass of `Scorer`, or a function `(case, trajectory, **options)` whose metric stands in the
suite's settings. The rules:

- A suite chooses scorers, nothing else does. A file of a bundle is refused: a candidate does not bring its own judge.
- The identity of a scorer covers its source (see `sources`), so that an edited scorer is another scorer. Installed
  ones are known by name, version and files of their distribution.
- It sees copies of the case and the trajectory, so that nothing it does to them reaches another scorer.
- Whatever goes wrong in it is a `ScorerFailure`; whatever is wrong with it is a `ContentError` before anything runs.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from importlib.metadata import packages_distributions as _packages
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from assay.registry.digest import digest_bytes, digest_of
from assay.registry.errors import ContentError, nearest
from assay.registry.types.base import Frozen, JsonValue
from assay.registry.types.case import Case
from assay.registry.types.score import MetricSpec, Result, Score, ScorerFailure, ScorerInfo, Skipped
from assay.registry.types.trajectory import Trajectory
from assay.runner.scorers.base import Scorer, ScorerContext
from assay.runner.scorers.sources import forget, importable, local_module, local_sources, source_digests

__all__ = [
    "GROUP",
    "CustomScorer",
    "FunctionSettings",
    "ScorerFactory",
    "ScorerHome",
    "entry_point_names",
    "load_scorer",
]

GROUP = "assay.scorers"
"""The group of entry points that holds scorers of installed packages."""


@dataclass(frozen=True)
class ScorerHome:
    """Where scorers that are not installed come from: the workspace, except for its folder of bundles."""

    root: Path
    bundles: Path | None = None


class ScorerFactory(Protocol):
    """What makes a scorer: its settings' model, and a call with validated settings."""

    @property
    def Settings(self) -> type[Frozen]: ...  # noqa: N802 - it is a class

    def __call__(self, settings: Any, context: ScorerContext, /) -> Scorer: ...


class FunctionSettings(Frozen):
    """Settings of a scorer that is a function: the `metric` it measures, and `options` passed on by keyword."""

    metric: MetricSpec
    options: dict[str, JsonValue] = {}


def entry_point_names() -> list[str]:
    """Names of the scorers that installed packages offer, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def load_scorer(name: str, home: ScorerHome | None = None) -> ScorerFactory:
    """Find, import and check what a suite names.

    Args:
        name: `package.module:Name`, or the name of an entry point.
        home: where modules that are not installed lie; None where only installed ones count.

    Raises:
        ContentError: there is no such module or name in it, importing it fails, or it is no scorer.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        found, source = _load_module(module, home)
        return _factory(name, _attribute(found, attribute), source)
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if len(points) != 1:
        offered = " and ".join(sorted(point.value for point in points)) or "nothing"
        raise ContentError(f"the entry point {name!r} (group {GROUP!r}) has to lead to one scorer; it is {offered}")
    return _factory(name, *_load_point(points[0]))


class CustomScorer(Scorer):
    """A team's own scorer, held so that nothing it does can change what others see or how it is known."""

    def __init__(self, name: str, inner: Scorer, source: Mapping[str, object]) -> None:
        super().__init__(inner.settings, inner.context)
        self._name, self._inner, self._source = name.replace(":", "."), inner, source

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return tuple(self._inner.metrics)

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(self._inner.rules)

    @property
    def identity(self) -> dict[str, object]:
        return {"custom": self._name, "own": self._inner.identity, "source": self._source, "settings": self._given}

    def info(self) -> ScorerInfo:
        """The scorer under the name that the suite uses; its version ends with the beginning of its source's digest."""
        return self._info

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        return self._quietly(lambda: self._answer(case, trajectory))

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        return self._quietly(lambda: self._inner.applies(metric, case.model_copy(deep=True)))

    def worst(self, metric: MetricSpec, why: str) -> Result:
        return self._quietly(lambda: self._inner.worst(metric, why))

    @cached_property
    def _given(self) -> dict[str, object]:
        return self.settings.model_dump(mode="json")

    @cached_property
    def _info(self) -> ScorerInfo:
        # Once, at the beginning: a scorer that changes while it runs does not become another one half way.
        return ScorerInfo(
            name=self._name,
            version=f"{self._inner.version}+{digest_of(self._source)[:12]}",
            digest=digest_of(self.identity),
            metrics=self.metrics,
            rules=self.rules,
        )

    def _answer(self, case: Case, trajectory: Trajectory) -> Any:
        answer = self._inner.score(case.model_copy(deep=True), trajectory.model_copy(deep=True))
        if not isinstance(answer, Mapping):
            return answer
        return {name: _whole(result) if isinstance(result, Score) else result for name, result in answer.items()}

    @staticmethod
    def _quietly(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except SystemExit as error:  # it would end the command, with whatever exit code it likes
            raise RuntimeError(f"the scorer wanted to end the program (exit code {error.code})") from None


class _FunctionScorer(Scorer):
    """A function as a scorer of one metric."""

    name = "function"
    version = "function"
    Settings = FunctionSettings
    settings: FunctionSettings

    def __init__(self, settings: FunctionSettings, context: ScorerContext, function: Callable[..., object]) -> None:
        super().__init__(settings, context)
        self._function = function

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (self.settings.metric,)

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        said = self._function(case, trajectory, **self.settings.options)
        return {self.settings.metric.name: _result(self.settings.metric, said)}


def _result(metric: MetricSpec, said: object) -> Result:
    """What a function's answer comes to. A yes or no is a proportion of one unit, and never a mean."""
    if isinstance(said, Score | Skipped | ScorerFailure):
        return said
    if isinstance(said, bool):
        if metric.kind == "mean":
            return ScorerFailure(error=f"the function answered {said}, but {metric.name!r} is a mean, not a proportion")
        return Score(value=float(said))
    if isinstance(said, int | float):
        return Score(value=said)  # what is not finite is refused here, and what is out of range where all scores are
    return ScorerFailure(
        error=f"the function answered with {type(said).__name__}, not with Score, Skipped, a number, True or False"
    )


def _whole(score: Score) -> Result:
    """The score with all its parts checked: one that was built without validation could not be stored."""
    try:
        return Score.model_validate(score.model_dump(warnings=False), strict=True)
    except ValueError as error:
        return ScorerFailure(error=f"not a valid score: {' '.join(str(error).split())[:250]}")


@dataclass(frozen=True)
class _Factory:
    name: str
    kind: Any
    """A subclass of `Scorer`, or a function."""
    source: Mapping[str, object]

    @property
    def Settings(self) -> type[Frozen]:  # noqa: N802 - it is a class
        return self.kind.Settings if isinstance(self.kind, type) else FunctionSettings

    def __call__(self, settings: Any, context: ScorerContext, /) -> Scorer:
        try:
            inner = (
                self.kind(settings, context)
                if isinstance(self.kind, type)
                else _FunctionScorer(_fitting(settings, self.kind), context, self.kind)
            )
            scorer = CustomScorer(self.name, inner, self.source)
            scorer.info()
        except ContentError:
            raise
        except (Exception, SystemExit) as error:
            raise ContentError(f"cannot be set up: {_told(error)}") from None
        return scorer


def _fitting(settings: FunctionSettings, function: Callable[..., object]) -> FunctionSettings:
    """The settings themselves, if the function can be called with their options."""
    signature = inspect.signature(function)
    takes = [p.name for p in signature.parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)][2:]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for option in settings.options:
        if option not in takes and not open_ended:
            raise ContentError(f"settings.options.{option}: the function takes no such option.{nearest(option, takes)}")
    try:
        signature.bind(None, None, **settings.options)
    except TypeError as error:
        raise ContentError(f"the function cannot be called as (case, trajectory, **options): {error}") from None
    return settings


def _factory(name: str, found: object, source: Mapping[str, object]) -> ScorerFactory:
    """Raises ContentError: what was found is no scorer."""
    if isinstance(found, type):
        if not issubclass(found, Scorer):
            raise ContentError(f"{found.__name__} is no subclass of assay.runner.scorers.base.Scorer")
        missing = sorted(found.__abstractmethods__)
        missing += [key for key in ("name", "version") if not isinstance(getattr(found, key, None), str)]
        if missing:
            raise ContentError(f"{found.__name__} does not say what {', '.join(map(repr, missing))} is")
        if not (isinstance(found.Settings, type) and issubclass(found.Settings, Frozen)):
            raise ContentError(f"{found.__name__}.Settings has to be a subclass of assay.registry.types.base.Frozen")
    elif not callable(found):
        raise ContentError(f"it is {type(found).__name__}, neither a Scorer nor a function")
    elif inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        raise ContentError("it is an async function; a scorer does no I/O, so it is a plain one")
    return _Factory(name, found, source)


def _attribute(module: ModuleType, name: str) -> object:
    if name not in vars(module):
        own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        raise ContentError(f"the module {module.__name__!r} has no {name!r}.{nearest(name, own)}")
    return vars(module)[name]


def _load_module(module: str, home: ScorerHome | None) -> tuple[ModuleType, Mapping[str, object]]:
    if module.partition(".")[0] == "assay":
        raise ContentError("Assay's own scorers go by their names, not by dotted path")
    path = local_module(module, home.root) if home else None
    if home and path:
        _refuse_bundles(path, home)
        _refuse_shadowed(module.partition(".")[0], home.root)
        return _load_local(module, home.root)
    origin = _origin(module, home)
    owners = _packages().get(module.partition(".")[0], [])
    owner = next((dist for dist in map(_distribution, owners) if dist and _files(dist, origin)), None)
    if owner is None:  # on the path by other means, an editable install among them: known by its files alone
        if home:
            _refuse_bundles(origin, home)
        depth = module.count(".") + (2 if origin.name == "__init__.py" else 1)
        return _load_local(module, origin.parents[depth - 1])
    return _imported(module, origin.parent, lambda: import_module(module)), _installed(owner, origin)


def _load_point(point: EntryPoint) -> tuple[object, Mapping[str, object]]:
    if point.module.partition(".")[0] == "assay":
        raise ContentError(f"the entry point leads to Assay's own {point.value!r}, which goes by its own name")
    found, source = _load_module(point.module, None)
    return _attribute(found, point.attr), {"entry_point": point.value, **source}


def _load_local(module: str, root: Path) -> tuple[ModuleType, Mapping[str, object]]:
    root = root.resolve()
    files = _imported(module, root, lambda: local_sources(module, root))
    with importable(files):
        found = _imported(module, root, lambda: import_module(module))
    return found, {"files": source_digests(files, root)}


def _imported(module: str, root: Path, work: Callable[[], Any]) -> Any:
    """The result of `work`, which runs a team's code.

    Raises:
        ContentError: it failed; says where in the team's files, without a traceback.
    """
    try:
        return work()
    except SyntaxError as error:
        raise ContentError(
            f"not valid Python: {error.msg}", file=_below(error.filename, root), line=error.lineno
        ) from None
    except (Exception, SystemExit) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(root)]
        place = f" ({_below(frames[-1].filename, root)}:{frames[-1].lineno})" if frames else ""
        raise ContentError(f"importing {module!r} failed: {_told(error)}{place}") from None


def _origin(module: str, home: ScorerHome | None) -> Path:
    """The file of a module that is not in the workspace."""
    forget()
    try:
        spec = find_spec(module)
    except (Exception, SystemExit) as error:
        spec = None
        if not isinstance(error, ModuleNotFoundError):
            raise ContentError(f"importing {module.rpartition('.')[0]!r} failed: {_told(error)}") from None
    if spec is None or not spec.origin or not spec.has_location:
        where = f" in {home.root} or" if home else ""
        raise ContentError(f"there is no module {module!r}{where} among what is installed.{_near(module, home)}")
    return Path(spec.origin).resolve()


def _near(module: str, home: ScorerHome | None) -> str:
    """The nearest module of the workspace, if one is near."""
    if home is None:
        return ""
    package, _, _ = module.rpartition(".")
    folder = home.root.joinpath(*package.split(".")) if package else home.root
    if package and folder.is_dir():
        return nearest(module, [f"{package}.{name}" for name in _modules(folder)])
    names = _modules(home.root)
    names += [f"{sub.name}.{name}" for sub in home.root.iterdir() if sub.name.isidentifier() for name in _modules(sub)]
    hint = nearest(module, names)
    return hint if hint.startswith(" Did") else ""  # a list of all that lies in a workspace helps nobody


def _modules(folder: Path) -> list[str]:
    return [file.stem for file in folder.glob("*.py") if file.stem.isidentifier() and file.stem != "__init__"]


def _refuse_bundles(path: Path, home: ScorerHome) -> None:
    if home.bundles and path.resolve().is_relative_to(home.bundles.resolve()):
        raise ContentError(f"{_below(path, home.root)} is part of a bundle; a candidate does not bring its own scorer")


def _refuse_shadowed(top: str, root: Path) -> None:
    """Two modules of one name: which one is meant would depend on the machine."""
    # Finders are asked one by one: `find_spec` would answer from what another workspace loaded under this name.
    specs = [finder.find_spec(top, None) for finder in sys.meta_path]
    origins = [Path(spec.origin).resolve() for spec in specs if spec is not None and spec.has_location and spec.origin]
    if top in sys.stdlib_module_names or any(not origin.is_relative_to(root.resolve()) for origin in origins):
        raise ContentError(f"{top!r} is also the name of an installed module; rename the one in {root}")


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _files(dist: Distribution, origin: Path) -> Sequence[Path]:
    """The Python files of a distribution, if the module is one of them; none for an editable install."""
    files = [Path(str(dist.locate_file(f))).resolve() for f in dist.files or () if f.suffix == ".py"]
    return files if origin in files else []


def _installed(dist: Distribution, origin: Path) -> Mapping[str, object]:
    """What an installed scorer is known by. Its files count too: a version can be built twice, or edited in place."""
    base = Path(str(dist.locate_file(""))).resolve()
    files = [f for f in _files(dist, origin) if f.is_relative_to(base) and f.is_file()]
    digests = {f.relative_to(base).as_posix(): digest_bytes(f.read_bytes()) for f in files}
    return {"distribution": dist.name, "version": dist.version, "files": digest_of(digests)}


def _below(path: Path | str | None, root: Path) -> str:
    if path is None:
        return ""
    whole = Path(path)
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(path)


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
