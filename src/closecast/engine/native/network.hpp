// A network with its optimiser: a step of training, and outputs without it.
#pragma once

#include "head.hpp"
#include "optimizer.hpp"
#include "pool.hpp"
#include "single.hpp"

namespace closecast::CLOSECAST_ISA {

// A batch's gradient is added up in at most this many parts, each over its own
// tiles, then part by part: the same sums for any number of threads.
constexpr int PARTS = 4;

constexpr int FEW = LANES / 4;  // windows that are faster one by one than in a tile

constexpr int SLICES = 8;  // of the trained numbers, in the optimiser

class Network {
 public:
  Network(const Shape& shape, LossTable loss_table, int threads)
      : shape_(shape),
        loss_table_(std::move(loss_table)),
        layout_(shape),
        matrices_(layout_.matrices()),
        flat_(layout_.size),
        turned_(layout_.turned_size),
        biases_(size_t(shape.layers) * shape.gates()),
        single_(shape),
        pool_(threads) {
    if (shape.draft && !HAS_BFLOAT16)
      throw std::invalid_argument("Expected float32, got bfloat16, which is not here.");
    if (shape.draft) {
      pairs_ = Buffer<int32_t>(layout_.size);
      turned_pairs_ = Buffer<int32_t>(layout_.turned_size);
    }
    for (Buffer<float>* b : {&moments_.mean, &moments_.inverse})
      *b = Buffer<float>(shape.units());
    for (int i = 0; i < threads; ++i) readers_.emplace_back(shape);
  }

  const Shape& shape() const { return shape_; }

  template <class Visit>
  void visit_weights(Visit&& each) {
    visit(shape_, layout_, flat_.get(), each);
  }

  // Call after the weights were written to.
  void refresh() {
    pool_.run(int(matrices_.size()), [&](int i) {
      const Matrix& m = matrices_[i];
      turn_matrix(m, flat_.get(), turned_.get());
      if (!shape_.draft) return;
      pack_matrix(flat_.get() + m.at, m.inputs, m.stride, pairs_.get() + m.at);
      pack_matrix(turned_.get() + m.turned_at, m.stride, m.turned_stride,
                  turned_pairs_.get() + m.turned_at);
    });
    for (int l = 0; l < shape_.layers; ++l)
      for (int r = 0; r < 4 * shape_.units(); ++r)
        biases_[size_t(l) * shape_.gates() + r] =
            flat_[layout_.layers[l].input_bias + r] +
            flat_[layout_.layers[l].recurrent_bias + r];
  }

  void set_optimizer(Rule rule, double decay, double momentum, double clip_norm) {
    optimizer_ = Optimizer();
    optimizer_.rule = rule;
    optimizer_.weight_decay = decay;
    optimizer_.momentum = momentum;
    optimizer_.clip_norm = clip_norm;
    optimizer_.first = Buffer<float>(layout_.trained);
    optimizer_.second = Buffer<float>(layout_.trained);
  }

  int64_t& optimizer_steps() { return optimizer_.steps; }

  // Both moments of every weight, in the order of the weights; statistics have none.
  template <class Visit>
  void visit_moments(Visit&& each) {
    for (Buffer<float>* moments : {&optimizer_.first, &optimizer_.second}) {
      Buffer<float> padded(layout_.size);
      std::copy_n(moments->get(), layout_.trained, padded.get());
      visit(shape_, layout_, padded.get(), each);
      std::copy_n(padded.get(), layout_.trained, moments->get());
    }
  }

  // Mean loss of a batch; its gradient is left in the first part.
  double differentiate(const Panel& panel, const int64_t* rows, int count,
                       Stream stream) {
    return shape_.draft ? differentiate_by<Draft>(panel, rows, count, stream)
                        : differentiate_by<Float32>(panel, rows, count, stream);
  }

  // A step of the optimiser on the gradient that was left.
  void update(double learning_rate) {
    ++optimizer_.steps;
    optimizer_.learning_rate = learning_rate;
    if (optimizer_.clip_norm > 0) optimizer_.clip(squared_norm());
    each_slice([&](int, size_t begin, size_t end) {
      optimizer_.step(flat_.get(), parts_[0].gradient.get(), begin, end);
    });
    refresh();
  }

