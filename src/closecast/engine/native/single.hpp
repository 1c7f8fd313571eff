// The network for one window: gates and units lie in the lanes. Each sum is added up
// in the order that a tile has, so that a window gives the same bits alone.
#pragma once

#include "head.hpp"

namespace closecast::CLOSECAST_ISA {

// sums[r] = bias[r] + weights[k][r] x in[k] (+ more of the same) over M vectors.
template <int M>
inline void single_block(const V* bias, const V* weights, ptrdiff_t stride,
                         const float* in, int inputs, const V* more,
                         ptrdiff_t more_stride, const float* more_in, int more_inputs,
                         V* out) {
  V sums[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) sums[m] = bias[m];
  for (int k = 0; k < inputs; ++k)
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) sums[m] += weights[k * stride + m] * splat(in[k]);
  for (int k = 0; k < more_inputs; ++k)
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) sums[m] += more[k * more_stride + m] * splat(more_in[k]);
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) out[m] = sums[m];
}

template <int M, class... Rest>
inline void single_tail(int vectors, Rest... rest) {
  if (vectors >= M) return single_block<M>(rest...);
  if constexpr (M > 1) single_tail<M - 1>(vectors, rest...);
}

class Single {
 public:
  explicit Single(const Shape& shape)
      : inputs_(size_t(shape.context) * shape.features),
        below_(size_t(shape.context) * row(shape)),
        hidden_(size_t(shape.context) * row(shape)),
        cell_(vectors(shape)),
        gates_(shape.gates() / LANES),
        parts_(4 * vectors(shape)),
        summary_(row(shape) + shape.state),
        head_(round_up(shape.head() + UNITS, LANES) / LANES + 1),
        out_(round_up(shape.outputs() + UNITS, LANES) / LANES + 1) {}

  // Outputs of the window that ends at `row`, for a network with running moments.
  void run(const Shape& shape, const Layout& layout, const Weights& weights,
           Moments& moments, const Panel& panel, int64_t cutoff, float* out) {
    panel.context(cutoff, shape.context, inputs_.get(), 1);
    for (int l = 0; l < shape.layers; ++l) {
      const float* x = l ? below_.get() : inputs_.get();
      const int width = l ? row(shape) : shape.features;
      for (int t = 0; t < shape.context; ++t)
        step(shape, layout.layers[l], weights, l, t, x + size_t(t) * width);
      std::swap(below_, hidden_);
    }
    const float* last = below_.get() + size_t(shape.context - 1) * row(shape);
    for (int u = 0; u < shape.hidden; ++u) {
      float y = last[u];
      if (shape.batch_norm)
        y = (y - moments.mean[u]) * moments.inverse[u] *
                weights.flat[layout.norm_weight + u] +
            weights.flat[layout.norm_bias + u];
      summary_[u] = y;
    }
    panel.state_at(cutoff, summary_.get() + shape.hidden, 1);
    multiply(weights, layout.hidden, layout.hidden_bias, summary_.get(), head_.get());
    for (size_t i = 0; i < head_.size(); ++i) head_[i] = at_least(0.0f, head_[i]);
    multiply(weights, layout.out, layout.out_bias, floats(head_), out_.get());
    std::copy_n(floats(out_), shape.outputs(), out);
  }

 private:
  static int vectors(const Shape& shape) {
    return round_up(shape.units(), LANES) / LANES;
  }
  static int row(const Shape& shape) { return vectors(shape) * LANES; }
  static float* floats(Buffer<V>& buffer) {
    return reinterpret_cast<float*>(buffer.get());
  }

  void step(const Shape& shape, const Layer& layer, const Weights& weights, int l, int t,
            const float* x) {
    const Matrix &input = layer.input, &recurrent = layer.recurrent;
    const V* bias = vector(weights.biases + size_t(l) * shape.gates());
    float* hidden = hidden_.get() + size_t(t) * row(shape);
    for (int v = 0; v < shape.gates() / LANES; v += 8)
      single_tail<8>(shape.gates() / LANES - v, bias + v,
                     vector(weights.flat + input.at) + v,
                     ptrdiff_t(input.stride / LANES), x, input.inputs,
                     vector(weights.flat + recurrent.at) + v,
                     ptrdiff_t(recurrent.stride / LANES), hidden - row(shape),
                     t ? shape.hidden : 0, gates_.get() + v);
    float* part = floats(parts_);  // from blocks of units to a run for each gate
    for (int unit = 0; unit < shape.units(); unit += UNITS)
      for (int gate = 0; gate < 4; ++gate)
        std::memcpy(part + gate * row(shape) + unit,
                    floats(gates_) + 4 * unit + gate * UNITS, UNITS * sizeof(float));
    const int count = vectors(shape);
    for (int v = 0; v < count; ++v) {
      V tanh_c, h;
      activate(parts_[v], parts_[count + v], parts_[2 * count + v],
               parts_[3 * count + v], t ? &cell_[v] : nullptr, cell_[v], tanh_c, h);
      std::memcpy(hidden + v * LANES, &h, sizeof h);
    }
  }

  static const V* vector(const float* at) { return reinterpret_cast<const V*>(at); }

  void multiply(const Weights& weights, const Matrix& m, size_t bias, const float* in,
                V* out) {
    for (int v = 0; v < m.stride / LANES; v += 8)
      single_tail<8>(m.stride / LANES - v, vector(weights.flat + bias) + v,
                     vector(weights.flat + m.at) + v, ptrdiff_t(m.stride / LANES), in,
                     m.inputs, vector(weights.flat), ptrdiff_t(0), in, 0, out + v);
  }

  Buffer<float> inputs_, below_, hidden_;  // (T, F), (T, units)
  Buffer<V> cell_, gates_, parts_;
  Buffer<float> summary_;
  Buffer<V> head_, out_;
};

}  // namespace closecast::CLOSECAST_ISA
