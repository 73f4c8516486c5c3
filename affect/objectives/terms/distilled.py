"""Terms of distillation between vectors: of a teacher and of the model, or of its modalities."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import NOT_NEGATIVE
from affect.errors import ConfigError, did_you_mean
from affect.naming import ModuleDict
from affect.objectives.agreement import disagreement
from affect.objectives.terms.balance import UnimodalHeads
from affect.objectives.terms.base import Model, Seen, Term


class FeatureDistillation(Term):
    """Samples that are alike to a teacher are alike to the model: of their vectors, not of its prediction.

    The squared difference of two cosines, that of two samples' vectors in the model and in the teacher, who
    sees the clean view; a mean over pairs of samples. The vectors need not be of one width, and the teacher
    may read other modalities.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        of: the vectors: `fused`, or the means of a modality's encoded steps.
        like: the teacher's vectors; by default the same.
    Shapes:
        seen -> ()
    Missing:
        a sample counts where both have a vector of it; labels are not needed.
    Raises:
        ConfigError: an unknown modality.
    Also known as:
        similarity-preserving, relational knowledge distillation; cross-modal distillation where `of` and
        `like` are two modalities.
    Reference:
        Tung and Mori, Similarity-Preserving Knowledge Distillation, ICCV 2019. Differs: cosines in place of
        rows that are divided by their norm; a sample and itself is no pair.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> teacher, model = (affect.FusionModel.for_corpus(corpus, seed=seed) for seed in (0, 1))
        >>> run = affect.fit(
        ...     model, corpus, training=affect.Training(epochs=1), teacher=teacher,
        ...     terms={"features": FeatureDistillation},
        ... )
        >>> run.history["term: features"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    compares: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        of: str = "fused",
        like: str | None = None,
    ) -> None:
        super().__init__(model, ids, weight)
        if of not in (known := ("fused", *self.dims)):
            raise ConfigError(f"FeatureDistillation: of: no '{of}'; {did_you_mean(of, known)}")
        self.of, self.like = of, like or of

    def forward(self, seen: Seen) -> Tensor:
        assert seen.teacher is not None  # it is among the needs
        with torch.no_grad():
            own = next(seen.teacher.head.parameters()).dtype  # in the precision of its own weights
            taught = seen.teacher(seen.batch.to(own).inputs)
        known = ("fused", *taught.encoded)
        if self.like not in known:
            raise ConfigError(
                f"FeatureDistillation: like: no '{self.like}' there; {did_you_mean(self.like, known)}"
            )
        cosines, there = [], []
        for output, name in ((seen.output, self.of), (taught, self.like)):
            fused = name == "fused"
            vectors = (output.fused if fused else output.encoded[name]).mean()
            some = [x.present for m, x in output.encoded.items() if fused or m == name]
            there.append(torch.stack(some).any(0))
            unit = F.normalize(vectors, dim=-1)
            cosines.append(unit @ unit.mT)
        both = there[0] & there[1]
        pairs = both.unsqueeze(0) & both.unsqueeze(1)
        pairs = pairs & ~torch.eye(len(both), dtype=torch.bool, device=both.device)
        apart = (cosines[0] - cosines[1].to(cosines[0])).square()
        return (apart * pairs).sum() / pairs.sum().clamp(min=1)


class DistillationGraph(UnimodalHeads):
    """Each modality predicts the label alone, and learns from the others by edges that are learned: DMD.

    The heads' loss as in `UnimodalHeads`, and `graph` times the mean over samples of sum e_jk d_jk over
    ordered pairs of modalities: d_jk is how far the prediction of k lies from that of j
    (`affect.objectives.agreement.disagreement`) and their projected vectors from one another (1 less the
    cosine); nothing is learned by j. The edges of a sample are the softmax over its pairs of a linear layer
    of both vectors. `prior` times the squared distance of the mean edges from equal ones keeps them from all
    going to the pair that is nearest anyway.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of all.
        graph: of the distillation.
        prior: of the edges' distance from equal ones.
        width: of the projected vectors.
        of: whose vectors and predictions these are: the encoders' by default, else the fusion's, as in
            `UnimodalHeads`; `shared` is DMD's homogeneous graph, `attended` its heterogeneous one.
    Shapes:
        seen -> ()
    Missing:
        an edge is there where a sample has both modalities; a head learns from labelled samples alone, edges
        from all.
    Raises:
        ConfigError: fewer than two modalities; a label per step; a number out of its range; the fusion does
            not offer `of`.
    Also known as:
        GD, graph distillation unit, DMD's heterogeneous graph.
    Reference:
        Li et al., Decoupled Multimodal Distilling for Emotion Recognition, CVPR 2023, section 3.3. Differs:
        a graph for each term, by default over what the encoders give; a teacher's side does not move; its
        decoupling is `SharedPrivateTransformer` with `Difference` and `Reconstruction`.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"graph": DistillationGraph}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: graph"].item() > 0
        True
    """

    compares: ClassVar[bool] = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "graph": FloatDistribution(0.01, 1.0, log=True),
    }

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        graph: float = 0.1,
        prior: float = 1.0,
        width: int = 16,
        of: str | None = None,
    ) -> None:
        super().__init__(model, ids, weight, of)
        self.check_several()
        for name, value in (("graph", graph), ("prior", prior)):
            NOT_NEGATIVE.check(f"DistillationGraph: {name}", value)
        if self.target.per_step:
            raise ConfigError(f"DistillationGraph: '{self.target.name}' has a label per step; it is for one")
        self.graph, self.prior = float(graph), float(prior)
        self.project = ModuleDict({m: nn.Linear(dim, width) for m, dim in self.read.items()})
        self.edge = nn.Linear(2 * width, 1, bias=False)

    def forward(self, seen: Seen) -> Tensor:
        kind = self.edge.weight.dtype
        lies = {m: self.project[m](v.to(kind)) for m, v in self.vectors(seen).items()}
        told, scores, apart, there = self.predictions(seen), [], [], []
        for j in self.dims:
            head: Any = self.heads[j]
            decided = head.decide(told[j].detach())
            for k in self.dims:
                if j == k:
                    continue
                scores.append(self.edge(torch.cat([lies[j], lies[k]], -1)).squeeze(-1))
                cosine = F.cosine_similarity(lies[j].detach(), lies[k], dim=-1)
                apart.append(disagreement(self.target, told[k], decided).mean(-1) + 1 - cosine)
                there.append(seen.present[j] & seen.present[k])
        mask = torch.stack(there, 1)
        some = mask.any(1)
        edges = torch.stack(scores, 1).masked_fill(~mask, -torch.inf)
        edges = torch.where(some.unsqueeze(1), edges, 0.0).softmax(1) * mask
        distilled = seen.mean((edges * torch.stack(apart, 1)).sum(1), some)
        equal = mask.to(edges) / mask.sum(1, keepdim=True).clamp(min=1)
        off = ((edges - equal) * some.unsqueeze(1)).sum(0) / seen.total(some.sum())
        heads = torch.stack([seen.mean(*own) for own in self.losses(seen).values()]).mean()
        return heads + self.graph * (distilled + self.prior * off.square().sum())