  template <class Visit>
  void visit_gradient(Visit&& each) {
    Buffer<float> padded(layout_.size);  // statistics have no gradient
    std::copy_n(parts_[0].gradient.get(), layout_.trained, padded.get());
    visit(shape_, layout_, padded.get(), each);
  }

  // Outputs of windows, (count, outputs), without dropout and with the running
  // statistics; where `losses` is given also each tile's sum of losses.
  void infer(const Panel& panel, const int64_t* rows, int64_t count, float* out,
             double* losses) {
    use_running_moments();
    const Weights weights = view();
    if (count <= FEW && !losses) {
      for (int64_t i = 0; i < count; ++i)
        single_.run(shape_, layout_, weights, moments_, panel, rows[i],
                    out + i * shape_.outputs());
      return;
    }
    const auto tiles = int64_t((count + LANES - 1) / LANES);
    const int readers = int(std::min<int64_t>(readers_.size(), tiles));
    std::atomic<int64_t> next{0};
    pool_.run(readers, [&](int reader) {
      Tile& tile = readers_[reader];
      Buffer<V> unused(layout_.out.stride);
      for (int64_t i = next++; i < tiles; i = next++) {
        const int64_t* first = rows + i * LANES;
        tile.read(shape_, panel, first, int(std::min<int64_t>(LANES, count - i * LANES)));
        forward<Float32>(shape_, layout_, weights, tile, nullptr);
        forward_head(shape_, layout_, weights, moments_, tile, nullptr);
        if (out) write(tile, out + i * LANES * shape_.outputs());
        if (!losses) continue;
        tile.read_targets(shape_, panel, first);
        losses[i] = tile_loss(shape_, loss_table_, tile, 0.0f, unused.get());
      }
    });
  }

  std::atomic<bool> stopped{false};

 private:
  Weights view() const {
    return {flat_.get(), turned_.get(), biases_.get(), pairs_.get(), turned_pairs_.get()};
  }

  template <class P>
  double differentiate_by(const Panel& panel, const int64_t* rows, int count,
                          Stream stream) {
    const int tiles = (count + LANES - 1) / LANES;
    const int parts = std::min(tiles, PARTS);
    while (int(tiles_.size()) < tiles) tiles_.emplace_back(shape_);
    while (int(parts_.size()) < parts) parts_.emplace_back(shape_, layout_);
    const Weights weights = view();
    pool_.run(tiles, [&](int i) {
      const int64_t* first = rows + size_t(i) * LANES;
      tiles_[i].read(shape_, panel, first, std::min(LANES, count - i * LANES));
      tiles_[i].read_targets(shape_, panel, first);
      forward<P>(shape_, layout_, weights, tiles_[i], &stream);
    });
    if (shape_.batch_norm) measure_batch(tiles, count);
    const float factor = 1.0f / (float(count) * shape_.horizon);
    pool_.run(parts, [&](int part) {
      std::fill_n(parts_[part].gradient.get(), layout_.trained, 0.0f);
    });
    each_part(tiles, parts, [&](Tile& tile, Scratch& scratch) {
      forward_head(shape_, layout_, weights, moments_, tile, &stream);
      tile.loss = tile_loss(shape_, loss_table_, tile, factor, scratch.d_out.get());
      backward_head(shape_, layout_, weights, tile, scratch);
    });
    if (shape_.batch_norm) backward_norm(tiles, count);
    each_part(tiles, parts, [&](Tile& tile, Scratch& scratch) {
      backward<P>(shape_, layout_, weights, tile, scratch);
    });
    add_parts(parts);
    double total = 0;
    for (int i = 0; i < tiles; ++i) total += tiles_[i].loss;
    return total / (double(count) * shape_.horizon);
  }

  // The tiles of each part, last ones first: what forward left last is still in the
  // cache.
  template <class Work>
  void each_part(int tiles, int parts, Work&& work) {
    pool_.run(parts, [&](int i) {
      const int part = parts - 1 - i;
      for (int tile = tiles * (part + 1) / parts; tile-- > tiles * part / parts;)
        work(tiles_[tile], parts_[part]);
    });
  }

  // Stretches of the trained numbers, each on some thread.
  template <class Work>
  void each_slice(Work&& work) {
    const size_t length = (layout_.trained / SLICES / 64 + 1) * 64;
    pool_.run(SLICES, [&](int i) {
      work(i, std::min(layout_.trained, length * i),
           std::min(layout_.trained, length * (i + 1)));
    });
  }

