"""Containers whose keys are any text, and the names that torch gives what they hold."""

import copy
import itertools
import pickle
import random

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

import affect
from affect.errors import ConfigError
from affect.naming import (
    ModuleDict,
    ParameterDict,
    apart,
    attribute_name,
    file_name,
    original,
    pair_name,
    slug,
)

ORDINARY = ("acoustic", "text", "visual", "au01", "a b", "a/b", "音频", " x", "100%")
REFUSED = ("wav2vec2.0", "open.face", "train", "keys", "values", "items", "type", "forward", "_modules", "")
RISKY = ("%41", "%", 'a "b"', "a\nb", "a\\b", "in", "_names")
NAMES = (*ORDINARY, *REFUSED, *RISKY)


class Held(nn.Module):
    """Asks its containers for everything that they offer."""

    def __init__(self, names):
        super().__init__()
        self.names = list(names)
        self.maps = ModuleDict({name: nn.Linear(2, 2) for name in names})
        self.shifts = ParameterDict({name: nn.Parameter(torch.randn(2)) for name in names})

    def forward(self, x):
        total = sum(self.maps[name](x) + (name in self.maps) * self.shifts[name] for name in self.names)
        for name, own in self.maps.items():
            total = total + own(x) * self.shifts[name]
        for name, own, shift in zip(self.maps, self.maps.values(), self.shifts.values(), strict=True):
            total = total + own(x) * shift * len(name)
        return total * len(self.maps)


@pytest.fixture
def held():
    torch.manual_seed(0)
    return Held(NAMES)


X = torch.linspace(-1, 1, 6).view(3, 2)


def texts(count):
    rng = random.Random(0)
    for _ in range(count):
        yield "".join(rng.choice('%.24E"\\/ \n\0to+a音') for _ in range(rng.randrange(7)))


def test_what_torch_takes_keeps_its_name_and_so_do_saved_runs():
    plain = nn.ModuleDict({name: nn.Linear(1, 1) for name in ORDINARY})
    own = ModuleDict({name: nn.Linear(1, 1) for name in ORDINARY})
    assert list(own.state_dict()) == list(plain.state_dict())
    own.load_state_dict(plain.state_dict())
    values = {name: torch.ones(1) for name in ORDINARY}
    assert list(ParameterDict(values).state_dict()) == list(nn.ParameterDict(values).state_dict())


@pytest.mark.parametrize("name", REFUSED)
def test_torch_itself_refuses_the_others(name):
    with pytest.raises(KeyError):
        nn.ModuleDict({name: nn.Identity()})


def test_every_text_has_a_name_of_its_own_and_is_found_again():
    owner, pairs = nn.Identity(), {}
    for text in texts(20_000):
        for spelled in (attribute_name(text, owner), file_name(text, {"a", "to", "音"}), apart(text, "to")):
            assert original(spelled) == text
        assert "." not in attribute_name(text, owner)
        assert not {"/", "\0"} & {*file_name(text)}
        assert file_name(text, {"a", "to", "音"}) not in ("", ".", "..", "a", "to", "音")
    few = ("a", "to", "a to", "to a", "a to to", "%74o", "", " ", "a ", " to ")
    for source, to in itertools.product(few, few):
        assert pairs.setdefault(pair_name(source, to), (source, to)) == (source, to)


def test_they_are_dictionaries(held):
    for own in (held.maps, held.shifts):
        assert list(own) == list(own.keys()) == [name for name, _ in own.items()]
        assert sorted(own) == sorted(NAMES)
        assert all(own[name] is value for name, value in own.items())
        assert "missing" not in own
        first = own["train"]
        assert own.pop("train") is first
        assert "train" not in own
        assert len(own) == len([*own.parameters()]) / (2 if own is held.maps else 1) == len(NAMES) - 1
        own["train"] = first
        own["keys"] = first
        assert own["keys"] is own["train"] is first
        del own["wav2vec2.0"]
        own.clear()
        assert (len(own), list(own), list(own.state_dict())) == (0, [], [])
    with pytest.raises(KeyError, match="open"):
        held.maps["open.face"]
    values = ParameterDict({"train": torch.ones(1)})
    both = values.copy() | ParameterDict().fromkeys(["a.b"], torch.zeros(1))
    assert (type(both), [*both]) == (ParameterDict, ["train", "a.b"])


def test_what_they_hold_moves_and_is_saved(held):
    said = held(X)
    assert torch.equal(copy.deepcopy(held)(X), said)
    assert torch.equal(pickle.loads(pickle.dumps(held))(X), said)
    other = Held(NAMES)
    other.load_state_dict(load(save(held.state_dict())))
    assert torch.equal(other(X), said)
    assert torch.equal(torch.func.functional_call(other, dict(held.named_parameters()), X), said)
    for name, part in held.named_modules():
        assert held.get_submodule(name) is part


