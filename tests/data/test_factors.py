"""`synthetic:shared`: how it is drawn, and what is known of it against loops and simulation."""

import itertools
import re
from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

import affect
from affect.data import factors
from affect.data.factors import SharedFactors
from affect.data.posteriors import EDGE, UniformPosterior
from affect.errors import ConfigError
from affect.training.facts import facts_of

TINY = {"train": 40, "valid": 11, "test": 25}
LABELS = ("sentiment", "code")
OWN = ("shared", "own_acoustic", "own_text", "own_visual")


@cache
def corpus_of(**options):
    return SharedFactors(**options).corpus()


def column(split, target):
    return split.targets[target].values[:, 0].astype(np.float64)


def planted(split, plan):
    """What a sample's steps hold of each planted quantity, on average, by modality: without `_draw`."""
    found = {}
    for m, x in split.modalities.items():
        rotation, offset = plan._place(m)
        values = x.values.reshape(len(split), -1, x.dim).astype(np.float64)
        found[m] = (values - offset).mean(1) @ rotation
    return found


class TestForm:
    @pytest.mark.parametrize(
        "options", [{}, {"aligned": True}, {"shifted": True, "labelled": 0.5, "unpaired": 0.5}]
    )
    def test_the_same_arguments_give_the_same_corpus(self, options):
        one, same, other = (SharedFactors(samples=TINY, seed=s, **options).corpus() for s in (3, 3, 4))
        assert one.ceiling == same.ceiling != other.ceiling
        for name in TINY:
            assert one[name].ids == same[name].ids
            for part in ("modalities", "targets"):
                for key, x in getattr(one[name], part).items():
                    y, z = (getattr(c[name], part)[key] for c in (same, other))
                    assert np.array_equal(x.values, y.values)
                    assert np.array_equal(x.offsets, y.offsets)
                    assert np.array_equal(x.observed, y.observed)
                    assert not np.array_equal(x.values, z.values)

    def test_parts(self):
        corpus = affect.load("synthetic:shared")
        assert {name: len(split) for name, split in corpus.splits.items()} == factors.SAMPLES
        assert corpus.dims == factors.DIMS
        assert corpus.target().name == "sentiment"
        assert sorted(corpus.targets) == sorted([*LABELS, *OWN])
        for split in corpus.splits.values():
            for m, frames in factors.FRAMES_PER_WORD.items():
                assert set(split.modalities[m].lengths) == {factors.WORDS * frames}
            assert all(rows.present.all() for rows in split.targets.values())

    def test_a_split_does_not_depend_on_the_others(self):
        one, other = (SharedFactors(samples=s).corpus()["test"] for s in (TINY, {"test": TINY["test"]}))
        assert one.ids == other.ids
        assert np.array_equal(one.modalities["text"].values, other.modalities["text"].values)

    def test_an_aligned_step_is_the_mean_of_the_words_frames(self):
        loose, aligned = (corpus_of(aligned=form)["train"].modalities for form in (False, True))
        for m, frames in factors.FRAMES_PER_WORD.items():
            words = loose[m].values.reshape(-1, frames, loose[m].dim).mean(1)
            np.testing.assert_allclose(aligned[m].values, words, atol=1e-5)
        assert corpus_of(aligned=True).ceiling == corpus_of().ceiling

    def test_no_video_is_in_two_splits_or_in_both_domains(self):
        splits = [s for shifted in (False, True) for s in corpus_of(shifted=shifted).splits.values()]
        assert not any({*a.groups} & {*b.groups} for a, b in itertools.combinations(splits, 2))
        assert len({i for s in splits for i in s.ids}) == 2 * sum(factors.SAMPLES.values())

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("synthetic:shared", {}),
            ("synthetic:shared:aligned", {"aligned": True}),
            ("synthetic:shared:5%labelled", {"labelled": 0.05}),
            ("synthetic:shared:0%labelled", {"labelled": 0}),
            ("synthetic:shared:shifted:2.5%labelled", {"shifted": True, "labelled": 0.025}),
            (
                "synthetic:shared:aligned:shifted:7%labelled:29%unpaired",
                {"aligned": True, "shifted": True, "labelled": 0.07, "unpaired": 0.29},
            ),
        ],
    )
    def test_names(self, name, options):
        assert SharedFactors.named(name).name == SharedFactors(**options).name == name
        assert SharedFactors.named(name, seed=3) == SharedFactors(**options, seed=3)
        assert SharedFactors.named(name).corpus().name == name


