"""Nearest neighbours in a bank of any size, by cosine, exactly."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dinov2.errors import DataError
from dinov2.progress import progress

BANK_AT_ONCE = 2**14
SIMILARITIES_AT_ONCE = 2**24


def nearest_in(bank_nd: Tensor, queries_md: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k most alike of the bank, (M, k) cosines and indices, in falling order; among equals the lower index first.

    The bank is taken a block at a time to the device of the queries. Of a block only what is nearer than the k-th
    found so far is looked at further: after the first blocks that is little. Beside the bank and the queries it holds
    a block of the bank, 2²⁴ cosines and what was found.

    Args:
        bank_nd: of any floating type, on any device.
        queries_md: on the device that computes.
        k: at most N.

    Raises:
        DataError: a feature is not finite.
    """
    queries_md = _units(queries_md, "queries")
    value_mk = queries_md.new_full((len(queries_md), k), float("-inf"))
    index_mk = torch.zeros(value_mk.shape, dtype=torch.int64, device=value_mk.device)
    parts = _even(len(queries_md), max(1, SIMILARITIES_AT_ONCE // min(BANK_AT_ONCE, len(bank_nd))))
    with progress("nearest", len(bank_nd), "vectors", silent=len(bank_nd) <= BANK_AT_ONCE) as shown:
        for block in _even(len(bank_nd), BANK_AT_ONCE):
            block_rd = _units(bank_nd[block].to(queries_md.device), "bank")
            for part in parts:
                similarity_br = queries_md[part] @ block_rd.T
                value_mk[part], index_mk[part] = _merged(value_mk[part], index_mk[part], similarity_br, block.start)
            shown.advance(len(block_rd))
    return value_mk, index_mk


def nearest(similarity_bn: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of every row, (B, k) values and indices, in falling order; among equals the lower index first."""
    value_bk, index_bk = similarity_bn.topk(k, dim=1)
    index_bk, order_bk = index_bk.sort(dim=1)
    value_bk, order_bk = value_bk.gather(1, order_bk).sort(dim=1, descending=True, stable=True)
    index_bk = index_bk.gather(1, order_bk)
    # topk leaves open which of the equals at its edge it takes; those rows are sorted whole.
    crowded_b = (similarity_bn >= value_bk[:, -1:]).sum(dim=1) > k
    if crowded_b.any():
        value, index = similarity_bn[crowded_b].sort(dim=1, descending=True, stable=True)
        value_bk[crowded_b], index_bk[crowded_b] = value[:, :k], index[:, :k]
    return value_bk, index_bk


def _even(count: int, most: int) -> list[slice]:
    """Blocks of at most so many, none much smaller than the others.

    Products of a few rows only are rounded otherwise: equal vectors of a small last block would no longer be as near.
    """
    blocks = -(-count // most)
    return [slice(count * number // blocks, count * (number + 1) // blocks) for number in range(blocks)]


def _units(vectors: Tensor, what: str) -> Tensor:
    """float32 of length 1."""
    if not vectors.isfinite().all():
        raise DataError(f"{what}: some features are not finite: the model or the stored features are broken")
    return normalize(vectors.float(), dim=1)


def _merged(value_bk: Tensor, index_bk: Tensor, similarity_br: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """The k nearest of those found in earlier blocks and of a block that begins at `start`."""
    k = value_bk.shape[1]
    nearer_br = similarity_br > value_bk[:, -1:]  # one that is as near comes after those of earlier blocks
    counts_b = nearer_br.count_nonzero(dim=1)
    most = int(counts_b.max())
    if most > k:
        value_bc, index_bc = nearest(similarity_br, k)
    else:
        row, column = nearer_br.nonzero(as_tuple=True)
        place = torch.arange(len(row), device=row.device) - (counts_b.cumsum(0) - counts_b)[row]
        value_bc = value_bk.new_full((len(value_bk), most), float("-inf"))
        index_bc = index_bk.new_zeros(value_bc.shape)
        value_bc[row, place], index_bc[row, place] = similarity_br[row, column], column
    value, order = torch.cat([value_bk, value_bc], dim=1).sort(dim=1, descending=True, stable=True)
    index = torch.cat([index_bk, index_bc + start], dim=1).gather(1, order)
    return value[:, :k], index[:, :k]
