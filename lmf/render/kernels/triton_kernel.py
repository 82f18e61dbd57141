# ruff: noqa: ANN001, ANN201
# mypy: ignore-errors
"""The windows of cells in Triton; `triton_painter` explains the kernels and calls them.

Activations are (positions, units), so that the result of one product has the layout that the next
one reads: they never leave the registers of their warp.
"""

import triton
import triton.language as tl


@triton.jit
def cosine(z):
    """cos(pi z), to 2e-7 for |z| < 2^21, of additions and products alone."""
    # 1.5 * 2^23 + z holds z, rounded, in its last bits, and whether that is odd in the very last.
    shifted = z + 12582912.0
    odd = shifted.to(tl.int32, bitcast=True) << 31
    r = z - (shifted - 12582912.0)
    r2 = r * r
    p = 0.21969671 * r2 - 1.33188012
    p = p * r2 + 4.05841191
    p = p * r2 - 4.93479286
    p = p * r2 + 0.99999995
    return (p.to(tl.int32, bitcast=True) ^ odd).to(tl.float32, bitcast=True)


@triton.jit
def top(x):
    """The first 8 bits of each significand: float32 that bfloat16 holds exactly."""
    return (x.to(tl.int32, bitcast=True) & -65536).to(tl.float32, bitcast=True)


@triton.jit
def dot(a, b, total, WIDENED: tl.constexpr):
    """a b + total. WIDENED changes no bit: Triton's interpreter takes bfloat16 for integers."""
    if WIDENED:
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, total)


@triton.jit
def product(h, weight, tile, part, SPLIT: tl.constexpr, WIDENED: tl.constexpr):
    """h W in float32, with W at weight + tile, or, SPLIT, the sum of three such, `part` apart.

    SPLIT cuts the 24 bits of a significand into three pieces of 8, which matrix units multiply
    exactly. Of their nine products the three are left out that float32 could not hold anyway.
    """
    w0 = tl.load(weight + tile)
    kind = weight.dtype.element_ty
    total = tl.zeros((h.shape[0], tile.shape[1]), tl.float32)
    if SPLIT:
        w1 = tl.load(weight + part + tile)
        w2 = tl.load(weight + 2 * part + tile)
        high = top(h)
        middle = top(h - high)
        h0 = high.to(kind)
        h1 = middle.to(kind)
        h2 = (h - high - middle).to(kind)
        total = dot(h2, w0, total, WIDENED)  # from the smallest on
        total = dot(h0, w2, total, WIDENED)
        total = dot(h1, w1, total, WIDENED)
        total = dot(h1, w0, total, WIDENED)
        total = dot(h0, w1, total, WIDENED)
        return dot(h0, w0, total, WIDENED)
    else:
        return dot(h.to(kind), w0, total, WIDENED)


