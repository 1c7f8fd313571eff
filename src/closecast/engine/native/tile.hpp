// A tile: as many windows as a vector has lanes, with all that backward needs.
#pragma once

#include "dropout.hpp"
#include "panel.hpp"
#include "shape.hpp"

namespace closecast::CLOSECAST_ISA {

class Tile {
 public:
  explicit Tile(const Shape& shape) {
    const size_t steps = size_t(shape.layers) * shape.context;
    const size_t states = steps * shape.units();
    const size_t between =
        shape.dropout > 0 ? states - size_t(shape.context) * shape.units() : 0;
    Buffer<V>* const buffers[] = {
        &inputs, &gates, &cell, &tanh_cell, &hidden, &dropped, &masks, &summary_masks,
        &summary, &head, &out, &target, &d_last};
    const size_t sizes[] = {
        size_t(shape.context) * shape.features,
        steps * shape.gates(),
        states, states, states, between, between,
        size_t(shape.units()),
        size_t(round_up(shape.summary(), UNITS)),
        size_t(shape.head() + LANES + UNITS),
        size_t(shape.outputs() + LANES + UNITS),
        size_t(shape.horizon),
        size_t(shape.units())};
    for (size_t i = 0; i < std::size(sizes); ++i) *buffers[i] = Buffer<V>(sizes[i]);
    if (!shape.draft) return;
    inputs_packed = Buffer<I>(std::max(shape.features, shape.units()));
    hidden_packed = Buffer<I>(shape.units());
  }

  // Read the windows that end at `rows`; idle lanes are 0.
  void read(const Shape& shape, const Panel& panel, const int64_t* rows, int count) {
    windows = count;
    lanes = V{};
    window_ids = U{};
    auto* x = reinterpret_cast<float*>(inputs.get());
    auto* states = reinterpret_cast<float*>(summary.get() + shape.hidden);
    for (int lane = 0; lane < LANES; ++lane) {
      if (lane < count) {
        lanes[lane] = 1.0f;
        window_ids[lane] = uint32_t(rows[lane]);
        panel.context(rows[lane], shape.context, x + lane, LANES);
        panel.state_at(rows[lane], states + lane, LANES);
      } else {
        for (int i = 0; i < shape.context * shape.features; ++i) x[i * LANES + lane] = 0;
        for (int i = 0; i < shape.state; ++i) states[i * LANES + lane] = 0;
      }
    }
  }

  void read_targets(const Shape& shape, const Panel& panel, const int64_t* rows) {
    auto* z = reinterpret_cast<float*>(target.get());
    for (int lane = 0; lane < LANES; ++lane)
      if (lane < windows)
        panel.target(rows[lane], shape.horizon, z + lane, LANES);
      else
        for (int i = 0; i < shape.horizon; ++i) z[i * LANES + lane] = 0;
  }

  int windows = 0;
  V lanes{};       // 1 where there is a window
  U window_ids{};  // their rows, which key dropout
  double loss = 0;
  Buffer<V> inputs;                   // (T, F)
  Buffer<V> gates;                    // (L, T, gates); backward leaves gradients here
  Buffer<V> cell, tanh_cell, hidden;  // (L, T, units)
  Buffer<V> dropped, masks;           // (L - 1, T, units)
  Buffer<V> summary_masks, d_last;    // (units)
  Buffer<V> summary, head, out;       // the head's input, hidden layer and output
  Buffer<V> target;                   // (H)
  Buffer<I> inputs_packed, hidden_packed;  // of one step
};

// What one thread needs for the way back, and the gradient that it adds up.
struct Scratch {
  Scratch(const Shape& shape, const Layout& layout)
      : gradient(layout.trained),
        turned(size_t(shape.context) *
               std::max({shape.gates(), layout.hidden.stride, layout.out.stride})),
        d_input(size_t(shape.context) * shape.units()),
        d_hidden(shape.units()),
        d_cell(shape.units()),
        d_summary(round_up(shape.summary(), UNITS)),
        d_head(layout.hidden.stride),
        d_out(layout.out.stride) {
    if (!shape.draft) return;
    const size_t steps = shape.context;
    turned_packed = Buffer<I>(steps * shape.gates() / 2);
    gates_packed = Buffer<I>(shape.gates() / 2);
    states_packed = Buffer<I>(steps * std::max(shape.features, shape.units()) / 2 + 1);
  }

  Buffer<float> gradient;
  Buffer<V> turned, d_input, d_hidden, d_cell, d_summary, d_head, d_out;
  Buffer<I> turned_packed, gates_packed, states_packed;
};

}  // namespace closecast::CLOSECAST_ISA
