"""What PyTorch has no single instruction for, as kernels of a GPU.

Written with PyTorch's own functions, a cell of an LSTM is some dozen instructions each
way, every one of which reads and writes the device's memory; here it is one. Products
stay the library's. Dropout is a function of seed and step, so that a member draws the
same whoever is trained beside it, and a graph of instructions can be replayed.

Triton comes with PyTorch's CUDA build for Linux; elsewhere PyTorch's functions serve.
"""

import math
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int

_BLOCK, _TILE = 512, 1024
"""Numbers that a group of threads works on: of a row, and of a tile of rows."""

_PARTS, _LEAST_ROWS = 128, 256
"""A sum over windows is cut into parts, so that all of a device works on it: how many
parts there are of all members together at most, and how many rows are in each."""


def run_layer(
    inputs: Float[torch.Tensor, "member context window feature"],
    input_weight: Float[torch.Tensor, "member gate feature"],
    hidden_weight: Float[torch.Tensor, "member gate unit"],
    bias: Float[torch.Tensor, "member gate"],
) -> Float[torch.Tensor, "member context window unit"]:
    """Run an LSTM layer of every member from a state of zeros.

    Args:
        inputs: What it reads.
        input_weight: Weights of the gates in torch's order: enter, forget, new, leave.
        hidden_weight: The same for the outputs of the bar before.
        bias: Both biases of torch in one.

    Returns:
        Outputs at every bar, in the numbers that the products multiply: float32, or
        bfloat16 under autocast.
    """
    device = inputs.device.type
    draft = torch.is_autocast_enabled(device)
    kind = torch.bfloat16 if draft else torch.float32
    arguments = (inputs, input_weight, hidden_weight, bias)
    with torch.autocast(device, enabled=False):
        outputs: torch.Tensor = _Layer.apply(  # type: ignore[no-untyped-call]
            *(one.to(kind) for one in arguments)
        )
    return outputs


def draw_mask(
    shape: tuple[int, ...],
    kept: float,
    seeds: Int[torch.Tensor, " member"],
    steps: Float[torch.Tensor, "member 1"],
    layer: int,
) -> Float[torch.Tensor, "member ..."]:
    """Draw what dropout multiplies, each member's from its own seed.

    Source: Salmon et al. (2011), doi:10.1145/2063384.2063405, Philox of 10 rounds.

    Args:
        shape: Shape of a member's.
        kept: Chance that a number is kept.
        seeds: Seeds, below 2^32.
        steps: Steps that were made before.
        layer: Place of the layer, which draws what no other one draws.

    Returns:
        0 or ``1 / kept``, float32.
    """
    mask = torch.empty(len(seeds), *shape, device=seeds.device)
    count = mask[0].numel()
    grid = (triton.cdiv(count, 4 * _BLOCK), len(seeds))
    _draw[grid](mask, seeds, steps, kept, layer, count, BLOCK=_BLOCK)
    return mask


