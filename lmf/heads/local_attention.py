"""Attention over the LR pixels around a query (CiaoSR, Cao et al., CVPR 2023, arXiv 2212.04362).

    k_j = K(F_j, r_j, cell),  v_j = V(F_j, N_j, r_j, cell)
    z   = sum_j softmax_j(lambda q k_j^T / sqrt(n)) v_j

paper      here           shape
F_j        code.feature   (*, k, n)   feature of neighbour j
N_j        code.context   (*, k, m)   its non-local feature, from cross-scale attention
r_j        offset         (*, k, 2)   relative coordinate of the query from neighbour j
q          query          (*, n)      F of the neighbour nearest to the query

So learnt weights take the place of the local ensemble's areas, and one decoder reads z. Unlike an
area, a softmax weight does not vanish where a neighbour leaves: the image has steps there.
"""

import torch
from torch import Tensor, nn

from lmf.core.bundle import ContextCode, FeatureCode
from lmf.core.ensemble import Nearest, around, nearest, pick
from lmf.heads.basis import FeatureBasis
from lmf.nets.mlp import Mlp

CHUNK = 1 << 23
"""Floats of the widest activation held at a time: 32 MB."""


ALL = slice(None)


class LocalAttention(nn.Module):
    """A basis that reads all neighbours of a query together; one result per query, not per neighbour.

    feature, context: n and m, lengths of F and N; m is 0 without non-local features.
    hidden: widths of the MLPs K and V. side: the side x side nearest LR pixels are read.
    softmax_scale: lambda. cell, position: whether K and V read the cell and the offset.
    outputs: length n + m of z. floats: of the widest activation of one query.
    """

    def __init__(
        self,
        feature: int,
        context: int,
        hidden: tuple[int, ...],
        *,
        side: int,
        softmax_scale: float,
        cell: bool,
        position: bool,
    ) -> None:
        super().__init__()
        self.side, self.softmax_scale = side, softmax_scale
        self.outputs = feature + context
        self.key_basis = FeatureBasis(feature, cell, position)
        self.value_basis = FeatureBasis(feature + context, cell, position)
        self.key = Mlp(self.key_basis.outputs, hidden, feature)
        self.value = Mlp(self.value_basis.outputs, hidden, feature + context)
        self.floats = side**2 * max(self.value_basis.outputs, *hidden)

    def forward(self, code: ContextCode, offset: Tensor, cell: Tensor) -> Tensor:
        """Code (*, k, ...), offset (*, k, 2), cell (*, k, 2) of k neighbours -> z (*, outputs)."""
        value_code = code.feature
        if code.context is not None:
            value_code = torch.cat((code.feature, code.context), dim=-1)
        key = self.key(self.key_basis(FeatureCode(code.feature), offset, cell))
        value = self.value(self.value_basis(FeatureCode(value_code), offset, cell))
        closest = offset.abs().amax(-1).argmin(-1)[..., None, None]
        query = code.feature.take_along_dim(closest, dim=-2)
        logits = query @ key.transpose(-1, -2) * (self.softmax_scale / key.shape[-1] ** 0.5)
        return (logits.softmax(-1) @ value).squeeze(-2)

    def at(
        self, pixels: ContextCode, lr_size: tuple[int, int], coord: Tensor, cell: Tensor
    ) -> Tensor:
        """z of scattered queries: coord, cell (B, Q, 2) -> (B, Q, outputs).

        pixels: code of all LR pixels, its leading dimensions (B, h, w) flattened to one.
        """
        return self._read(pixels, lr_size, nearest(coord, lr_size, self.side), cell)

    def _read(
        self, pixels: ContextCode, lr_size: tuple[int, int], near: Nearest, cell: Tensor
    ) -> Tensor:
        code = pixels.map(lambda t: pick(t, near.index, lr_size))
        offset = near.offset.to(code.feature.dtype)
        return self(code, offset, cell[:, :, None].expand_as(offset))

    def on_grid(
        self, code: ContextCode, cell: Tensor, chunk: int = CHUNK, rows: slice = ALL
    ) -> Tensor:
        """z at the centres of the LR pixels themselves: code, cell (B, h, w, ...) -> (B, h, w, outputs).

        chunk: floats of the widest activation held at a time; it changes nothing else. rows: which LR
        rows are wanted; `cell` and the result have these alone.
        """
        batch, h, w = code.grid
        axes = torch.arange(h, device=cell.device)[rows], torch.arange(w, device=cell.device)
        centres = torch.cartesian_prod(*axes).float().expand(batch, -1, -1)
        pixels = code.map(lambda t: t.flatten(0, 2))
        some = max(1, chunk // (batch * self.floats))
        parts = [
            self._read(pixels, (h, w), around(c, (h, w), self.side), s)
            for c, s in zip(centres.split(some, 1), cell.flatten(1, 2).split(some, 1), strict=True)
        ]
        return torch.cat(parts, dim=1).unflatten(1, (-1, w))
