"""Generated corpora: how they are drawn, what can be read from them, and what cannot."""

import itertools
import re
import time
from functools import cache

import numpy as np
import pytest

from affect.data import synthetic
from affect.data.posteriors import UniformPosterior
from affect.errors import ConfigError

MAKERS = {
    "additive": synthetic.additive,
    "interaction": synthetic.interaction,
    "temporal": synthetic.temporal,
}
TINY = {"train": 16, "valid": 11, "test": 25}
CODES = 4


@cache
def corpus_of(kind, aligned=False, seed=0):
    return synthetic.generate(f"synthetic:{kind}" + ":aligned" * aligned, seed)


def truth(split):
    return split.targets["sentiment"].values[:, 0].astype(np.float64)


def pooled(split):
    """The mean over the true steps, by modality."""
    return {
        m: np.add.reduceat(x.values.astype(np.float64), x.offsets[:-1]) / x.lengths[:, None]
        for m, x in split.modalities.items()
    }


def concatenated(split):
    return np.concatenate(list(pooled(split).values()), 1)


def outer(split):
    """Every product of pooled features of different modalities, as in tensor fusion."""
    a, t, v = (np.concatenate([np.ones((len(split), 1)), x], 1) for _, x in sorted(pooled(split).items()))
    return np.einsum("ni,nj,nk->nijk", a, t, v).reshape(len(split), -1)


def twos(split):
    """Acoustic frames are fetched by the time code of each word; then the words of each two are compared."""
    compared = {"text": [], "acoustic": []}
    for i in range(len(split)):
        text, acoustic = (split.modalities[m][i].astype(np.float64) for m in compared)
        match = np.exp(30 * (text[:, -CODES:] @ acoustic[:, -CODES:].T))
        fetched = match / match.sum(1, keepdims=True) @ acoustic[:, :-CODES]
        even = len(text) - len(text) % 2
        for m, x in (("text", text[:, :-CODES]), ("acoustic", fetched)):
            compared[m].append(x[:even:2] - x[1:even:2])
    return {m: np.concatenate(rows) for m, rows in compared.items()}