class _Layer(torch.autograd.Function):
    """The way back is written out: its sums over bars are one product each."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        input_weight: torch.Tensor,
        hidden_weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        members, steps, windows, _ = inputs.shape
        units = hidden_weight.shape[-1]
        flat = torch.bmm(inputs.flatten(1, 2), input_weight.mT)
        gates = flat.view(members, steps, windows, 4 * units)
        outputs = gates.new_empty(members, steps, windows, units)
        cells = torch.empty_like(outputs, dtype=torch.float32)
        from_hidden = torch.empty_like(gates[:, 0])
        for step in range(steps):
            if step:
                before = outputs[:, step - 1]
                torch.bmm(before, hidden_weight.mT, out=from_hidden)
            _cell[_grid(outputs)](
                gates, from_hidden, bias, cells, outputs, step, steps, windows * units,
                FIRST=step == 0, UNITS=units, BLOCK=_BLOCK,
            )  # fmt: skip
        ctx.save_for_backward(
            inputs, input_weight, hidden_weight, gates, cells, outputs
        )
        return outputs

    @staticmethod
    def backward(
        ctx: Any,
        gradient: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        inputs, input_weight, hidden_weight, gates, cells, outputs = ctx.saved_tensors
        members, steps, windows, units = outputs.shape
        wide = triton.next_power_of_2(units)
        tile = max(1, _TILE // wide)
        tiles = triton.cdiv(windows, tile)
        gradient = gradient.contiguous()
        of_gates = torch.empty_like(gates)
        of_cell = torch.zeros_like(cells[:, 0])
        of_hidden = torch.empty_like(outputs[:, 0])
        of_bias = cells.new_empty(members, steps, tiles, 4 * units)
        for step in reversed(range(steps)):
            _cell_back[(tiles, members)](
                gates, cells, gradient, of_hidden, of_cell, of_gates, of_bias,
                step, steps, windows, LAST=step == steps - 1, FIRST=step == 0,
                UNITS=units, WIDE=wide, TILE=tile,
            )  # fmt: skip
            if step:
                torch.bmm(of_gates[:, step], hidden_weight, out=of_hidden)
        of_inputs = None
        if ctx.needs_input_grad[0]:
            flat = torch.bmm(of_gates.flatten(1, 2), input_weight)
            of_inputs = flat.view_as(inputs)
        return (
            of_inputs,
            _sum_of_products(of_gates, inputs),
            _sum_of_products(of_gates[:, 1:], outputs[:, :-1]),
            of_bias.sum((1, 2)),
        )


def _grid(outputs: torch.Tensor) -> tuple[int, int]:
    return triton.cdiv(outputs[0, 0].numel(), _BLOCK), len(outputs)


def _sum_of_products(
    left: Float[torch.Tensor, "member context window gate"],
    right: Float[torch.Tensor, "member context window column"],
) -> Float[torch.Tensor, "member gate column"]:
    members, rows = len(left), left.shape[1] * left.shape[2]
    most = min(_PARTS // members, rows // _LEAST_ROWS)
    parts = math.gcd(rows, max(1, most))
    shape = (members, parts, rows // parts)
    left, right = (
        one.flatten(1, 2).view(*shape, one.shape[-1]) for one in (left, right)
    )
    return (left.mT @ right).sum(1)


@triton.jit
@no_type_check
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
@no_type_check
def _tanh(x):
    return 2 / (1 + tl.exp(-2 * x)) - 1


@triton.jit(do_not_specialize=["step"])
@no_type_check
def _cell(
    gates, from_hidden, bias, cells, outputs, step, steps, count,
    FIRST: tl.constexpr, UNITS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    # gates hold what the inputs give, and then what was made of it
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = place < count
    member = tl.program_id(1).to(tl.int64)
    base = (member * steps + step) * count
    at = place // UNITS * 4 * UNITS + place % UNITS
    gates += 4 * base + at
    bias += 4 * member * UNITS + place % UNITS
    i = tl.load(gates, mask=there).to(tl.float32) + tl.load(bias)
    f = tl.load(gates + UNITS, mask=there).to(tl.float32) + tl.load(bias + UNITS)
    g = tl.load(gates + 2 * UNITS, mask=there).to(tl.float32)
    g += tl.load(bias + 2 * UNITS)
    o = tl.load(gates + 3 * UNITS, mask=there).to(tl.float32)
    o += tl.load(bias + 3 * UNITS)
    if not FIRST:
        from_hidden += 4 * member * count + at
        i += tl.load(from_hidden, mask=there)
        f += tl.load(from_hidden + UNITS, mask=there)
        g += tl.load(from_hidden + 2 * UNITS, mask=there)
        o += tl.load(from_hidden + 3 * UNITS, mask=there)
    i, f, g, o = _sigmoid(i), _sigmoid(f), _tanh(g), _sigmoid(o)
    c = i * g
    if not FIRST:
        c += f * tl.load(cells + base - count + place, mask=there)
    tl.store(gates, i, mask=there)
    tl.store(gates + UNITS, f, mask=there)
    tl.store(gates + 2 * UNITS, g, mask=there)
    tl.store(gates + 3 * UNITS, o, mask=there)
    tl.store(cells + base + place, c, mask=there)
    tl.store(outputs + base + place, o * _tanh(c), mask=there)


@triton.jit(do_not_specialize=["step"])
@no_type_check
def _cell_back(
    gates, cells, gradient, of_hidden, of_cell, of_gates, of_bias, step, steps, windows,
    LAST: tl.constexpr, FIRST: tl.constexpr,
    UNITS: tl.constexpr, WIDE: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    unit = tl.arange(0, WIDE)
    row = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)[:, None]
    there = (row < windows) & (unit < UNITS)[None, :]
    place = row * UNITS + unit[None, :]
    member = tl.program_id(1).to(tl.int64)
    base = (member * steps + step) * windows * UNITS
    at = 4 * base + row * 4 * UNITS + unit[None, :]
    here = member * windows * UNITS + place
    i = tl.load(gates + at, mask=there, other=0.0).to(tl.float32)
    f = tl.load(gates + at + UNITS, mask=there, other=0.0).to(tl.float32)
    g = tl.load(gates + at + 2 * UNITS, mask=there, other=0.0).to(tl.float32)
    o = tl.load(gates + at + 3 * UNITS, mask=there, other=0.0).to(tl.float32)
    c = _tanh(tl.load(cells + base + place, mask=there, other=0.0))
    dh = tl.load(gradient + base + place, mask=there, other=0.0).to(tl.float32)
    if not LAST:
        dh += tl.load(of_hidden + here, mask=there, other=0.0)
    dc = tl.load(of_cell + here, mask=there, other=0.0) + dh * o * (1 - c * c)
    tl.store(of_cell + here, dc * f, mask=there)
    di, dg, do = dc * g * i * (1 - i), dc * i * (1 - g * g), dh * c * o * (1 - o)
    df = tl.zeros((TILE, WIDE), tl.float32)
    if not FIRST:
        before = cells + base - windows * UNITS
        df += dc * tl.load(before + place, mask=there, other=0.0) * f * (1 - f)
    tl.store(of_gates + at, di, mask=there)
    tl.store(of_gates + at + UNITS, df, mask=there)
    tl.store(of_gates + at + 2 * UNITS, dg, mask=there)
    tl.store(of_gates + at + 3 * UNITS, do, mask=there)
    tile = (member * steps + step) * tl.num_programs(0) + tl.program_id(0)
    of_bias += 4 * tile * UNITS + unit
    tl.store(of_bias, tl.sum(di, 0), mask=unit < UNITS)
    tl.store(of_bias + UNITS, tl.sum(df, 0), mask=unit < UNITS)
    tl.store(of_bias + 2 * UNITS, tl.sum(dg, 0), mask=unit < UNITS)
    tl.store(of_bias + 3 * UNITS, tl.sum(do, 0), mask=unit < UNITS)


@triton.jit
@no_type_check
def _draw(mask, seeds, steps, kept, layer, count, BLOCK: tl.constexpr):
    member = tl.program_id(1).to(tl.int64)
    key = tl.load(seeds + member) << 32 | tl.load(steps + member).to(tl.int64)
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    counter = place.to(tl.uint32)
    none = counter * 0
    a, b, c, d = tl.philox(key, counter, none + layer, none, none)
    mask += member * count
    _keep(mask, 4 * place, a, kept, count)
    _keep(mask, 4 * place + 1, b, kept, count)
    _keep(mask, 4 * place + 2, c, kept, count)
    _keep(mask, 4 * place + 3, d, kept, count)


@triton.jit
@no_type_check
def _keep(mask, place, bits, kept, count):
    chance = (bits >> 8).to(tl.float32) * 2.0**-24
    tl.store(mask + place, tl.where(chance < kept, 1 / kept, 0.0), mask=place < count)
