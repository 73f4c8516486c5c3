"""A pretrained encoder that reads each step by itself: the laws, each step alone, and bounded memory."""

import functools
import re

import pytest
import torch

from affect import testing
from affect.encoders import pretrained
from affect.errors import ConfigError
from affect.fusion import GatedShiftFusion
from affect.sequences import Sequence

transformers = pytest.importorskip("transformers", reason="needs affect[text]")

from small_encoders import PIECES, PLACES, bert, xlnet  # noqa: E402, needs transformers

from affect.encoders import PretrainedEncoder  # noqa: E402

SUB_WORDS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(bert(tmp_path_factory.mktemp("bert")))


def made(folder, in_dim=SUB_WORDS, out_dim=8, **options):
    torch.manual_seed(0)
    return PretrainedEncoder(in_dim, out_dim, model=folder, context="step", **options).double().eval()


def dialogues(batch=3, time=5, seed=0):
    """Steps of one to four sub-words; some are unobserved, one has none, and a dialogue is empty."""
    drawn = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, SUB_WORDS + 1, (batch, time), generator=drawn)
    lengths[0, 1] = 0
    values = torch.randint(5, len(PIECES) + 1, (batch, time, SUB_WORDS), generator=drawn).double()
    values = values * (torch.arange(SUB_WORDS) < lengths.unsqueeze(-1))
    mask = torch.rand(batch, time, generator=drawn) < 0.8
    mask[0, :3] = True
    mask[-1] = False
    return Sequence(values, mask)


LAWS = [*testing.LAWS, testing.memory_is_bounded]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("options", [{}, {"output": "pooler"}, {"kept": 0}, {"trained": "none"}], ids=str)
def test_law(folder, law, options, monkeypatch):
    if "kept" in options and law is not testing.memory_is_bounded:
        monkeypatch.setattr(pretrained, "_TOGETHER", 9)
    made_by = functools.partial(PretrainedEncoder, model=folder, context="step", **options)
    law(testing.encoder_part(made_by, in_dim=2))


@pytest.mark.parametrize("service", testing.DEPLOYMENT, ids=lambda law: law.__name__)
def test_deployment(folder, service):
    service(
        testing.encoder_part(functools.partial(PretrainedEncoder, model=folder, context="step"), in_dim=2)
    )


@pytest.mark.parametrize("output", ["words", "first", "pooler", "mean"])
@pytest.mark.parametrize("together", [1, 13, 1000])
def test_each_step_is_what_transformers_makes_of_it_alone(folder, output, together, monkeypatch):
    monkeypatch.setattr(pretrained, "_TOGETHER", together)
    encoder = made(folder, output=output)
    model = transformers.AutoModel.from_pretrained(folder).double().eval()
    x = dialogues()
    found = encoder(x)
    assert found.time == encoder.time_of(x.time) == x.time
    for row in range(len(x.mask)):
        for step in range(x.time):
            ids = [int(value) - 1 for value in x.values[row, step] if value]
            assert found.mask[row, step] == bool(ids)
            if not ids:
                continue
            out = model(torch.tensor([[2, *ids, 3]]))
            state = {
                "words": lambda out=out: out.last_hidden_state[0, 1:-1].mean(0),
                "first": lambda out=out: out.last_hidden_state[0, 0],
                "pooler": lambda out=out: out.pooler_output[0],
                "mean": lambda out=out: out.last_hidden_state[0].mean(0),
            }[output]()
            assert torch.allclose(found.values[row, step], encoder.out(state), atol=1e-10)


def test_segments_and_special_tokens_behind_a_text_are_each_step_s_own(tmp_path):
    folder = str(xlnet(tmp_path))
    encoder = made(folder)
    x = dialogues()
    found = encoder(x)
    for row, step in found.mask.nonzero().tolist():
        alone = encoder(Sequence.full(x.values[row : row + 1, step : step + 1]))
        assert torch.allclose(found.values[row, step], alone.values[0, 0], atol=1e-10)


