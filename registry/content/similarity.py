"""Near duplicates: texts that are almost the same, found without comparing each with every other.

The likeness of two texts is the Jaccard similarity of their sets of 5-letter shingles, with digits masked and without
punctuation, so that two conversations that differ by a name and a number are alike. Candidates come from MinHash with
banding (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3), and every candidate is
then compared exactly: no pair is reported that is not that similar.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from assay.registry.phrases import normalise

if TYPE_CHECKING:
    from datasketch import MinHash

__all__ = ["Fingerprints", "HeldTexts", "NearestTexts", "as_words", "similarity"]

_SHINGLE = 5
_PERMUTATIONS = 64
_BANDS = ((0.75, 12, 5), (0.6, 21, 3), (0.0, 32, 2))
"""From which limit on, how many bands of how many values: a pair at the limit shares one with probability .98."""
_ALL_PAIRS = 2_000
"""Texts of one band group that are all compared with each other; of more, each with so many before it."""
_MOST = 16
"""Of those, how many of the most similar are worth reading for one text."""
_MARGIN = 0.2
"""Banding finds pairs from this far below the limit on, so that hardly any pair at the limit is missed."""
_READ = 20_000
"""Letters of a text that are looked at: a longer one is no conversation."""
_DIGIT = re.compile(r"\d")
_PUNCTUATION = re.compile(r"[\W_]+")


def as_words(text: str, to: int | None = _READ) -> str:
    """A text as it is compared: no look-alike letters, accents, invisible characters or punctuation; digits masked.

    Args:
        text: any text.
        to: how many letters of it are read, white space counted once; None for all.
    """
    read = normalise(" ".join(text.split())[:to])
    masked = _DIGIT.sub("0", read if read.isascii() else _without_accents(read))
    return _PUNCTUATION.sub(" ", masked).strip() or masked


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


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

        For a text that stood before, the same text or one of an equal fingerprint is always among them. Of the texts
        that share a band each is held against those before it, at most `_ALL_PAIRS`; the share of equal values
        estimates the similarity, and what is three standard errors below the limit, or behind `_MOST` others, is not
        worth reading. The most similar come first.
        """
        import numpy as np

        values = np.frombuffer(self._values, dtype=np.uint32).reshape(-1, _PERMUTATIONS)
        worth = least - 3 * (least * (1 - least) / _PERMUTATIONS) ** 0.5
        found: dict[tuple[int, int], float] = {}
        for group in (*_groups(values, 1, _PERMUTATIONS), *_groups(values, *_bands(least))):
            for place in range(1, len(group)):
                before = group[max(0, place - _ALL_PAIRS) : place]
                alike = np.mean(values[before] == values[group[place]], axis=1)
                for at in np.argsort(-alike, kind="stable")[:_MOST]:
                    if alike[at] < worth:
                        break
                    found[int(group[place]), int(before[at])] = float(alike[at])
        yield from sorted(found, key=lambda pair: (pair[0], -found[pair], pair[1]))


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


class HeldTexts:
    """Short texts, of which one that another text holds can be asked for.

    How much of a short text is held is the share of its shingles that stand in the other one: at least their Jaccard
    similarity. Nothing is missed: a text that holds so many has one of the rarest few (Chaudhuri, Ganti and Kaushik
    2006, "A primitive operator for similarity joins in data cleaning").

    Args:
        texts: the short texts; an empty one is held by nothing.
        least: share from which on a text counts as held, in (0, 1].
    """

    def __init__(self, texts: Iterable[str], least: float) -> None:
        self._least = least
        self._held = [frozenset(_shingles(text)) for text in texts]
        self._index: defaultdict[bytes, list[int]] = defaultdict(list)
        counts = Counter(shingle for shingles in self._held for shingle in shingles)
        for number, shingles in enumerate(self._held):
            few = len(shingles) - math.ceil(least * len(shingles) - 1e-9) + 1
            for rare in sorted(shingles, key=lambda shingle: (counts[shingle], shingle))[:few]:
                self._index[rare].append(number)

    def find(self, text: str) -> tuple[int, float] | None:
        """Number of the short text that the text holds most of, and the share; None where it holds too little of any.

        The text is read to its end.
        """
        shingles = _shingles(text, to=None)
        able = {number for shingle in shingles & self._index.keys() for number in self._index[shingle]}
        shares = {number: len(self._held[number] & shingles) / len(self._held[number]) for number in able}
        best = min(shares, key=lambda number: (-shares[number], number), default=None)
        return None if best is None or shares[best] < self._least else (best, shares[best])


def _bands(least: float) -> tuple[int, int]:
    return next((bands, rows) for limit, bands, rows in _BANDS if least >= limit)


def _groups(values: Any, bands: int, rows: int) -> Iterator[Any]:
    """Positions, ascending, of texts that agree in all values of a band; one array for each such group."""
    import numpy as np

    for start in range(0, bands * rows, rows):
        band = np.ascontiguousarray(values[:, start : start + rows]).view(f"V{4 * rows}").ravel()
        order = np.argsort(band, kind="stable")
        fresh = np.flatnonzero(np.r_[True, band[order][1:] != band[order][:-1]])
        yield from (group for group in np.split(order, fresh[1:]) if len(group) > 1)


def _blank() -> MinHash:
    """A fingerprint of nothing, to copy: drawing the permutations takes longer than using them."""
    from datasketch import MinHash

    return MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=zlib.crc32)


def _shingles(text: str, to: int | None = _READ) -> set[bytes]:
    plain = as_words(text, to).encode("utf-8", errors="surrogatepass")
    return {plain[i : i + _SHINGLE] for i in range(max(1, len(plain) - _SHINGLE + 1))} if plain else set()


def _jaccard(one: set[bytes], other: set[bytes]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0
