"""XLNet as a pretrained encoder: relative places, time first, and special tokens behind the text."""

import functools
import re

import pytest
import torch

from affect import testing
from affect.fusion import GatedShiftFusion
from affect.sequences import Sequence

transformers = pytest.importorskip("transformers", reason="needs affect[text]")

from small_encoders import xlnet  # noqa: E402, needs transformers

from affect.encoders import PretrainedEncoder  # noqa: E402

WORDS = torch.tensor([[[5.0, 6.0], [10.0, 0.0], [7.0, 8.0]]])
"""So good, bad, un believ: three words of five sub-words."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(xlnet(tmp_path_factory.mktemp("xlnet")))


def made(folder, **options):
    torch.manual_seed(0)
    encoder = PretrainedEncoder(2, 16, model=folder, **options).double().eval()
    encoder.out = torch.nn.Identity()
    return encoder


def theirs(folder):
    """The hidden states of transformers' own class for the same sub-words, and what special tokens are of."""
    model = transformers.XLNetModel.from_pretrained(folder).double().eval()
    ids, segments = torch.tensor([[4, 5, 9, 6, 7, 3, 2]]), torch.tensor([[0] * 6 + [2]])
    with torch.no_grad():
        return model(input_ids=ids, token_type_ids=segments, output_hidden_states=True).hidden_states


def pooled(states):
    return torch.stack([states[0, :2].mean(0), states[0, 2], states[0, 3:5].mean(0)])


def test_states_are_those_of_transformers_own_class(folder):
    encoder = made(folder)
    states = theirs(folder)
    assert torch.allclose(encoder(Sequence.full(WORDS.double())).values[0], pooled(states[-1]), atol=1e-9)
    padded = Sequence(
        torch.cat([WORDS, torch.ones(1, 2, 2)], 1).double(), torch.tensor([[True] * 3 + [False] * 2])
    )
    together = encoder(
        Sequence(
            torch.cat([padded.values, torch.full((1, 5, 2), 6.0, dtype=torch.float64)]),
            torch.cat([padded.mask, torch.ones(1, 5, dtype=torch.bool)]),
        )
    )
    assert torch.allclose(together.values[0, :3], pooled(states[-1]), atol=1e-9)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_gate_meets_the_hidden_states_of_its_layer(folder, layer):
    met = []
    encoder, x = made(folder), Sequence.full(WORDS.double())
    out = encoder.encode_with(x, lambda h, _: met.append(h) or h.with_values(h.values.roll(1, 1)), layer, [])
    assert torch.allclose(met[0].values, theirs(folder)[layer], atol=1e-9)
    assert not torch.allclose(out.values, encoder(x).values, atol=1e-3)
    same = encoder.encode_with(x, lambda h, _: h, layer, [])
    assert torch.allclose(same.values, encoder(x).values, atol=1e-9)


@pytest.mark.parametrize("law", [*testing.LAWS, testing.memory_is_bounded], ids=lambda law: law.__name__)
def test_law(folder, law):
    law(testing.encoder_part(functools.partial(PretrainedEncoder, model=folder), in_dim=1))


def test_what_nothing_reads_does_not_learn(folder):
    still = {name for name, p in made(folder).named_parameters() if not p.requires_grad}
    assert still == {"encoder.mask_emb"}
    last = {name for name, p in made(folder, trained=1).named_parameters() if p.requires_grad}
    assert last
    assert all(re.search(r"layer\.1\.", name) for name in last)


def test_a_shift_within_it(folder):
    """MAG-XLNet."""
    torch.manual_seed(0)
    encoder = functools.partial(PretrainedEncoder, model=folder)
    fusion = GatedShiftFusion({"a": 3, "b": 2}, 8, main="b", encoder=encoder).double().eval()
    x = Sequence.full(WORDS.double())
    a = Sequence.full(torch.randn(1, 3, 3, dtype=torch.float64))
    out = fusion({"a": a, "b": x})
    assert out.values.shape == (1, 3, 8)
    without = fusion({"a": a.keep(torch.tensor(False)), "b": x})
    assert not torch.allclose(out.values, without.values, atol=1e-3)