def test_unobserved_steps_are_not_run_and_like_lengths_are_read_together(folder, monkeypatch):
    monkeypatch.setattr(pretrained, "_TOGETHER", 12)
    encoder, read = made(folder), []
    encoder.encoder.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    x = dialogues(time=20)
    found = encoder(x)
    assert sum(rows for rows, _ in read) == found.mask.sum() < x.mask.numel()
    widths = [width for _, width in read]
    assert widths == sorted(widths, reverse=True)
    assert max(rows * width for rows, width in read) <= 12
    read.clear()
    nothing = encoder(x.keep(torch.zeros_like(x.mask)))
    assert not read
    assert not nothing.mask.any()


def test_what_is_computed_again_gives_the_same_gradients_with_dropout_too(folder, monkeypatch):
    monkeypatch.setattr(pretrained, "_TOGETHER", 8)
    x, found = dialogues(), []
    for kept in (0, 20, 10_000):
        encoder = made(folder, kept=kept).train()
        torch.manual_seed(1)
        encoder(x).values.square().sum().backward()
        found.append({name: p.grad for name, p in encoder.named_parameters() if p.grad is not None})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert all(torch.allclose(grad, other[name], atol=1e-12) for name, grad in found[0].items())


def test_memory_does_not_grow_with_a_dialogue(folder, monkeypatch):
    from affect.testing.memory import Live

    monkeypatch.setattr(pretrained, "_TOGETHER", 60)

    def held(time, kept):
        encoder = made(folder, kept=kept).train()
        x = Sequence.full(torch.full((1, time, SUB_WORDS), 6.0, dtype=torch.float64))
        with Live([*encoder.parameters(), x.values, x.mask]) as live:
            encoder(x).values.square().sum().backward()
        return live.peak

    bounded = held(100, 60) - held(40, 60)
    assert bounded < 0.15 * (held(100, 10**6) - held(40, 10**6))


def test_of_a_step_beyond_the_limit_the_beginning_is_read(folder):
    encoder = made(folder, in_dim=PLACES + 3)
    x = Sequence.full(torch.full((1, 2, PLACES + 3), 6.0, dtype=torch.float64))
    cut = made(folder, in_dim=PLACES - 2)(Sequence.full(x.values[..., : PLACES - 2]))
    found = encoder(x)
    assert found.mask.all()
    assert torch.allclose(found.values, cut.values)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_gate_meets_each_step_by_itself(folder, layer):
    torch.manual_seed(0)
    encoder = functools.partial(PretrainedEncoder, model=folder, context="step", kept=0)
    dims = {"a": 2, "b": SUB_WORDS}
    fusion = GatedShiftFusion(dims, 8, main="b", layer=layer, encoder=encoder).double().eval()
    b = dialogues()
    a = Sequence(torch.randn(3, 5, 2, dtype=torch.float64), b.mask.roll(1, 1))
    together = fusion({"a": a, "b": b})
    for row, step in together.mask.nonzero().tolist():
        own = {
            name: Sequence(x.values[row : row + 1, step : step + 1], x.mask[row : row + 1, step : step + 1])
            for name, x in {"a": a, "b": b}.items()
        }
        assert torch.allclose(fusion(own).values[0, 0], together.values[row, step])
    without = fusion({"a": a.keep(torch.tensor(False)), "b": b})
    assert not torch.allclose(without.values, together.values)


def test_no_step_reads_another_one(folder):
    encoder, x = made(folder), dialogues()
    assert encoder.causal
    assert not PretrainedEncoder(2, 8, model=folder).causal
    step = torch.arange(x.time) == 2
    other = x.with_values(torch.where(step.view(1, -1, 1), x.values.roll(1, -1).clamp(min=6), x.values))
    before, after = encoder(x), encoder(other)
    assert torch.allclose(before.values[:, ~step], after.values[:, ~step], atol=1e-10)
    assert not torch.allclose(before.values[:, step], after.values[:, step])


def test_refusal(folder):
    message = "PretrainedEncoder: context must be 'sample' or 'step', got 'dialogue'"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        PretrainedEncoder(2, 8, model=folder, context="dialogue")