def test_what_was_saved_under_another_torch_is_found():
    """An attribute that torch has only since, or has no more, changes what a part is called."""
    own = ModuleDict({"compile": nn.Linear(1, 1), "text": nn.Linear(1, 1), "a.b": nn.Linear(1, 1)})
    state = {name.replace("%63", "c").replace("text", "%74ext"): x for name, x in own.state_dict().items()}
    assert [*state] != [*own.state_dict()]
    other = nn.ModuleDict({"inner": ModuleDict({name: nn.Linear(1, 1) for name in own})})
    other.load_state_dict({f"inner.{name}": x for name, x in state.items()})
    assert torch.equal(other["inner"]["text"].weight, own["text"].weight)
    assert torch.equal(other["inner"]["compile"].bias, own["compile"].bias)
    values = ParameterDict({"type": torch.zeros(1)})
    values.load_state_dict({"type": torch.ones(1)})
    assert values["type"].item() == 1
    with pytest.raises(RuntimeError, match="Unexpected key"):
        own.load_state_dict({**own.state_dict(), "visual.weight": torch.ones(1, 1)})


def test_they_are_compiled_and_exported():
    held = Held(("音频", "%41", "wav2vec2.0", "train", "in", 'a "b"'))
    torch.compiler.reset()
    with torch.no_grad():
        said = held(X)
        assert torch.allclose(torch.compile(held, backend="eager", fullgraph=True)(X), said)
        assert torch.allclose(torch.export.export(held, (X,)).module()(X), said)


class Plain(affect.VectorFusion):
    """As the README shows one: torch's own containers."""

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.project = nn.ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})

    def combine(self, vectors, present):
        return sum(self.project[m](v) * present[m].unsqueeze(-1) for m, v in vectors.items())


class Pairs(Plain):
    def __init__(self, dims, out_dim):
        affect.VectorFusion.__init__(self, dims, out_dim)
        self.weights = nn.ParameterDict({pair: nn.Parameter(torch.ones(1)) for pair in self.ordered_pairs})


class Buffers(Plain):
    def __init__(self, dims, out_dim):
        affect.VectorFusion.__init__(self, dims, out_dim)
        for name in dims:
            self.register_buffer(name, torch.ones(1))


class Mistaken(Plain):
    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.first = dims["missing"]


REMEDY = "; use affect.ModuleDict and affect.ParameterDict, which take any name, or rename the modality"


@pytest.mark.parametrize(
    ("fusion", "names", "said"),
    [
        (
            Plain,
            ("text", "wav2vec2.0"),
            "Plain: torch takes no part called 'wav2vec2.0', for modality 'wav2vec2.0'",
        ),
        (Plain, ("text", "train"), "Plain: torch takes no part called 'train', for modality 'train'"),
        (Pairs, ("a.b", "text"), "Pairs: torch takes no part called 'a.b to text', for modality 'a.b'"),
        (
            Buffers,
            ("forward", "text"),
            "Buffers: torch takes no part called 'forward', for modality 'forward'",
        ),
        (
            lambda dims, out_dim: affect.fusion.PerStep(dims, out_dim, Plain),
            ("keys", "text"),
            "Plain: torch takes no part called 'keys', for modality 'keys'",
        ),
    ],
)
def test_a_fusion_of_torch_s_own_containers_is_refused_in_one_line(fusion, names, said):
    with pytest.raises(ConfigError) as refused:
        affect.FusionModel.for_shape(
            dict.fromkeys(names, 2), affect.load("synthetic").target(), True, fusion=fusion
        )
    assert str(refused.value) == said + REMEDY


def test_it_works_with_the_names_that_torch_takes():
    target = affect.load("synthetic").target()
    assert affect.FusionModel.for_shape({"a b": 2, "音频": 3}, target, False, fusion=Plain)
    with pytest.raises(KeyError, match="missing"):  # a mistake of its own is not taken for a name
        affect.FusionModel.for_shape({"open": 2, "text": 3}, target, False, fusion=Mistaken)


DEVICES = ("con", "PRN", "aux.txt", "NUL", "nul .x", "com1", "LPT9", "COM\xb9")
HOSTILE = (
    "../../escape",
    "/etc/passwd",
    "..",
    ".",
    "a\0b",
    "C:\\x",
    "a:b",
    "-rf",
    ".hidden",
    "x.",
    "x ",
    " x",
    "a\x1b[2J",
)
HARMLESS = (
    "MulT",
    "late fusion, 2 layers",
    "wav2vec2.0",
    "a+b=c",
    "100%",
    "é",
    "音频",
    "conx",
    "sum(2)",
    "~",
)


@pytest.mark.parametrize("name", [*DEVICES, *HOSTILE, "", "%41", "\ud800", "a\u202eb", "a" * 300, "音" * 90])
def test_a_folder_s_name_is_one_folder_s_on_every_system(name, tmp_path):
    spelled = slug(name)
    assert spelled != name
    assert not {*'/\\:*?"<>|'} & {*spelled}
    assert spelled.isprintable()
    assert spelled[0] not in "-."
    assert spelled[-1] not in ". "
    assert len(spelled) <= 100
    assert len(spelled.encode()) <= 200
    assert spelled.partition(".")[0].strip().upper() not in {
        "CON",
        "PRN",
        "AUX",
        "NUL",
        "COM1",
        "LPT9",
        "COM\xb9",
    }
    (tmp_path / f"{spelled}-0123abcd").mkdir()
    assert [path.parent for path in tmp_path.iterdir()] == [tmp_path]


def test_harmless_names_are_folders_as_they_are_and_no_two_are_one():
    assert [slug(name) for name in HARMLESS] == [*HARMLESS]
    found = {}
    for text in (*texts(20_000), *DEVICES, *HOSTILE, "%", "a" * 300, "a" * 301, slug("a" * 300)):
        assert found.setdefault(slug(text), text) == text