  double squared_norm() {
    double squares[SLICES], total = 0;
    each_slice([&](int i, size_t begin, size_t end) {
      squares[i] = Optimizer::squares(parts_[0].gradient.get(), begin, end);
    });
    for (double one : squares) total += one;
    return total;
  }

  void add_parts(int parts) {
    float* total = parts_[0].gradient.get();
    each_slice([&](int, size_t begin, size_t end) {
      for (int part = 1; part < parts; ++part) {
        const float* more = parts_[part].gradient.get();
        for (size_t i = begin; i < end; ++i) total[i] += more[i];
      }
    });
    for (const Layer& layer : layout_.layers)  // both biases have the same gradient
      std::copy_n(total + layer.input_bias, shape_.gates(), total + layer.recurrent_bias);
  }

  // Moments of the batch, and the running ones as torch keeps them.
  void measure_batch(int tiles, int count) {
    for (int u = 0; u < shape_.hidden; ++u) {
      V total{}, squares{};
      for (int i = 0; i < tiles; ++i)
        total += last_hidden(shape_, tiles_[i])[u] * tiles_[i].lanes;
      const auto mean = float(sum(total) / count);
      for (int i = 0; i < tiles; ++i) {
        const V apart = (last_hidden(shape_, tiles_[i])[u] - mean) * tiles_[i].lanes;
        squares += apart * apart;
      }
      const double variance = sum(squares) / count;
      moments_.mean[u] = mean;
      moments_.inverse[u] = float(1 / std::sqrt(variance + NORM_EPSILON));
      batch_variance_.resize(shape_.hidden);
      batch_variance_[u] = float(variance * count / (count - 1));
    }
    for (int u = 0; u < shape_.hidden; ++u) {
      float& running = flat_[layout_.running_mean + u];
      float& variance = flat_[layout_.running_variance + u];
      running = 0.9f * running + 0.1f * moments_.mean[u];
      variance = 0.9f * variance + 0.1f * batch_variance_[u];
    }
  }

  void use_running_moments() {
    for (int u = 0; shape_.batch_norm && u < shape_.hidden; ++u) {
      moments_.mean[u] = flat_[layout_.running_mean + u];
      moments_.inverse[u] =
          1.0f / std::sqrt(flat_[layout_.running_variance + u] + NORM_EPSILON);
    }
  }

  // Turns the gradient of the normalised state into that of the state itself.
  // Source: Ioffe and Szegedy (2015), arXiv:1502.03167, section 3.
  void backward_norm(int tiles, int count) {
    float* gradient = parts_[0].gradient.get();
    for (int u = 0; u < shape_.hidden; ++u) {
      const float mean = moments_.mean[u], inverse = moments_.inverse[u];
      V shift{}, stretch{};
      for (int i = 0; i < tiles; ++i) {
        const V d = tiles_[i].d_last[u];
        shift += d;
        stretch += d * (last_hidden(shape_, tiles_[i])[u] - mean) * inverse;
      }
      const auto d_bias = float(sum(shift)), d_weight = float(sum(stretch));
      gradient[layout_.norm_bias + u] = d_bias;
      gradient[layout_.norm_weight + u] = d_weight;
      const float factor = flat_[layout_.norm_weight + u] * inverse;
      for (int i = 0; i < tiles; ++i) {
        const V normal = (last_hidden(shape_, tiles_[i])[u] - mean) * inverse;
        const V d = tiles_[i].d_last[u] - d_bias / count - normal * (d_weight / count);
        tiles_[i].d_last[u] = d * factor * tiles_[i].lanes;
      }
    }
  }

  void write(const Tile& tile, float* out) const {
    const int width = shape_.outputs();
    for (int lane = 0; lane < tile.windows; ++lane)
      for (int i = 0; i < width; ++i) out[lane * width + i] = tile.out.get()[i][lane];
  }

  Shape shape_;
  LossTable loss_table_;
  Layout layout_;
  std::vector<Matrix> matrices_;
  Buffer<float> flat_, turned_, biases_;
  Buffer<int32_t> pairs_, turned_pairs_;
  Optimizer optimizer_;
  Moments moments_;
  std::vector<float> batch_variance_;
  std::vector<Tile> tiles_, readers_;
  Single single_;
  std::vector<Scratch> parts_;
  Pool pool_;
};

}  // namespace closecast::CLOSECAST_ISA
