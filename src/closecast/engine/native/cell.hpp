// The stacked LSTM: forward over a tile, and backward through time.
// Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735.
#pragma once

#include "product.hpp"
#include "tile.hpp"

namespace closecast::CLOSECAST_ISA {

// A network's numbers, ready for the kernels.
struct Weights {
  const float* flat;
  const float* turned;
  const float* biases;          // input and recurrent bias added up, (L, gates)
  const int32_t* pairs;         // of inputs of `flat`, for products of pairs
  const int32_t* turned_pairs;  // of inputs of `turned`
};

inline const V* layer_input(const Shape& shape, const Tile& tile, int l, bool drop) {
  if (l == 0) return tile.inputs.get();
  const Buffer<V>& below = drop ? tile.dropped : tile.hidden;
  return below.get() + size_t(l - 1) * shape.context * shape.units();
}

// From the sums of a unit's gates, in place, to its cell and hidden state.
CLOSECAST_INLINE void activate(V& i, V& f, V& g, V& o, const V* cell_before, V& cell,
                               V& tanh_cell, V& hidden) {
  reciprocals(sigmoid_divisor(i), sigmoid_divisor(f), i, f);
  reciprocals(tanh_divisor(g), sigmoid_divisor(o), g, o);
  g = 1.0f - 2.0f * g;
  V c = i * g;
  if (cell_before) c += f * *cell_before;
  cell = c;
  tanh_cell = hyperbolic_tangent(c);
  hidden = o * tanh_cell;
}

// One step of one layer.
template <class P>
inline void forward_step(const Shape& shape, const Layer& layer, const Weights& weights,
                         const float* biases, const typename P::Vector* x,
                         const typename P::Vector* before, V* gates, V* cell,
                         V* tanh_cell, V* hidden) {
  const int units = shape.units();
  const bool first = before == nullptr;
  const auto* numbers = P::choose(weights.flat, weights.pairs);
  for (int unit = 0; unit < units; unit += UNITS) {
    V sums[4 * UNITS];
#pragma GCC unroll 20
    for (int r = 0; r < 4 * UNITS; ++r) sums[r] = splat(biases[4 * unit + r]);
    accumulate<P>(sums, numbers + layer.input.at + 4 * unit, layer.input.stride, x,
                  layer.input.inputs);
    if (!first)
      accumulate<P>(sums, numbers + layer.recurrent.at + 4 * unit,
                    layer.recurrent.stride, before, shape.hidden);
#pragma GCC unroll 5
    for (int u = 0; u < UNITS; ++u) {
      V i = sums[u], f = sums[UNITS + u], g = sums[2 * UNITS + u],
        o = sums[3 * UNITS + u];
      activate(i, f, g, o, first ? nullptr : cell + unit + u - units, cell[unit + u],
               tanh_cell[unit + u], hidden[unit + u]);
      V* kept = gates + 4 * unit + u;
      kept[0] = i, kept[UNITS] = f, kept[2 * UNITS] = g, kept[3 * UNITS] = o;
    }
  }
}

// All layers and steps; `stream` drops units between layers where training does.
template <class P>
inline void forward(const Shape& shape, const Layout& layout, const Weights& weights,
                    Tile& tile, const Stream* stream) {
  const int units = shape.units();
  for (int l = 0; l < shape.layers; ++l) {
    const bool drop = stream != nullptr && shape.dropout > 0;
    const V* x = layer_input(shape, tile, l, drop);
    const int width = l ? units : shape.features;
    for (int t = 0; t < shape.context; ++t) {
      const size_t step = size_t(l) * shape.context + t, at = step * units;
      V* hidden = tile.hidden.get() + at;
      const Layer& layer = layout.layers[l];
      forward_step<P>(
          shape, layer, weights, weights.biases + size_t(l) * shape.gates(),
          P::pack_rows(x + size_t(t) * width, layer.input.inputs, tile.inputs_packed.get()),
          t ? P::pack_rows(hidden - units, shape.hidden, tile.hidden_packed.get())
            : nullptr,
          tile.gates.get() + step * shape.gates(), tile.cell.get() + at,
          tile.tanh_cell.get() + at, hidden);
      if (!drop || l + 1 == shape.layers) continue;
      V* masks = tile.masks.get() + at;
      draw_masks(*stream, tile.window_ids, l, t, shape.dropout, masks, shape.hidden);
      for (int u = 0; u < shape.hidden; ++u)
        tile.dropped[at + u] = tile.hidden[at + u] * masks[u];
    }
  }
}

// Gradients of the gates' sums from those of a step's hidden state, in place.
inline void backward_gates(const Shape& shape, V* gates, const V* cell_before,
                           const V* tanh_cell, const V* d_hidden, V* d_cell) {
  for (int unit = 0; unit < shape.units(); unit += UNITS)
#pragma GCC unroll 5
    for (int u = unit; u < unit + UNITS; ++u) {
      V* gate = gates + 4 * unit + (u - unit);
      const V i = gate[0], f = gate[UNITS], g = gate[2 * UNITS], o = gate[3 * UNITS];
      const V tanh_c = tanh_cell[u], d_h = d_hidden[u];
      const V d_c = d_cell[u] + d_h * o * (1.0f - tanh_c * tanh_c);
      const V before = cell_before ? cell_before[u] : V{};
      gate[0] = d_c * g * (i * (1.0f - i));
      gate[UNITS] = d_c * before * (f * (1.0f - f));
      gate[2 * UNITS] = d_c * i * (1.0f - g * g);
      gate[3 * UNITS] = d_h * tanh_c * (o * (1.0f - o));
      d_cell[u] = d_c * f;
    }
}

// Adds what reaches a step's hidden state from above to what came from the future.
inline void add_from_above(const Shape& shape, const Tile& tile, Scratch& scratch, int l,
                           int t) {
  const int units = shape.units();
  const bool top = l + 1 == shape.layers;
  if (top && t + 1 < shape.context) return;
  const V* above = top ? tile.d_last.get() : scratch.d_input.get() + size_t(t) * units;
  const bool drop = !top && shape.dropout > 0;
  const V* masks =
      drop ? tile.masks.get() + (size_t(l) * shape.context + t) * units : nullptr;
  for (int u = 0; u < units; ++u)
    scratch.d_hidden[u] += drop ? above[u] * masks[u] : above[u];
}

template <class P>
inline void backward_layer(const Shape& shape, const Layer& layer,
                           const Weights& weights, Tile& tile, Scratch& scratch, int l) {
  const int units = shape.units(), gates = shape.gates(), steps = shape.context;
  auto* turned = P::choose(scratch.turned.get(), scratch.turned_packed.get());
  std::fill_n(scratch.d_hidden.get(), units, V{});
  std::fill_n(scratch.d_cell.get(), units, V{});
  for (int t = steps - 1; t >= 0; --t) {
    const size_t step = size_t(l) * steps + t;
    V* d_gates = tile.gates.get() + step * gates;
    const V* cell = tile.cell.get() + step * units;
    add_from_above(shape, tile, scratch, l, t);
    backward_gates(shape, d_gates, t ? cell - units : nullptr,
                   tile.tanh_cell.get() + step * units, scratch.d_hidden.get(),
                   scratch.d_cell.get());
    turn<P>(d_gates, gates, turned + size_t(t) * gates / P::WIDTH);
    const auto* packed = P::pack_rows(d_gates, 4 * units, scratch.gates_packed.get());
    auto back = [&](const Matrix& m, V* out) {
      multiply<P>(P::choose(weights.turned, weights.turned_pairs) + m.turned_at,
                  m.turned_stride, packed, 4 * units, nullptr, out, m.inputs);
    };
    if (t) back(layer.recurrent, scratch.d_hidden.get());
    if (l) back(layer.input, scratch.d_input.get() + size_t(t) * units);
  }
  float* gradient = scratch.gradient.get();
  auto add = [&](const V* in, int rows, int first, const Matrix& m) {
    outer<P>(P::pack_lanes(in, (steps - first) * rows, scratch.states_packed.get()),
             rows, m.inputs, turned + size_t(first) * gates / P::WIDTH, steps - first,
             gradient + m.at, gates);
  };
  add(layer_input(shape, tile, l, shape.dropout > 0), l ? units : shape.features, 0,
      layer.input);
  add(tile.hidden.get() + size_t(l) * steps * units, units, 1, layer.recurrent);
  add_columns<P>(turned, steps, gates, gradient + layer.input_bias);
}

// The way back from `tile.d_last`; adds to the scratch's gradient.
template <class P>
inline void backward(const Shape& shape, const Layout& layout, const Weights& weights,
                     Tile& tile, Scratch& scratch) {
  for (int l = shape.layers - 1; l >= 0; --l)
    backward_layer<P>(shape, layout.layers[l], weights, tile, scratch, l);
}

}  // namespace closecast::CLOSECAST_ISA