@triton.jit
def activated(h, bias, scale, shift, SCALED: tl.constexpr, SHIFTED: tl.constexpr):
    """ReLU((1 + scale) (h + bias) + shift) of h (positions, units), the rest (units,) or pointers."""
    if SCALED:
        gain = 1.0 + tl.load(scale).to(tl.float32)
        h = h * gain[None, :]
        bias = bias * gain
    if SHIFTED:
        bias += tl.load(shift).to(tl.float32)
    return tl.maximum(h + bias[None, :], 0.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit(do_not_specialize=["ky", "kx", "y_step", "x_step", "blocks"])
def paint(
    code, slope, phase, extent, scale, shift, weight, bias, y, x, out,
    code_step, slope_step, scale_step, shift_step, y_step, x_step, ky, kx, blocks,
    DEPTH: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    WAVES: tl.constexpr, SPLIT: tl.constexpr, SCALED: tl.constexpr, SHIFTED: tl.constexpr,
    WIDENED: tl.constexpr,
):  # fmt: skip
    """One program is one cell and a block of its window's positions.

    code, slope: coef and freq of the cell's WAVES; or else, the first layer being linear in the
    offset and none of the products, what it adds to that, and its slope along y and x, of all cells.
    extent: of an HR pixel, for the phase. weight, bias: of the products, as in `TritonPainter`.
    A step leads from cell to cell.
    """
    cell = (tl.program_id(0) // blocks).to(tl.int64)
    place = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    inside = place < ky * kx
    dy = tl.load(y + cell * y_step + place // kx, mask=inside, other=0.0)[:, None]
    dx = tl.load(x + cell * x_step + place % kx, mask=inside, other=0.0)[:, None]
    unit = tl.arange(0, WIDTH)
    tile = unit[:, None] * WIDTH + unit[None, :]
    scale += cell * scale_step + unit
    shift += cell * shift_step + unit
    own = tl.load(code + cell * code_step + unit).to(tl.float32)
    slope += cell * slope_step
    if WAVES:
        wave = 2 * (unit % (WIDTH // 2))
        at = tl.load(extent + 2 * cell) * tl.load(phase + wave)
        at += tl.load(extent + 2 * cell + 1) * tl.load(phase + wave + 1)
        at -= 0.5 * (unit >= WIDTH // 2)  # the second half are sines
        along_y = tl.load(slope + wave).to(tl.float32)
        along_x = tl.load(slope + wave + 1).to(tl.float32)
        h = own[None, :] * cosine(dy * along_y[None, :] + (dx * along_x[None, :] + at[None, :]))
        done: tl.constexpr = 0
    else:
        along_y = tl.load(slope + 2 * unit).to(tl.float32)
        along_x = tl.load(slope + 2 * unit + 1).to(tl.float32)
        h = dy * along_y[None, :] + dx * along_x[None, :]
        h = activated(h, own, scale, shift, SCALED, SHIFTED)
        done: tl.constexpr = 1
    part = (DEPTH - done + 1) * WIDTH * WIDTH
    for layer in tl.range(done, DEPTH):
        h = product(h, weight, tile, part, SPLIT, WIDENED)
        b = tl.load(bias + unit)
        h = activated(h, b, scale + layer * WIDTH, shift + layer * WIDTH, SCALED, SHIFTED)
        weight += WIDTH * WIDTH
        bias += WIDTH
    rgb = product(h, weight, tile, part, SPLIT, WIDENED) + tl.load(bias + unit)[None, :]
    target = out + (cell * 3 + unit[None, :]) * (ky * kx) + place[:, None]
    tl.store(target, rgb, mask=(unit[None, :] < 3) & inside[:, None])


@triton.jit(do_not_specialize=["rows", "width", "ky", "kx", "columns", "blocks"])
def blend(windows, low, high, fraction, out, rows, width, ky, kx, columns, blocks,
          BLOCK: tl.constexpr):  # fmt: skip
    """One program is a block of the columns of one line: of an image, a colour, a row of cells, a ky.

    windows: (B rows width, 3, ky, kx). low, high: slots of the two positions that speak for a column.
    out: (B, 3, rows ky, columns).
    """
    line = tl.program_id(0) // blocks
    column = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    inside = column < columns
    row = line // ky % rows
    colour = line // (ky * rows) % 3
    first = (line // (ky * rows * 3) * rows + row).to(tl.int64) * width
    low_slot = tl.load(low + column, mask=inside, other=0)
    high_slot = tl.load(high + column, mask=inside, other=0)
    low_line = ((first + low_slot // kx) * 3 + colour) * ky + line % ky
    high_line = ((first + high_slot // kx) * 3 + colour) * ky + line % ky
    a = tl.load(windows + low_line * kx + low_slot % kx, mask=inside, other=0.0)
    b = tl.load(windows + high_line * kx + high_slot % kx, mask=inside, other=0.0)
    share = tl.load(fraction + column, mask=inside, other=0.0)
    tl.store(out + line.to(tl.int64) * columns + column, a + share * (b - a), mask=inside)