class TestShares:
    def test_labels(self):
        few, more = (corpus_of(labelled=share, aligned=True) for share in (0.05, 0.2))
        held = [c["train"].targets["sentiment"].present for c in (few, more)]
        assert [h.sum() for h in held] == [50, 200]
        assert not (held[0] & ~held[1]).any()
        for corpus in (few, more):
            assert np.array_equal(*(corpus["train"].targets[name].present for name in LABELS))
            assert all(corpus["train"].targets[name].present.all() for name in OWN)
            assert all(corpus[s].targets[name].present.all() for s in ("valid", "test") for name in LABELS)

    def test_pairs(self):
        for share in (0.3, 1.0):
            corpus = corpus_of(unpaired=share, aligned=True)
            held = np.stack([corpus["train"].modalities[m].present for m in sorted(factors.DIMS)])
            assert {*held.sum(0)} <= {1, 3}
            assert (held.sum(0) == 1).sum() == share * 1000
            alone = held[:, held.sum(0) == 1].mean(1)
            np.testing.assert_allclose(alone, 1 / 3, atol=4 * np.sqrt(2 / 9 / (share * 1000)))
            assert all(corpus[s].modalities[m].present.all() for s in ("valid", "test") for m in factors.DIMS)

    def test_what_is_left_is_the_same(self):
        whole, part = (
            corpus_of(aligned=True, **o)["train"] for o in ({}, {"labelled": 0.2, "unpaired": 0.3})
        )
        for m, x in part.modalities.items():
            for i in np.flatnonzero(x.present)[:50]:
                assert np.array_equal(x[i], whole.modalities[m][i])
        labelled = part.targets["sentiment"].present
        assert np.array_equal(part.labels("sentiment"), whole.labels("sentiment")[labelled])


