// The head: batch norm, dropout, two linear layers and the loss, forward and back.
#pragma once

#include "cell.hpp"

namespace closecast::CLOSECAST_ISA {

constexpr float NORM_EPSILON = 1e-5f;

// Mean and 1/sqrt(variance) of each unit: of a batch, or running.
struct Moments {
  Buffer<float> mean, inverse;
};

inline const V* last_hidden(const Shape& shape, const Tile& tile) {
  const size_t steps = size_t(shape.layers) * shape.context;
  return tile.hidden.get() + (steps - 1) * shape.units();
}

// The linear layers' outputs in `tile.out`, from `tile.hidden` and the state.
inline void forward_head(const Shape& shape, const Layout& layout,
                         const Weights& weights, Moments& moments, Tile& tile,
                         const Stream* stream) {
  const V* last = last_hidden(shape, tile);
  const bool drop = stream != nullptr && shape.dropout > 0;
  V* masks = tile.summary_masks.get();
  if (drop)
    draw_masks(*stream, tile.window_ids, shape.layers - 1, shape.context - 1,
               shape.dropout, masks, shape.hidden);
  for (int u = 0; u < shape.hidden; ++u) {
    V y = last[u];
    if (shape.batch_norm)
      y = (y - moments.mean[u]) * moments.inverse[u] *
              weights.flat[layout.norm_weight + u] +
          weights.flat[layout.norm_bias + u];
    tile.summary[u] = drop ? y * masks[u] : y;
  }
  auto linear = [&](const Matrix& m, size_t bias, const V* in, V* out) {
    multiply<Float32>(weights.flat + m.at, m.stride, in, m.inputs, weights.flat + bias,
                      out, m.outputs);
  };
  linear(layout.hidden, layout.hidden_bias, tile.summary.get(), tile.head.get());
  for (int r = 0; r < shape.head(); ++r) tile.head[r] = at_least(0.0f, tile.head[r]);
  linear(layout.out, layout.out_bias, tile.head.get(), tile.out.get());
}

// Sum of the losses over a tile's windows and steps, and its gradient times
// `factor`.
inline double tile_loss(const Shape& shape, const LossTable& table, const Tile& tile,
                        float factor, V* d_out) {
  double total = 0;
  const int width = shape.outputs_per_step;
  for (int h = 0; h < shape.horizon; ++h) {
    const V* raw = tile.out.get() + h * width;
    const V z = tile.target.get()[h];
    V* slope = d_out + h * width;
    const V loss = step_loss(shape.loss, table, raw, z, slope);
    for (int lane = 0; lane < tile.windows; ++lane) total += loss[lane];
    for (int i = 0; i < width; ++i) slope[i] *= factor * tile.lanes;
  }
  return total;
}

// From the loss back to `tile.d_last`, the gradient of the head's summary.
inline void backward_head(const Shape& shape, const Layout& layout,
                          const Weights& weights, Tile& tile, Scratch& scratch) {
  float* gradient = scratch.gradient.get();
  V* turned = scratch.turned.get();
  auto back = [&](const Matrix& m, size_t bias, const V* in, const V* d_out, V* d_in) {
    turn<Float32>(d_out, m.stride, turned);
    outer<Float32>(reinterpret_cast<const float*>(in), m.inputs, m.inputs, turned, 1,
                   gradient + m.at, m.stride);
    add_columns<Float32>(turned, 1, m.stride, gradient + bias);
    multiply<Float32>(weights.turned + m.turned_at, m.turned_stride, d_out, m.outputs,
                      nullptr, d_in, m.inputs);
  };
  V *d_head = scratch.d_head.get(), *d_summary = scratch.d_summary.get();
  back(layout.out, layout.out_bias, tile.head.get(), scratch.d_out.get(), d_head);
  for (int r = 0; r < shape.head(); ++r) d_head[r] = tile.head[r] > 0 ? d_head[r] : V{};
  back(layout.hidden, layout.hidden_bias, tile.summary.get(), d_head, d_summary);
  for (int u = 0; u < shape.hidden; ++u)
    tile.d_last[u] = shape.dropout > 0 ? d_summary[u] * tile.summary_masks[u] : d_summary[u];
}

}  // namespace closecast::CLOSECAST_ISA
