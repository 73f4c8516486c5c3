import pickle
import re

import numpy as np
import pytest
import torch

import affect
from affect.data.corpus import Split
from affect.data.export import to_mmsa
from affect.data.ragged import Ragged
from affect.errors import ConfigError, DataError
from affect.scaling import Scaler
from affect.sequences import Sequence

RNG = np.random.default_rng(0)


def split_of(values, observed=None):
    rows = Ragged.from_offsets(np.asarray(values, np.float32), [0, len(values)], observed)
    return Split(("a",), {"ecg": rows}, {})


def scaled(scaler, values):
    return scaler({"ecg": Sequence.full(torch.tensor(values, dtype=torch.float32)[None])})["ecg"]


def test_standard_scaling_of_observed_steps_only():
    values = RNG.normal(3, 5, (1000, 2))
    values[::2] = 1e6  # nothing was observed here
    seen = np.arange(1000) % 2 == 1
    x = scaled(Scaler.fit(split_of(values, seen)), values[seen])
    assert torch.allclose(x.values.mean(1), torch.zeros(2), atol=1e-5)
    assert torch.allclose(x.values.std(1, correction=0), torch.ones(2), atol=1e-5)


def test_robust_scaling_is_not_moved_by_wild_values():
    values = RNG.normal(3, 5, (2001, 1))
    values[:100] = 255
    x = scaled(Scaler.fit(split_of(values), "robust"), values)
    quartiles = torch.quantile(x.values.flatten(), torch.tensor([0.25, 0.5, 0.75]))
    assert torch.allclose(quartiles[2] - quartiles[0], torch.tensor(1.0), atol=1e-4)
    assert quartiles[1].abs() < 1e-4
    assert x.values.max() == 10


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_a_constant_column_becomes_zero(scaling):
    x = scaled(Scaler.fit(split_of(np.full((9, 1), 7.3)), scaling), [[7.3], [7.3]])
    assert x.values.abs().max() < 1e-4


@pytest.mark.parametrize("scaling", ["standard", "robust", "none"])
def test_a_value_that_is_not_finite_becomes_the_training_mean(scaling, caplog):
    values = np.array([[1.0], [np.nan], [2.0], [np.inf], [6.0]])
    scaler = Scaler.fit(split_of(values), scaling)
    assert caplog.messages == ["ecg: NaN or infinite values: 2 in column 0; nonfinite='mean'"]
    x = scaled(scaler, [[np.nan], [-np.inf], [3.0]])
    assert torch.allclose(x.values[0, :2], x.values[0, 2])


@pytest.mark.parametrize("scaling", ["standard", "robust", "none"])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_value_beyond_float32_is_one_that_is_not_finite(scaling, kind, caplog):
    values = RNG.normal(3, 5, (1001, 3))
    wild = values.copy()
    wild[4, 2], wild[5, 1] = 1e300, -1e39
    with np.errstate(over="ignore"):
        rows = Ragged.from_offsets(wild.astype(kind), np.array([0, 1001]))
    scaler = Scaler.fit(Split(("a",), {"ecg": rows}, {}), scaling)
    assert caplog.messages == ["ecg: NaN or infinite values: 1 in column 1, 1 in column 2; nonfinite='mean'"]
    for column, row in ((2, 4), (1, 5)):
        usual = np.delete(values[:, column], row)
        low, middle, high = np.percentile(usual, [25, 50, 75])
        centre, scale = {
            "standard": (usual.mean(), usual.std()), "robust": (middle, high - low), "none": (0, 1),
        }[scaling]  # fmt: skip
        assert scaler.get_buffer("centre_ecg")[column].item() == pytest.approx(centre, rel=1e-5)
        assert scaler.scale_of("ecg")[column].item() == pytest.approx(scale, rel=1e-5)
        x = scaler({"ecg": rows.pad(np.array([0]))})["ecg"].values[0, :, column]
        assert x[row].item() == pytest.approx((usual.mean() - centre) / scale, abs=1e-5)
    with pytest.raises(DataError) as error:
        Scaler.fit(Split(("a",), {"ecg": rows}, {}), nonfinite="refuse")
    assert str(error.value) == (
        "ecg: NaN or infinite values: 1 in column 1, 1 in column 2; choose nonfinite='mean' or 'mask'"
    )


def test_the_case_of_mosei_s_audio_in_float64(tmp_path, caplog):
    def part(n, name):
        return {
            "id": np.array([f"{name}{i}$_$0" for i in range(n)]), "text": RNG.normal(size=(n, 4, 2)),
            "vision": RNG.normal(size=(n, 4, 2)), "audio": RNG.normal(size=(n, 4, 3)),
            "regression_labels": RNG.uniform(-3, 3, n), "audio_lengths": [4] * n, "vision_lengths": [4] * n,
        }  # fmt: skip

    content = {name: part(n, name) for name, n in (("train", 30), ("valid", 8), ("test", 8))}
    content["train"]["audio"][1, 0, 2] = 1e300
    (tmp_path / "float64.pkl").write_bytes(pickle.dumps(content))
    corpus = affect.load(tmp_path / "float64.pkl")
    scaler = Scaler.fit(corpus["train"])
    assert caplog.messages == ["acoustic: NaN or infinite values: 1 in column 2; nonfinite='mean'"]
    usual = np.delete(content["train"]["audio"].reshape(-1, 3)[:, 2], 4)
    assert scaler.get_buffer("centre_acoustic")[2].item() == pytest.approx(usual.mean(), rel=1e-5)
    rows = corpus["test"].modalities["acoustic"]
    x = scaler({"acoustic": rows.pad(np.arange(8))})["acoustic"].values.reshape(-1, 3)[:, 2].numpy()
    truth = content["test"]["audio"].reshape(-1, 3)[:, 2]
    np.testing.assert_allclose(x, (truth - usual.mean()) / usual.std(), rtol=1e-4, atol=1e-5)
    to_mmsa(corpus, tmp_path / "again.pkl")
    assert np.isinf(affect.load(tmp_path / "again.pkl")["train"].modalities["acoustic"].values).sum() == 1


def test_a_step_with_such_a_value_can_be_masked(caplog):
    scaler = Scaler.fit(split_of([[1.0, 2.0], [3.0, np.nan]]), nonfinite="mask")
    x = scaled(scaler, [[1.0, 2.0], [3.0, np.nan]])
    assert x.mask.tolist() == [[True, False]]


def test_refusals():
    for ask, error, message in [
        (
            lambda: Scaler.fit(split_of([[1.0, np.nan], [2.0, np.inf]]), nonfinite="refuse"),
            DataError,
            "ecg: NaN or infinite values: 2 in column 1; choose nonfinite='mean' or 'mask'",
        ),
        (
            lambda: Scaler({}, "standrad"),
            ConfigError,
            "Scaler: no 'standrad'; did you mean 'standard'? known: none, robust, standard",
        ),
        (lambda: Scaler({}, nonfinite="zero"), ConfigError, "Scaler: no 'zero'; known: mask, mean, refuse"),
    ]:  # fmt: skip
        with pytest.raises(error, match=f"^{re.escape(message)}$"):
            ask()


def test_other_modalities_pass_as_they_are():
    x = Sequence.full(torch.ones(1, 1, 1))
    assert Scaler({"ecg": 1})({"eeg": x})["eeg"] is x