class TestSignal:
    @pytest.mark.parametrize("shifted", [False, True])
    def test_the_equation_of_features(self, shifted):
        """The planted quantities, read by the rotation, are the true factors with the noise stated."""
        plan = SharedFactors(shifted=shifted)
        split = corpus_of(shifted=shifted)["test"]
        read = planted(split, plan)
        for m, x in read.items():
            noise = factors.NOISE[m] / np.sqrt(factors.WORDS * factors.FRAMES_PER_WORD[m])
            for place, name in ((0, "shared"), (6, f"own_{m}")):
                left = x[:, place] - column(split, name)
                assert abs(left.mean()) < 5 * noise / 20
                assert left.std() == pytest.approx(noise, rel=0.15)
            styles = x[:, 7:15]
            assert styles.std() == pytest.approx(np.hypot(0.7, noise), rel=0.1)
        drawn = np.stack([x[:, k] for x in read.values() for k in range(6)], 1)
        r = np.corrcoef(drawn.T).reshape(3, 6, 3, 6)
        same = np.einsum("akbk->abk", r)
        assert same.min() > 0.9  # each shared factor is in every modality
        assert np.abs(r - np.einsum("abk,kl->akbl", same, np.eye(6))).max() < 0.25

    def test_the_equation_of_sentiment(self):
        for split in corpus_of().splits.values():
            z = {name: column(split, name) for name in OWN}
            expected = 0.8 * z["shared"] + 0.25 * z["own_text"] + 0.15 * z["own_acoustic"]
            expected += 0.1 * z["own_visual"] + 0.24 * z["own_text"] * z["own_acoustic"]
            np.testing.assert_allclose(column(split, "sentiment"), expected, atol=1e-5)
            assert np.abs(column(split, "sentiment")).max() <= 3

    def test_shares_of_the_variance(self):
        w = factors.STRENGTHS
        own = sum(w[f"own_{m}"] ** 2 for m in factors.DIMS)
        whole = w["shared"] ** 2 + own + w["synergy"] ** 2  # the factors are independent, of variance 1
        shares = [w["shared"] ** 2 / whole, own / whole, w["synergy"] ** 2 / whole]
        np.testing.assert_allclose(shares, [0.81, 0.12, 0.07], atol=0.005)

    def test_bits_are_read_from_every_step_without_error(self):
        plan = SharedFactors(shifted=True)
        for split in plan.corpus().splits.values():
            bits = {}
            for m, x in split.modalities.items():
                rotation, offset = plan._place(m)
                steps = ((x.values - offset) @ rotation).reshape(len(split), -1, x.dim)
                signs = steps[:, :, 15 : 15 + len(factors.SEEN[m])] > 0
                assert (signs == signs[:, :1]).all()
                bits[m] = dict(zip(factors.SEEN[m], signs[:, 0].T.astype(int), strict=True))
            text, acoustic = bits["text"], bits["acoustic"]
            assert np.array_equal(text["shared"], acoustic["shared"])
            assert np.array_equal(text["shared"], bits["visual"]["shared"])
            code = 8 * text["shared"] + 4 * text["own_text"] + 2 * acoustic["own_acoustic"]
            code += text["key_text"] ^ acoustic["key_acoustic"]
            assert np.array_equal(column(split, "code"), code)

    def test_the_shift(self):
        plain, shifted = SharedFactors(), SharedFactors(shifted=True)
        means = [
            {m: x.values.mean(0) for m, x in corpus_of(shifted=s)["train"].modalities.items()}
            for s in (False, True)
        ]
        for m, dim in factors.DIMS.items():
            (one, none), (other, offset) = plain._place(m), shifted._place(m)
            assert not none.any()
            np.testing.assert_allclose(other @ other.T, np.eye(dim), atol=1e-12)
            np.testing.assert_allclose((one * other).sum(0), np.cos(np.pi / 6), atol=1e-12)
            assert np.linalg.norm(offset) == pytest.approx(2)
            gap = means[1][m].astype(np.float64) - means[0][m]
            assert gap @ offset / 2 == pytest.approx(2, abs=0.5)  # the bits of one in four have a mean, too

    def test_a_reader_of_one_domain_is_worse_in_the_other(self):
        here, there = corpus_of(), corpus_of(shifted=True)

        def pooled(split):
            return np.concatenate(
                [x.values.reshape(len(split), -1, x.dim).mean(1) for x in split.modalities.values()], 1
            )

        x, y = pooled(here["train"]), column(here["train"], "sentiment")
        weights = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
        r, off = {}, {}
        for name, corpus in (("here", here), ("there", there)):
            said = np.c_[pooled(corpus["test"]), np.ones(400)] @ weights
            r[name] = np.corrcoef(said, column(corpus["test"], "sentiment"))[0, 1]
            off[name] = np.abs(said - column(corpus["test"], "sentiment")).mean()
        assert 0.9 < r["here"] < here.ceiling["pearson"]
        assert r["there"] < r["here"] - 0.02
        assert off["there"] > 1.5 * off["here"]


