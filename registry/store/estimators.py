"""Trained models as bytes, and back.

Pickle is what keeps equal training giving equal bytes (skops archives carry times and addresses). Reading a
pickle can run anything, so it is read only after its digest was verified, and only classes of the numeric
libraries and of Assay itself may stand in it.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from assay.registry.errors import AssayError, IntegrityError

__all__ = ["dump_estimator", "load_estimator"]

_ROOTS = {"sklearn", "numpy", "scipy", "assay"}
_PLAIN = {
    "builtins": {"set", "frozenset", "slice", "range", "complex", "bytearray", "object", "int", "float", "str", "bool"},
    "collections": {"OrderedDict", "defaultdict", "Counter", "deque"},
    "functools": {"partial"},
    "copyreg": {"_reconstructor"},
    "re": {"_compile"},
}
_FUNCTIONS = {"_reconstruct", "scalar", "_frombuffer", "__newobj__", "__randomstate_ctor", "__bit_generator_ctor"}


class _EstimatorReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        if _root(module) in _ROOTS and "." not in name:
            found = super().find_class(module, name)
            # What a library imported from elsewhere, such as `subprocess`, does not count as its own.
            own = _root(getattr(found, "__module__", None) or "") in _ROOTS
            known = isinstance(found, type) or name in _FUNCTIONS or name.startswith("__pyx_unpickle")
            if own and (known or _root(module) == "assay"):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} may not stand in a model")


class _EstimatorWriter(pickle.Pickler):
    def reducer_override(self, obj: object) -> Any:
        """Leave out the memory address that scikit-learn's vectorizers keep in their state (a cache key)."""
        if "_stop_words_id" not in getattr(obj, "__dict__", {}) or isinstance(obj, type):
            return NotImplemented
        reduced = obj.__reduce_ex__(pickle.DEFAULT_PROTOCOL)
        assert isinstance(reduced, tuple)
        make, arguments, state, *rest = reduced
        return make, arguments, {k: v for k, v in state.items() if k != "_stop_words_id"}, *rest


def _root(module: str) -> str:
    return module.partition(".")[0]


def dump_estimator(estimator: object) -> bytes:
    """The estimator's bytes, as they are stored.

    Raises:
        AssayError: it cannot be stored, or holds something that `load_estimator` would refuse.
    """
    try:
        buffer = io.BytesIO()
        _EstimatorWriter(buffer, protocol=pickle.DEFAULT_PROTOCOL).dump(estimator)
        data = buffer.getvalue()
        _EstimatorReader(io.BytesIO(data)).load()
    except Exception as error:
        raise AssayError(f"the trained model cannot be stored: {error}") from error
    return data


def load_estimator(data: bytes, what: str) -> object:
    """The estimator from bytes whose digest was verified before.

    Raises:
        IntegrityError: the bytes are no estimator; `what` names the artifact.
    """
    try:
        return _EstimatorReader(io.BytesIO(data)).load()
    except Exception as error:
        raise IntegrityError(f"{what} cannot be read as a model: {error}") from error