def linked(corpus):
    """A feature for temporal: the signal lies where twos differ most, and is 1 or -1, hence tanh."""
    directions = {m: np.linalg.svd(x, full_matrices=False)[2][0] for m, x in twos(corpus["train"]).items()}

    def features(split):
        said = [np.tanh(2 * x @ directions[m]) for m, x in twos(split).items()]
        words = split.modalities["text"].lengths
        begins = np.concatenate([[0], np.cumsum(words // 2)[:-1]])
        return (np.add.reduceat(np.prod(said, 0), begins) / words)[:, None]

    return features


def ridge_r(corpus, features, target=truth):
    """Pearson's r on the test split; the penalty is chosen on the valid split."""
    x = {name: features(split) for name, split in corpus.splits.items()}
    y = {name: target(split) for name, split in corpus.splits.items()}
    centre, spread = x["train"].mean(0), x["train"].std(0) + 1e-9
    x = {name: (values - centre) / spread for name, values in x.items()}

    def weights(penalty):
        gram = x["train"].T @ x["train"] + penalty * np.eye(x["train"].shape[1])
        return np.linalg.solve(gram, x["train"].T @ (y["train"] - y["train"].mean()))

    def error(w):
        return np.mean((x["valid"] @ w + y["train"].mean() - y["valid"]) ** 2)

    best = min((weights(penalty) for penalty in (0.1, 1, 10, 100, 1000)), key=error)
    return np.corrcoef(x["test"] @ best, y["test"])[0, 1]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("kind", MAKERS)
class TestForm:
    def test_the_same_arguments_give_the_same_corpus(self, kind, aligned):
        one, same = (MAKERS[kind](samples=TINY, aligned=aligned, seed=3) for _ in range(2))
        other = MAKERS[kind](samples=TINY, aligned=aligned, seed=4)
        assert one.ceiling == same.ceiling
        assert one.ceiling != other.ceiling
        for name in TINY:
            assert one[name].ids == same[name].ids
            assert np.array_equal(truth(one[name]), truth(same[name]))
            assert not np.array_equal(truth(one[name]), truth(other[name]))
            for m, x in one[name].modalities.items():
                assert np.array_equal(x.values, same[name].modalities[m].values)
                assert np.array_equal(x.offsets, same[name].modalities[m].offsets)

    def test_global_randomness_is_left_alone(self, kind, aligned):
        state = np.random.get_state()[1].copy()  # noqa: NPY002  # the state that must not move
        MAKERS[kind](samples=TINY, aligned=aligned)
        assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002  # the same

    def test_a_split_does_not_depend_on_the_size_of_another(self, kind, aligned):
        one = MAKERS[kind](samples=TINY, aligned=aligned)
        other = MAKERS[kind](samples={**TINY, "test": 40}, aligned=aligned)
        text = [corpus["train"].modalities["text"].values for corpus in (one, other)]
        assert np.array_equal(*text)

    def test_lengths_are_those_of_mosi(self, kind, aligned):
        corpus = corpus_of(kind, aligned)
        words = np.concatenate([split.modalities["text"].lengths for split in corpus.splits.values()])
        assert 10 <= np.median(words) <= 12
        assert words.min() >= 2
        assert 30 < words.max() <= 50
        for split in corpus.splits.values():
            text = split.modalities["text"].lengths
            for m, frames in {"acoustic": 3, "visual": 2}.items():
                assert np.array_equal(split.modalities[m].lengths, text * (1 if aligned else frames))

    def test_parts(self, kind, aligned):
        corpus = corpus_of(kind, aligned)
        assert corpus.name == f"synthetic:{kind}" + ":aligned" * aligned
        assert corpus.aligned is aligned
        assert corpus.dims == {"acoustic": 5, "text": 8, "visual": 6}
        assert {name: len(split) for name, split in corpus.splits.items()} == synthetic.SAMPLES
        assert all(x.values.dtype == np.float32 for x in corpus["train"].modalities.values())

    def test_ids_are_unique_and_no_video_is_in_two_splits(self, kind, aligned):
        corpus = MAKERS[kind](samples=TINY, aligned=aligned)
        groups = [set(split.groups) for split in corpus.splits.values()]
        ids = [i for split in corpus.splits.values() for i in split.ids]
        assert not any(a & b for a, b in itertools.combinations(groups, 2))
        assert len(set(ids)) == len(ids) == sum(TINY.values())
        assert all(re.fullmatch(r"video\d{4}_\d", i) for i in ids)
        for split in corpus.splits.values():
            assert [i.rpartition("_")[0] for i in split.ids] == list(split.groups)

    def test_targets_stay_on_the_scale(self, kind, aligned):
        for seed in range(3):
            for split in corpus_of(kind, aligned, seed).splits.values():
                assert np.abs(truth(split)).max() <= 3
                assert truth(split).std() > 0.5

    def test_the_defaults_are_quick(self, kind, aligned):
        MAKERS[kind](samples=TINY, aligned=aligned)  # imports scipy
        begin = time.process_time()
        MAKERS[kind](aligned=aligned)
        assert time.process_time() - begin < 2


class TestOptions:
    @pytest.mark.parametrize("make", MAKERS.values())
    def test_sizes_can_be_chosen(self, make):
        corpus = make(samples={"test": 12}, dims={"text": 9}, frames_per_word={"visual": 4})
        parts = corpus["test"].modalities
        assert corpus.dims == {"acoustic": 5, "text": 9, "visual": 6}
        assert np.array_equal(parts["visual"].lengths, 4 * parts["text"].lengths)
        assert np.array_equal(parts["acoustic"].lengths, 3 * parts["text"].lengths)

    @pytest.mark.parametrize("make", MAKERS.values())
    def test_the_ceiling_is_of_the_test_split(self, make):
        assert make(samples={"train": 12}).ceiling == {}
        assert set(make(samples={"test": 2}).ceiling) == {"pearson", "mae"}

    @pytest.mark.parametrize("make", MAKERS.values())
    def test_what_is_done_to_a_ceiling_does_not_reach_the_next_corpus(self, make):
        kept = {**make(samples={"test": 2}).ceiling}
        make(samples={"test": 2}).ceiling.clear()
        assert make(samples={"test": 2}).ceiling == kept
        assert make(samples={"train": 2, "test": 2}).ceiling != kept

    @pytest.mark.parametrize("make", MAKERS.values())
    def test_an_aligned_step_is_the_mean_of_the_words_frames(self, make):
        loose, aligned = (
            make(samples=TINY, aligned=aligned)["train"].modalities for aligned in (False, True)
        )
        for m, frames in synthetic.FRAMES_PER_WORD.items():
            words = loose[m].values.reshape(-1, frames, loose[m].dim).mean(1)
            np.testing.assert_allclose(aligned[m].values, words, atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "corpus"),
        [
            ("synthetic", "synthetic:interaction"),
            ("synthetic:aligned", "synthetic:interaction:aligned"),
            ("synthetic:temporal", "synthetic:temporal"),
            ("synthetic:additive:aligned", "synthetic:additive:aligned"),
            ("synthetic:mosi_context", "synthetic:mosi_context"),
            ("synthetic:mosei_unaligned:24", "synthetic:mosei_unaligned:24"),
        ],
    )
    def test_names(self, name, corpus):
        assert synthetic.generate(name).name == corpus


KNOWN = (
    "known: additive, conversations, iemocap, interaction, mosei_aligned, mosei_emotions, mosei_unaligned, mosi_aligned, "
    "mosi_context, mosi_unaligned, shared, sims, temporal"
)
REFUSALS = [
    (
        lambda: synthetic.generate("synthetic:temporl"),
        f"no generated corpus 'synthetic:temporl'; did you mean 'temporal'? {KNOWN}",
    ),
    (
        lambda: synthetic.generate("synthetic:xyz"),
        f"no generated corpus 'synthetic:xyz'; {KNOWN}",
    ),
    (
        lambda: synthetic.generate("synthetic:mosi_unalined:24"),
        f"no generated corpus 'synthetic:mosi_unalined:24'; did you mean 'mosi_unaligned'? {KNOWN}",
    ),
    *(
        (
            lambda form=form: synthetic.generate(f"synthetic:sims:{form}"),
            f"no generated corpus 'synthetic:sims:{form}'; only a number of training samples may follow "
            "'synthetic:sims', such as 'synthetic:sims:24'",
        )
        for form in ("aligned", "0", "-3", "2.5", "24:aligned")
    ),
    (
        lambda: synthetic.generate("synthetic:additive:24"),
        "no generated corpus 'synthetic:additive:24'; only ':aligned' may follow 'synthetic:additive'",
    ),
    (
        lambda: synthetic.generate("synthetic:additive:algned"),
        "no generated corpus 'synthetic:additive:algned'; only ':aligned' may follow 'synthetic:additive'",
    ),
    (
        lambda: synthetic.generate("sythetic:additive"),
        "no generated corpus 'sythetic:additive'; did you mean 'synthetic'? known: synthetic",
    ),
    (
        lambda: synthetic.additive(samples={"train": 0}),
        "synthetic:additive: samples: train must be 1 or more, got 0",
    ),
    (
        lambda: synthetic.interaction(samples={}),
        "synthetic:interaction: samples names no split; give a count for one, such as 'train'",
    ),
    (
        lambda: synthetic.temporal(dims={"acoustic": 4}),
        "synthetic:temporal: dims: acoustic must be 5 or more, got 4",
    ),
    (
        lambda: synthetic.additive(frames_per_word={"visual": 0}),
        "synthetic:additive: frames_per_word: visual must be 1 or more, got 0",
    ),
    (
        lambda: synthetic.additive(dims={"visul": 3}),
        "synthetic:additive: dims: no modality 'visul'; did you mean 'visual'? known: acoustic, text, visual",
    ),
    (
        lambda: synthetic.additive(frames_per_word={"words": 3}),
        "synthetic:additive: frames_per_word: no modality 'words'; known: acoustic, text, visual",
    ),
    (
        lambda: synthetic.additive(seed=-1),
        "synthetic:additive: seed must be 0 or more, got -1",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSALS)
def test_refusals(make, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
class TestSignal:
    def test_additive_is_read_linearly(self, seed, aligned):
        corpus = corpus_of("additive", aligned, seed)
        r = ridge_r(corpus, concatenated)
        assert 0.95 * corpus.ceiling["pearson"] <= r < corpus.ceiling["pearson"]

    def test_additive_needs_every_modality(self, seed, aligned):
        corpus = corpus_of("additive", aligned, seed)
        alone = {m: ridge_r(corpus, lambda split, m=m: pooled(split)[m]) for m in corpus.dims}
        assert alone["text"] > alone["acoustic"] > alone["visual"] > 0.1
        assert alone["text"] < 0.95 * ridge_r(corpus, concatenated)

    def test_interaction_is_read_from_products_only(self, seed, aligned):
        corpus = corpus_of("interaction", aligned, seed)
        assert ridge_r(corpus, concatenated) < 0.35
        assert 0.9 * corpus.ceiling["pearson"] <= ridge_r(corpus, outer) < corpus.ceiling["pearson"]

    def test_temporal_is_read_from_linked_moments_only(self, seed, aligned):
        corpus = corpus_of("temporal", aligned, seed)
        assert abs(ridge_r(corpus, concatenated)) < 0.3
        assert abs(ridge_r(corpus, outer)) < 0.3
        r = ridge_r(corpus, linked(corpus))
        # it says nearly what the posterior says, so it may be ahead by chance
        assert 0.9 * corpus.ceiling["pearson"] <= r < corpus.ceiling["pearson"] + 0.005

    @pytest.mark.parametrize("kind", MAKERS)
    def test_the_ceiling_leaves_room_and_is_the_same_in_both_forms(self, kind, seed, aligned):
        corpus = corpus_of(kind, aligned, seed)
        assert 0.8 < corpus.ceiling["pearson"] < 0.97
        best_constant = np.abs(truth(corpus["test"]) - np.median(truth(corpus["test"]))).mean()
        assert 0 < corpus.ceiling["mae"] < 0.5 * best_constant
        assert corpus.ceiling == corpus_of(kind, not aligned, seed).ceiling

    def test_temporal_means_over_time_are_noise(self, seed, aligned):
        corpus = corpus_of("temporal", aligned, seed)
        means = pooled(corpus["test"])
        noise_alone = {
            "text": synthetic.MOMENT_NOISE["text"],
            "acoustic": synthetic.MOMENT_NOISE["acoustic"] / np.sqrt(3),
        }
        words = corpus["test"].modalities["text"].lengths[:, None]
        for m, noise in noise_alone.items():
            spread = (means[m][:, :-CODES] * np.sqrt(words)).std()
            assert spread == pytest.approx(noise, rel=0.1)


@pytest.mark.parametrize("features", [concatenated, outer])
def test_temporal_says_nothing_by_pooling_even_with_many_samples(features):
    found = []
    for seed in range(4):
        corpus = synthetic.temporal(
            samples={"train": 600, "valid": 200, "test": 2000}, aligned=True, seed=seed
        )
        found.append(ridge_r(corpus, features))
    assert abs(np.mean(found)) < 0.05  # three standard errors: short samples weigh much, so chance is wide


class TestPosterior:
    """The posterior median of a product against many draws."""

    centre = np.array([-2.1, -1.0, 0.0, 0.7, 1.6, 2.4])
    spread = np.array([0.2, 0.5, 1.4, 0.05, 0.3, 0.25])

    @pytest.mark.parametrize(
        "line",
        [
            lambda z: (0.85 * z["acoustic"], 0.15 * z["visual"]),
            lambda z: (np.full_like(z["visual"], 0.9), 0.5 * z["acoustic"] + 0.3 * z["visual"]),
        ],
    )
    def test_median(self, line):
        rng = np.random.default_rng(0)
        order = {m: rng.permutation(6) for m in synthetic.DIMS}
        posterior = {m: UniformPosterior(self.centre[o], self.spread[o]) for m, o in order.items()}
        drawn = {m: cut.at(rng.uniform(size=40000)) for m, cut in posterior.items()}
        slope, rest = line(drawn)
        below = (slope * drawn["text"] + rest < synthetic._median(line, posterior)).mean(0)
        np.testing.assert_allclose(below, 0.5, atol=0.012)


@cache
def oracle(kind):
    """What somebody who knows the directions measures of each latent, shrunk towards its mean."""
    sizes = {"test": 4000}
    corpus = getattr(synthetic, kind)(samples=sizes, aligned=True, seed=7)
    form = synthetic._Form.checked(kind, sizes, {}, {}, True, 7)
    z = {}
    for m, x in corpus["test"].modalities.items():
        heard = np.add.reduceat(x.values @ form.directions()[m], x.starts) / x.lengths
        noise = synthetic.NOISE[m] ** 2 / (x.lengths * synthetic.FRAMES_PER_WORD[m])
        z[m] = np.clip(heard / (1 + noise), -synthetic.EDGE, synthetic.EDGE)
    said = 0.9 * z["text"] + 0.5 * z["acoustic"] + 0.3 * z["visual"]
    if kind == "interaction":
        said = 0.85 * z["text"] * z["acoustic"] + 0.15 * z["visual"]
    return corpus, said


@pytest.mark.parametrize("kind", ["additive", "interaction"])
def test_an_oracle_comes_close_to_the_ceiling_but_not_past_it(kind):
    corpus, said = oracle(kind)
    target = corpus["test"].targets["sentiment"].values[:, 0]
    r, mae = np.corrcoef(said, target)[0, 1], np.abs(said - target).mean()
    assert 0.98 * corpus.ceiling["pearson"] < r < corpus.ceiling["pearson"]
    assert corpus.ceiling["mae"] < mae < 1.1 * corpus.ceiling["mae"]
