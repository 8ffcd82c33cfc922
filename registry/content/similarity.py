"""Near duplicates: texts that are almost the same, found without comparing each with every other.

The likeness of two texts is the Jaccard similarity of their sets of 5-letter shingles, with digits masked and without
punctuation, so that two conversations that differ by a name and a number are alike. Candidates come from MinHash with
banding (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3), and every candidate is
then compared exactly: no pair is reported that is not that similar.
"""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasketch import MinHash

__all__ = ["Fingerprints", "NearestTexts", "similarity"]

_SHINGLE = 5
_PERMUTATIONS = 64
_BANDS, _ROWS = 12, 5
"""A pair of similarity .8 shares one of 12 bands of 5 values with probability .992, one of .5 with .32."""
_MARGIN = 0.2
"""Banding finds pairs from this far below the limit on, so that hardly any pair at the limit is missed."""
_READ = 20_000
"""Letters of a text that are looked at: a longer one is no conversation."""
_DIGIT = re.compile(r"\d")
_PUNCTUATION = re.compile(r"[^\w\s]")


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of two texts' shingles, in [0, 1]; 0 where one of them is empty."""
    return _jaccard(_shingles(one), _shingles(other))


class Fingerprints:
    """Fingerprints of many texts in 256 bytes each, and the pairs of them that may be near.

    datasketch's index keeps a set for each text and band, some 3 kB a text; sorting the bands finds the same pairs.
    """

    def __init__(self) -> None:
        self._values = array("I")
        self._blank = _blank()

    def append(self, text: str) -> None:
        """Add the next text; an empty one is like nothing."""
        made = self._blank.copy()
        made.update_batch(list(_shingles(text)))
        self._values.extend(int(value) for value in made.hashvalues)

    def candidates(self, least: float) -> Iterator[tuple[int, int]]:
        """(later, earlier) positions of texts whose similarity may be `least`; each has to be compared exactly.

        Of texts that share a band, each is paired with the first and with the one before it: who has a near
        duplicate is paired with one, however many there are.
        """
        import numpy as np

        values = np.frombuffer(self._values, dtype=np.uint32).reshape(-1, _PERMUTATIONS)
        found: set[tuple[int, int]] = set()
        for start in range(0, _BANDS * _ROWS, _ROWS):
            band = np.ascontiguousarray(values[:, start : start + _ROWS]).view(f"V{4 * _ROWS}").ravel()
            order = np.argsort(band, kind="stable")
            fresh = np.flatnonzero(np.r_[True, band[order][1:] != band[order][:-1]])
            for group in np.split(order, fresh[1:]):
                for place in range(1, len(group)):
                    found |= {(int(group[place]), int(group[0])), (int(group[place]), int(group[place - 1]))}
        for later, earlier in sorted(found):
            # The share of equal values estimates the similarity; three standard errors below it is not worth reading.
            if np.mean(values[later] == values[earlier]) >= least - 3 * (least * (1 - least) / _PERMUTATIONS) ** 0.5:
                yield later, earlier


class NearestTexts:
    """Texts by name, of which the one most like another can be asked for.

    Args:
        least: similarity from which on a text counts as near, in [0.5, 1].
        read: gives the text of a name back; texts are not kept here.
    """

    def __init__(self, least: float, read: Callable[[str], str]) -> None:
        from datasketch import MinHashLSH

        self._least = least
        self._read = read
        self._index = MinHashLSH(threshold=least - _MARGIN, num_perm=_PERMUTATIONS)
        self._blank = _blank()

    def nearest(self, text: str, add_as: str = "") -> tuple[str, float] | None:
        """Name and similarity of the most similar text that is near enough, or None.

        Args:
            text: an empty one is like nothing.
            add_as: a name that was not used before, under which the text itself is remembered from now on.
        """
        shingles = _shingles(text)
        if not shingles:
            return None
        fingerprint = self._blank.copy()
        fingerprint.update_batch(list(shingles))
        names = sorted(str(name) for name in self._index.query(fingerprint))
        if add_as:
            self._index.insert(add_as, fingerprint, check_duplication=False)
        found = [(name, _jaccard(shingles, _shingles(self._read(name)))) for name in names]
        best = max(found, key=lambda pair: pair[1], default=("", 0.0))
        return best if best[1] >= self._least else None


def _blank() -> MinHash:
    """A fingerprint of nothing, to copy: drawing the permutations takes longer than using them."""
    from datasketch import MinHash

    return MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=zlib.crc32)


def _shingles(text: str) -> set[bytes]:
    masked = _DIGIT.sub("0", text[:_READ].casefold())
    plain = " ".join((_PUNCTUATION.sub("", masked).strip() or masked).split()).encode("utf-8", errors="surrogatepass")
    return {plain[i : i + _SHINGLE] for i in range(max(1, len(plain) - _SHINGLE + 1))} if plain else set()


def _jaccard(one: set[bytes], other: set[bytes]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0