class TestCeiling:
    def test_against_weighted_draws_from_the_prior(self):
        """The posterior of each sample by importance sampling: true latents, and the noise's density."""
        plan = SharedFactors(samples={"test": 30}, seed=5)
        split = plan.corpus()["test"]
        read = planted(split, plan)
        noise = {m: factors.NOISE[m] / np.sqrt(12 * f) for m, f in factors.FRAMES_PER_WORD.items()}
        rng, w = np.random.default_rng(0), factors.STRENGTHS
        means, medians = [], []
        for i in range(30):
            z = rng.uniform(-EDGE, EDGE, (4, 400_000))
            own = dict(zip(factors.DIMS, z[1:], strict=True))
            log = sum(norm.logpdf(read[m][i, 0], z[0], noise[m]) for m in factors.DIMS)
            log += sum(norm.logpdf(read[m][i, 6], own[m], noise[m]) for m in factors.DIMS)
            y = w["shared"] * z[0] + sum(w[f"own_{m}"] * own[m] for m in own)
            y += w["synergy"] * own["text"] * own["acoustic"]
            weight = np.exp(log - log.max())
            order = np.argsort(y)
            rank = np.searchsorted(weight[order].cumsum(), weight.sum() / 2)
            means.append(weight @ y / weight.sum())
            medians.append(y[order][rank])
        truth = column(split, "sentiment")
        ceiling = plan.corpus().ceiling
        assert np.corrcoef(means, truth)[0, 1] == pytest.approx(ceiling["pearson"], abs=0.001)
        assert np.abs(np.array(medians) - truth).mean() == pytest.approx(ceiling["mae"], abs=0.003)

    def test_an_oracle_comes_close_but_not_past_it(self):
        plan = SharedFactors(samples={"test": 4000}, aligned=True, seed=7)
        corpus = plan.corpus()
        split = corpus["test"]
        read, truth = planted(split, plan), column(split, "sentiment")
        shrunk = {
            m: x[:, 6] / (1 + factors.NOISE[m] ** 2 / 12 / factors.FRAMES_PER_WORD[m])
            for m, x in read.items()
        }
        said = 0.8 * np.mean([x[:, 0] for x in read.values()], 0) + 0.24 * shrunk["text"] * shrunk["acoustic"]
        said += 0.25 * shrunk["text"] + 0.15 * shrunk["acoustic"] + 0.1 * shrunk["visual"]
        assert 0.98 * corpus.ceiling["pearson"] < np.corrcoef(said, truth)[0, 1] < corpus.ceiling["pearson"]
        assert corpus.ceiling["mae"] < np.abs(said - truth).mean() < 1.1 * corpus.ceiling["mae"]

    def test_other_strengths(self):
        easy = SharedFactors(samples={"test": 400}, strengths={"synergy": 0, "own_text": 0}).corpus()
        hard = SharedFactors(samples={"test": 400}, strengths={"synergy": 0.5, "shared": 0.1}).corpus()
        assert easy.ceiling["pearson"] > hard.ceiling["pearson"] > 0.9

    def test_it_is_of_the_main_target_alone(self):
        corpus = corpus_of()
        for name, expected in (("sentiment", corpus.ceiling), ("own_text", {}), ("code", {})):
            facts = facts_of(corpus, corpus.target(name), ["text"], name="a", seed=0, fold=0, scaled=None)
            assert facts["corpus"]["ceiling"] == expected
        assert SharedFactors(samples={"train": 12}).corpus().ceiling == {}


class TestRecall:
    def test_against_a_loop_with_integrals(self):
        plan = SharedFactors(samples={"test": 12}, seed=2)
        split = plan.corpus()["test"]
        read = planted(split, plan)
        noise = {m: factors.NOISE[m] / np.sqrt(12 * f) for m, f in factors.FRAMES_PER_WORD.items()}

        s = np.linspace(-EDGE, EDGE, 20_001)

        def together(*heard):
            """The density of measurements of one factor, (value, noise) each."""
            return np.exp(sum(norm.logpdf(value, s, sd) for value, sd in heard)).mean()

        for query, key in itertools.permutations(["text", "visual"]):
            ranks = []
            for i in range(12):
                scores = np.full(12, -np.inf)
                for j in range(12):
                    if (read[query][i, 15] > 0) == (read[key][j, 15] > 0):
                        pairs = zip(read[query][i, :6], read[key][j, :6], strict=True)
                        scores[j] = sum(
                            np.log(together((a, noise[query]), (b, noise[key])) + 1e-300)
                            - np.log(together((b, noise[key])))
                            for a, b in pairs
                        )
                ranks.append((scores > scores[i]).sum())
            for best in (1, 2):
                assert plan.recall(query, key, best=best) == np.mean(np.array(ranks) < best)

    def test_nearest_neighbours_come_close_but_not_past_it(self):
        plan = SharedFactors()
        read = planted(corpus_of()["test"], plan)
        for query, key in itertools.permutations(sorted(factors.DIMS), 2):
            a, b = (np.c_[x[:, :6], 9 * np.sign(x[:, 15])] for x in (read[query], read[key]))
            nearest = ((a[:, None] - b) ** 2).sum(2).argmin(1)
            best = plan.recall(query, key)
            assert best - 0.05 < (nearest == np.arange(400)).mean() < best + 0.02  # by chance
            assert 0.78 < best < 0.9


