"""Each law of extractors is broken by one that does not keep it."""

import itertools

import numpy as np
import pytest

import affect
from affect.errors import BrokenLawError, ConfigError
from affect.extraction import Extractor
from affect.testing import check_extractor


class Loudness(Extractor):
    """Of each tenth of a second."""

    columns = ("loudness",)

    def __call__(self, media):
        blocks = media.audio(1_000)
        if blocks is None:
            return None
        starts, values, observed = self.read(blocks)
        times = np.stack([starts, starts + 0.1], 1)
        return self.given(np.array(values)[:, None], times, np.array(observed))

    def read(self, blocks):
        begin, tenths = None, {}
        for block in blocks:
            begin = block.start if begin is None else begin
            places = np.floor((block.start - begin + np.arange(len(block.samples)) / 1000) * 10 + 1e-6)
            for place, sample in zip(places.astype(int), block.samples, strict=True):
                total, count = tenths.get(place, (0.0, 0))
                tenths[place] = total + abs(float(sample)), count + 1
        last = max(tenths) - (tenths[max(tenths)][1] < 100)
        both = [tenths.get(place, (0, 0)) for place in range(last + 1)]
        seen = [count == 100 for _, count in both]
        values = [total / 100 if full else 0 for (total, _), full in zip(both, seen, strict=True)]
        return begin + np.arange(last + 1) / 10, values, seen

    def given(self, values, times, observed):
        return affect.Steps(values, times, observed)


class Unnamed(Loudness):
    columns = ("loudness", "pitch")


class TimesFromZero(Loudness):
    def given(self, values, times, observed):
        return affect.Steps(values, times - times[0, 0] + 0.15, observed)


class TooLate(Loudness):
    def given(self, values, times, observed):
        return affect.Steps(values, times + 0.5, observed)


class OfTime(Loudness):
    def given(self, values, times, observed):
        return affect.Steps(values + times[:, :1], times, observed)


class Remembering(Loudness):
    calls = itertools.count()

    def given(self, values, times, observed):
        return affect.Steps(values + next(self.calls), times, observed)


class OneLength(Loudness):
    def given(self, values, times, observed):
        chosen = np.linspace(0, len(values) - 1, 30).astype(int)
        return affect.Steps(values[chosen], times[chosen], observed[chosen])


class SilenceInGaps(Loudness):
    def given(self, values, times, observed):
        return affect.Steps(values, times, np.ones(len(values), bool))


class GapsClosed(Loudness):
    def given(self, values, times, observed):
        return affect.Steps(values[observed], times[observed], observed[observed])


class ZerosNotHeld(Loudness):
    def given(self, values, times, observed):
        return affect.Steps(values + 1, times, np.arange(len(values)) % 2 > 0)


class AlwaysThere(Loudness):
    def __call__(self, media):
        found = super().__call__(media)
        return affect.Steps([[1.0]], [(0, 1)], [True]) if found is None else found


class Nameless(Loudness):
    def __init__(self, width=3):
        self.wide = width


class Hoarding(Loudness):
    def read(self, blocks):
        every = list(blocks)
        self.held = [np.zeros(1000 * len(block.samples)) for block in every]
        return super().read(iter(every))


class NotFinite(Loudness):
    def given(self, values, times, observed):
        return affect.Steps(np.log(values * 0 + np.inf), times, observed)


BROKEN = {
    Unnamed: "columns_are_named: Unnamed: expected 2 features, as its columns are, got 1",
    NotFinite: "columns_are_named: NotFinite: expected finite values, got others in loudness; observed says where none is",
    ZerosNotHeld: "columns_are_named: ZerosNotHeld: expected zeros at unobserved steps, got others",
    TooLate: "times_lie_in_the_media: a step ends at 4.45, and the recording at 4",
    Remembering: "twice_the_same: twice the same recording gives other steps",
    TimesFromZero: "a_shift_moves_times_alone: a shift by 12.75 seconds does not move the times by as much",
    OfTime: "a_shift_moves_times_alone: a shift of the recording changes values",
    OneLength: "half_has_half_the_steps: half of the recording has 30 of 30 steps",
    SilenceInGaps: "gaps_are_unobserved: a step in a gap of the sound is observed",
    GapsClosed: "gaps_are_unobserved: a gap in the sound leaves 30 of 38 steps",
    AlwaysThere: "what_is_not_there_is_absent: a recording without sound and pictures has observed steps",
    Nameless: "identity_is_complete: Nameless: expected its argument 'width' as the attribute of that name",
    Hoarding: "memory_is_flat: ten times the recording takes ",
}  # fmt: skip


def test_an_extractor_that_keeps_the_laws():
    check_extractor(Loudness())


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_law_is_named(broken):
    with pytest.raises(BrokenLawError) as found:
        check_extractor(broken())
    assert str(found.value).startswith(BROKEN[broken])


def test_weights_are_told_by_their_content(tmp_path):
    class Weighted(Loudness):
        local = ("folder",)

        def __init__(self, folder, width=3):
            self.folder, self.width = folder, width

        @property
        def files(self):
            return tuple(self.folder.iterdir())

    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(content)
    one, same, other = (Weighted(tmp_path / name).provenance for name in "abc")
    assert one == same
    assert one.arguments == {"width": 3}
    assert len(one.weights) == 64
    assert one.weights != other.weights
    with pytest.raises(
        ConfigError, match="^Nameless: expected its argument 'width' as the attribute of that name$"
    ):
        _ = Nameless().provenance
