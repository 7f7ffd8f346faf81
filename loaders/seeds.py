"""Seeds: any whole number that a user gives, as what numpy and scikit-learn take.

Input: a seed of any size or sign. Output: 0..2**32-1; a seed in that range is itself, so 0 is a seed.
Not covered: `random.Random`, which takes everything.
"""

from __future__ import annotations

import zlib


def numpy_seed(seed: int) -> int:
    """The seed itself when it is in 0..2**32-1, else a number of that range that is always the same for it."""
    return seed if 0 <= seed < 2**32 else zlib.crc32(str(seed).encode())