class TestInformation:
    @staticmethod
    def table(first, second):
        """(first's bits, second's bits, code): the exact joint table."""
        names = [*factors.BITS]
        joint = {}
        for values in itertools.product([0, 1], repeat=len(names)):
            bit = dict(zip(names, values, strict=True))
            p = np.prod([factors.BITS[n] if bit[n] else 1 - factors.BITS[n] for n in names])
            code = (
                bit["shared"],
                bit["own_text"],
                bit["own_acoustic"],
                bit["key_text"] ^ bit["key_acoustic"],
            )
            seen = [tuple(bit[n] for n in factors.SEEN[m]) for m in (first, second)]
            joint[(*seen, code)] = joint.get((*seen, code), 0) + p
        axes = [sorted({key[i] for key in joint}) for i in range(3)]
        p = np.zeros([len(axis) for axis in axes])
        for key, value in joint.items():
            p[tuple(axis.index(k) for axis, k in zip(axes, key, strict=True))] = value
        return p

    @staticmethod
    def entropy(p):
        p = p[p > 0]
        return -(p * np.log2(p)).sum()

    def mutual(self, p, given=()):
        """Information of what is not `given` about the code, (first, second, code)."""
        held = p.sum(tuple(given)).reshape(-1, p.shape[2])
        return self.entropy(held.sum(1)) + self.entropy(held.sum(0)) - self.entropy(held)

    def decomposed(self, p):
        """Bertschinger et al.: the least information of both in tables with p's pairs (modality, code)."""
        one, two = p.sum(1), p.sum(0)  # (first, code), (second, code)
        code = p.sum((0, 1))

        def least(c):
            """The least information where, given code c, both are tied: a table by its free entries."""
            rows, columns = (x[:, c] / code[c] for x in (one, two))
            return np.outer(rows[rows > 0], columns[columns > 0])

        # given the code, each modality has at most two states left (its key), so that a table has one free number
        tables = [least(c) for c in range(len(code))]
        free = np.array([min(t.shape) > 1 for t in tables])
        assert all(t.shape in ((1, 1), (1, 2), (2, 1), (2, 2)) for t in tables)

        def moved(amounts):
            q = np.zeros_like(p)
            for c, (table, amount) in enumerate(zip(tables, amounts, strict=True)):
                t = table + amount * np.array([[1, -1], [-1, 1]]) if free[c] else table
                q[np.ix_(one[:, c] > 0, two[:, c] > 0, [c])] = code[c] * t[:, :, None]
            return q

        limits = [(-0.25, 0.25) if f else (0, 0) for f in free]
        starts = np.where(free, np.random.default_rng(0).uniform(-0.2, 0.2, len(code)), 0)
        found = minimize(lambda a: self.mutual(moved(a)), starts, bounds=limits, method="L-BFGS-B")
        both, alone = found.fun, [self.mutual(p, given=[1]), self.mutual(p, given=[0])]
        redundancy = sum(alone) - both
        return [redundancy, alone[0] - redundancy, alone[1] - redundancy, self.mutual(p) - both]

    @pytest.mark.parametrize("pair", [*itertools.permutations(["acoustic", "text", "visual"], 2)])
    def test_against_the_joint_table(self, pair):
        p = self.table(*pair)
        assert p.sum() == pytest.approx(1)
        known = SharedFactors.information(*pair)
        assert [*known] == ["redundancy", f"unique_{pair[0]}", f"unique_{pair[1]}", "synergy"]
        np.testing.assert_allclose(self.decomposed(p), [*known.values()], atol=2e-4)
        assert sum(known.values()) == pytest.approx(self.mutual(p))

    def test_bits(self):
        known = SharedFactors.information("text", "acoustic")
        own = 2 - 0.75 * np.log2(3)
        assert known == pytest.approx(
            {"redundancy": 1, "unique_text": 1, "unique_acoustic": own, "synergy": 1}
        )
        code = column(corpus_of()["train"], "code")
        assert np.mean(code // 2 % 2) == pytest.approx(0.25, abs=0.06)


def test_a_latent_measured_more_than_once():
    parts = [
        UniformPosterior(np.array([0.5, 1.9]), 0.4),
        UniformPosterior(np.array([0.1, 1.5]), np.array([0.2, 0.9])),
    ]
    joint = UniformPosterior.joint(parts)
    s = np.linspace(-EDGE, EDGE, 200_001)[:, None]
    density = np.prod([norm.pdf(s, x.centre, x.spread) for x in parts], 0)
    np.testing.assert_allclose(joint.mean(), (s * density).sum(0) / density.sum(0), atol=1e-4)
    width = norm.cdf(EDGE, joint.centre, joint.spread) - norm.cdf(-EDGE, joint.centre, joint.spread)
    np.testing.assert_allclose(joint.inside(), width, rtol=1e-9)


FORMS = (
    "; only ':aligned', ':shifted', ':5%labelled' and ':50%unpaired' may follow 'synthetic:shared', in this "
    "order, with other percentages up to 100; its size is always the same"
)
REFUSALS = [
    *(
        (lambda name=name: affect.load(name), f"no generated corpus '{name}'{FORMS}")
        for name in (
            f"synthetic:shared:{form}"
            for form in (
                "5%", "algned", "shifted:aligned", "05%labelled", "100%labelled", "0%unpaired", "5.%labelled",
                "24", "5%unlabelled", "50%unpaired:5%labelled", "", "-5%labelled", "5%labelled:24",
                "150%labelled", "101%unpaired", "101%labelled:5%unpaired",
            )
        )
    ),
    (
        lambda: SharedFactors(unpaired=1.01),
        "synthetic:shared: unpaired must be between 0 and 1, got 1.01",
    ),
    (
        lambda: SharedFactors(strengths={"synergi": 1}),
        "synthetic:shared: strengths: no 'synergi'; did you mean 'synergy'? known: own_acoustic, own_text, "
        "own_visual, shared, synergy",
    ),
    (
        lambda: SharedFactors(strengths={"shared": 0}),
        "synthetic:shared: strengths: shared must be above 0, got 0",
    ),
    (
        lambda: SharedFactors(strengths={"own_text": -0.1}),
        "synthetic:shared: strengths: own_text must be 0 or more, got -0.1",
    ),
    (
        lambda: SharedFactors(strengths={"synergy": float("nan")}),
        "synthetic:shared: strengths: synergy must be 0 or more, got nan",
    ),
    (
        lambda: SharedFactors(strengths={"synergy": 0.5}),
        "synthetic:shared: strengths: sentiment must stay within 3, got 3.75; lower them",
    ),
    (
        lambda: SharedFactors(labelled=5),
        "synthetic:shared: labelled must be between 0 and 1, got 5",
    ),
    (lambda: SharedFactors(samples={"test": 0}), "synthetic:shared: samples: test must be 1 or more, got 0"),
    (
        lambda: SharedFactors(samples={}),
        "synthetic:shared: samples names no split; give a count for one, such as 'train'",
    ),
    (lambda: SharedFactors(seed=-1), "synthetic:shared: seed must be 0 or more, got -1"),
    (
        lambda: SharedFactors().recall("txt", "visual"),
        "recall: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
    ),
    (
        lambda: SharedFactors().recall("text", "visual", "tst"),
        "recall: no split 'tst'; did you mean 'test'? known: test, train, valid",
    ),
    (
        lambda: SharedFactors.information("text", "text"),
        "information: expected two modalities, got 'text' twice",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSALS)
def test_refusals(make, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        make()
