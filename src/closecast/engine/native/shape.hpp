// Shape of a network, and where its parameters lie in one flat array.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "losses.hpp"

namespace closecast::CLOSECAST_ISA {

// A block of zeros, aligned for any vector.
template <class Item>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size) : size_(size) {
    const size_t bytes = (size * sizeof(Item) + 63) / 64 * 64 + 64;
    data_.reset(static_cast<Item*>(std::aligned_alloc(64, bytes)));
    if (!data_) throw std::bad_alloc();
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }
  Item* get() { return data_.get(); }
  const Item* get() const { return data_.get(); }
  Item& operator[](size_t i) { return data_.get()[i]; }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(Item* item) const { std::free(item); }
  };
  std::unique_ptr<Item, Free> data_;
  size_t size_ = 0;
};

struct Shape {
  int context, features, hidden, layers, horizon, state, outputs_per_step;
  bool batch_norm;
  Loss loss;
  float dropout;
  bool draft;  // the LSTM is trained by products of bfloat16

  int units() const { return round_up(hidden, UNITS); }  // idle ones stay 0
  int gates() const { return round_up(4 * units(), LANES); }
  int head() const { return std::max(1, hidden / 2); }
  int summary() const { return hidden + state; }
  int outputs() const { return horizon * outputs_per_step; }

  // Gate of a unit, in torch's order i f g o, in blocks of UNITS: a block's weights
  // are neighbours.
  int gate_row(int gate, int unit) const {
    return unit / UNITS * 4 * UNITS + gate * UNITS + unit % UNITS;
  }
};

// A weight matrix, stored as its transpose: a row for each input, outputs side by
// side. Backward products read a second copy, the other way round.
struct Matrix {
  size_t at = 0, turned_at = 0;
  int inputs = 0, outputs = 0;
  int stride = 0, turned_stride = 0;
};

struct Layer {
  Matrix input, recurrent;
  size_t input_bias = 0, recurrent_bias = 0;
};

// Padding is 0 and has no gradient, so that no optimiser moves it.
struct Layout {
  std::vector<Layer> layers;
  size_t norm_weight = 0, norm_bias = 0, running_mean = 0, running_variance = 0;
  Matrix hidden, out;
  size_t hidden_bias = 0, out_bias = 0;
  size_t trained = 0;  // floats that have a gradient; the running statistics follow
  size_t size = 0;
  size_t turned_size = 0;

  explicit Layout(const Shape& shape) {
    const int gates = 4 * shape.units();
    for (int l = 0; l < shape.layers; ++l) {
      Layer layer;
      layer.input = matrix(l ? shape.hidden : shape.features, gates);
      layer.recurrent = matrix(shape.hidden, gates);
      layer.input_bias = floats(gates);
      layer.recurrent_bias = floats(gates);
      layers.push_back(layer);
    }
    if (shape.batch_norm) {
      norm_weight = floats(shape.units());
      norm_bias = floats(shape.units());
    }
    hidden = matrix(shape.summary(), shape.head());
    hidden_bias = floats(shape.head());
    out = matrix(shape.head(), shape.outputs());
    out_bias = floats(shape.outputs());
    trained = size;
    if (shape.batch_norm) {
      running_mean = floats(shape.units());
      running_variance = floats(shape.units());
    }
  }

  std::vector<Matrix> matrices() const {
    std::vector<Matrix> all{hidden, out};
    for (const Layer& layer : layers) {
      all.push_back(layer.input);
      all.push_back(layer.recurrent);
    }
    return all;
  }

 private:
  static int padded(int n) { return round_up(round_up(n, UNITS), LANES); }

  size_t floats(int n) {
    const size_t at = size;
    size += padded(n);
    return at;
  }

  Matrix matrix(int inputs, int outputs) {
    Matrix m{size, turned_size, inputs, outputs, padded(outputs), padded(inputs)};
    size += size_t(m.inputs) * m.stride;
    turned_size += size_t(m.stride) * m.turned_stride;
    return m;
  }
};

// Visits every number of a flat array in the order that torch's arrays have.
template <class Visit>
void visit(const Shape& shape, const Layout& layout, float* flat, Visit&& each) {
  auto gate_rows = [&](auto&& row) {
    for (int gate = 0; gate < 4; ++gate)
      for (int unit = 0; unit < shape.hidden; ++unit) row(shape.gate_row(gate, unit));
  };
  auto run = [&](size_t at, int n) {
    for (int i = 0; i < n; ++i) each(flat[at + i]);
  };
  auto gate_matrix = [&](const Matrix& m) {
    gate_rows([&](int row) {
      for (int k = 0; k < m.inputs; ++k) each(flat[m.at + size_t(k) * m.stride + row]);
    });
  };
  auto matrix = [&](const Matrix& m) {
    for (int row = 0; row < m.outputs; ++row)
      for (int k = 0; k < m.inputs; ++k) each(flat[m.at + size_t(k) * m.stride + row]);
  };
  for (const Layer& layer : layout.layers) {
    gate_matrix(layer.input);
    gate_matrix(layer.recurrent);
    gate_rows([&](int row) { each(flat[layer.input_bias + row]); });
    gate_rows([&](int row) { each(flat[layer.recurrent_bias + row]); });
  }
  if (shape.batch_norm) {
    run(layout.norm_weight, shape.hidden);
    run(layout.norm_bias, shape.hidden);
    run(layout.running_mean, shape.hidden);
    run(layout.running_variance, shape.hidden);
  }
  matrix(layout.hidden);
  run(layout.hidden_bias, shape.head());
  matrix(layout.out);
  run(layout.out_bias, shape.outputs());
}

}  // namespace closecast::CLOSECAST_ISA
