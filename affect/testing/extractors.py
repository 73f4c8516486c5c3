"""The laws of extractors."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import numpy as np

from affect.data.provenance import from_json, to_json
from affect.data.samples import Steps
from affect.errors import AffectError, BrokenLawError
from affect.extraction.base import Extractor, steps_of
from affect.media import Media
from affect.testing.recordings import Holed, MadeRecording, Repeated, Shifted, Watched

_NEAR = 1e-6
_LATER = 12.75


def columns_are_named(extractor: Extractor, media: Media) -> None:
    """Every feature has a name of its own, and steps are what the contract says."""
    names = extractor.columns
    if not names or not all(isinstance(one, str) and one for one in names) or len({*names}) < len(names):
        raise BrokenLawError(f"expected a name of its own for each column, got {names!r:.80}")
    _steps(extractor, media)


def times_lie_in_the_media(extractor: Extractor, media: Media) -> None:
    """Steps begin in order, end behind their beginning, and lie in the recording."""
    times = _times(_steps(extractor, media))
    if (times[:, 1] < times[:, 0]).any():
        raise BrokenLawError("a step ends before it begins")
    if (np.diff(times[:, 0]) < 0).any():
        raise BrokenLawError("a step begins before the one in front of it")
    ends = [one for one in (media.end, getattr(media, "seconds", None)) if one is not None]
    if times[0, 0] < media.start - _NEAR:
        raise BrokenLawError(f"a step begins at {times[0, 0]:g}, before the recording")
    if ends and times[:, 1].max() > min(ends) + 0.05:  # what a file says of its end is rounded to frames
        raise BrokenLawError(f"a step ends at {times[:, 1].max():g}, and the recording at {min(ends):g}")


def twice_the_same(extractor: Extractor, media: Media) -> None:
    """The same recording gives the same steps, also after another one."""
    first = _steps(extractor, media)
    _expect_same(_steps(extractor, media), first, "twice the same recording gives other steps")
    extractor(media.part(media.start, media.start + 1))
    _expect_same(_steps(extractor, media), first, "what it read before changes the steps")


def a_shift_moves_times_alone(extractor: Extractor, media: Media) -> None:
    """The same recording later gives the same values later."""
    first, later = _steps(extractor, media), _steps(extractor, Shifted(media, _LATER))
    if len(first.values) != len(later.values) or not np.allclose(later.values, first.values, atol=1e-5):
        raise BrokenLawError("a shift of the recording changes values")
    if not np.array_equal(_observed(first), _observed(later)):
        raise BrokenLawError("a shift of the recording changes what is observed")
    if not np.allclose(_times(later), _times(first) + _LATER, atol=1e-5):
        raise BrokenLawError(f"a shift by {_LATER:g} seconds does not move the times by as much")


def half_has_half_the_steps(extractor: Extractor, media: Media) -> None:
    """Half of a recording gives half of the steps, up to the two at its ends."""
    whole = _times(_steps(extractor, media))
    middle = (whole[0, 0] + whole[-1, 1]) / 2
    half = _steps(extractor, media.part(media.start, middle))
    missing = len(whole) / 2 - len(half.values)
    wide = float(np.median(whole[:, 1] - whole[:, 0])) / max(float(np.median(np.diff(whole[:, 0]))), _NEAR)
    if abs(missing) > 2 + wide:
        raise BrokenLawError(f"half of the recording has {len(half.values)} of {len(whole)} steps")


def gaps_are_unobserved(extractor: Extractor, media: Media) -> None:
    """Where no sound was recorded, what reads sound alone observes nothing, and all else stays."""
    watched = Watched(media)
    first = _steps(extractor, watched)
    if watched.asked != {"audio"}:
        return
    times = _times(first)
    start = times[0, 0] + 0.4 * (times[-1, 1] - times[0, 0])
    end = start + 0.2 * (times[-1, 1] - times[0, 0])
    holed = _steps(extractor, Holed(media, start, end))
    if len(holed.values) != len(times):
        raise BrokenLawError(f"a gap in the sound leaves {len(holed.values)} of {len(times)} steps")
    inside = (times[:, 0] >= start) & (times[:, 1] <= end)
    if _observed(holed)[inside].any():
        raise BrokenLawError("a step in a gap of the sound is observed")
    apart = (times[:, 1] < start - 1) | (times[:, 0] > end + 1)
    if not np.allclose(holed.values[apart], first.values[apart], atol=1e-3):
        raise BrokenLawError("a gap in the sound changes steps a second from it")


def what_is_not_there_is_absent(extractor: Extractor, media: Media) -> None:
    """A recording without sound and pictures has no observed steps."""
    del media
    found = steps_of(extractor, MadeRecording(2.0, None, None))
    if found is not None and _observed(found).any():
        raise BrokenLawError("a recording without sound and pictures has observed steps")


def identity_is_complete(extractor: Extractor, media: Media) -> None:
    """What says who made the features can be written down, and is the same when it is read."""
    del media
    try:
        made = extractor.provenance
    except AffectError as error:
        raise BrokenLawError(str(error)) from None
    back = from_json(json.loads(json.dumps(to_json(made))), "provenance")
    if back != made:
        raise BrokenLawError(f"its provenance is read back as {back}, and was {made}")


def memory_is_flat(extractor: Extractor, media: Media) -> None:
    """A recording ten times longer takes no more memory but for its steps."""
    times = _times(_steps(extractor, media))
    seconds = float(times[-1, 1] - media.start) + 0.5
    peaks, sizes = [], []
    for turns in (2, 20):
        tracemalloc.start()
        try:
            steps = _steps(extractor, Repeated(media, turns, seconds))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        sizes.append(steps.values.nbytes + _times(steps).nbytes)
    more = peaks[1] - peaks[0]
    if more > 3 * (sizes[1] - sizes[0]) + 2**20:
        raise BrokenLawError(f"ten times the recording takes {more / 2**20:.1f} MB more, beside its steps")


EXTRACTOR_LAWS: tuple[Callable[[Extractor, Media], None], ...] = (
    columns_are_named,
    times_lie_in_the_media,
    twice_the_same,
    a_shift_moves_times_alone,
    half_has_half_the_steps,
    gaps_are_unobserved,
    what_is_not_there_is_absent,
    identity_is_complete,
    memory_is_flat,
)


def check_extractor(extractor: Extractor, media: Media | None = None) -> None:
    """Hold an extractor to all its laws.

    Args:
        extractor: any.
        media: a recording in which it finds something; by default one that is made, with sound and pictures
            but no face and no words.
    Raises:
        BrokenLawError: names the law and what was found.
    Example:
        >>> check_extractor(affect.extraction.MFCC(every=0.1))
    """
    media = MadeRecording() if media is None else media
    for law in EXTRACTOR_LAWS:
        try:
            law(extractor, media)
        except BrokenLawError as broken:
            raise BrokenLawError(f"{law.__name__}: {broken}") from None


def _steps(extractor: Extractor, media: Media) -> Steps:
    try:
        found = steps_of(extractor, media)
    except AffectError as error:
        raise BrokenLawError(str(error)) from None
    if found is None:
        raise BrokenLawError("it finds nothing in the recording; give check_extractor one in which it does")
    return found


def _times(steps: Steps) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    assert steps.times is not None  # which steps_of looks at
    return steps.times


def _observed(steps: Steps) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    assert steps.observed is not None
    return steps.observed


def _expect_same(one: Steps, other: Steps, law: str) -> None:
    same = (np.array_equal(getattr(one, x), getattr(other, x)) for x in ("values", "times", "observed"))
    if not all(same):
        raise BrokenLawError(law)
