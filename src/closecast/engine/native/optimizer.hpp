// The optimisers, as torch defines them, over any stretch of a flat array.
#pragma once

#include <cmath>

#include "shape.hpp"

namespace closecast::CLOSECAST_ISA {

enum class Rule { sgd, rmsprop, adam, adamw };

struct Optimizer {
  Rule rule = Rule::adam;
  double weight_decay = 0, momentum = 0, clip_norm = 0;
  double learning_rate = 0;  // of this step
  float shrink = 1;          // what clipping leaves of this step's gradient
  int64_t steps = 0;
  Buffer<float> first, second;  // moments

  // Sum of squares: a stretch's share of the gradient's norm.
  static double squares(const float* gradient, size_t begin, size_t end) {
    V total{};
    for (size_t i = begin; i < end; i += LANES) {
      V g;
      std::memcpy(&g, gradient + i, sizeof g);
      total += g * g;
    }
    return sum(total);
  }

  // Shortens a gradient longer than `clip_norm`, as torch's clip_grad_norm_.
  void clip(double squared_norm) {
    shrink = float(std::min(1.0, clip_norm / (std::sqrt(squared_norm) + 1e-6)));
    if (std::isnan(squared_norm)) shrink = float(squared_norm);
  }

  void step(float* weights, const float* gradient, size_t begin, size_t end) {
    switch (rule) {
      case Rule::sgd: return sgd(weights, gradient, begin, end);
      case Rule::rmsprop: return rmsprop(weights, gradient, begin, end);
      default: return adam(weights, gradient, begin, end);
    }
  }

 private:
  // Robbins and Monro (1951), with the momentum of Polyak (1964).
  void sgd(float* w, const float* g, size_t begin, size_t end) {
    const auto rate = float(learning_rate), decay = float(weight_decay);
    const auto keep = float(momentum);
    float* m = first.get();
    for (size_t i = begin; i < end; ++i) {
      m[i] = keep * m[i] + (shrink * g[i] + decay * w[i]);
      w[i] -= rate * m[i];
    }
  }

  // Tieleman and Hinton (2012).
  void rmsprop(float* w, const float* g, size_t begin, size_t end) {
    const auto rate = float(learning_rate), decay = float(weight_decay);
    const float keep = 0.99f, take = float(1 - 0.99), epsilon = 1e-8f;
    float* v = second.get();
    for (size_t i = begin; i < end; ++i) {
      const float slope = shrink * g[i] + decay * w[i];
      v[i] = keep * v[i] + take * slope * slope;
      w[i] -= rate * slope / (std::sqrt(v[i]) + epsilon);
    }
  }

  // Kingma and Ba (2015), arXiv:1412.6980; decoupled decay as in Loshchilov and
  // Hutter (2019), arXiv:1711.05101.
  void adam(float* w, const float* g, size_t begin, size_t end) {
    const double beta1 = 0.9, beta2 = 0.999;
    const auto size = float(learning_rate / (1 - std::pow(beta1, double(steps))));
    const auto root = float(1 / std::sqrt(1 - std::pow(beta2, double(steps))));
    const auto take1 = float(1 - beta1), keep2 = float(beta2), take2 = float(1 - beta2);
    const bool decoupled = rule == Rule::adamw;
    const auto stay = float(decoupled ? 1 - learning_rate * weight_decay : 1.0);
    const auto decay = float(decoupled ? 0.0 : weight_decay);
    const float epsilon = 1e-8f;
    float *m = first.get(), *v = second.get();
    for (size_t i = begin; i < end; ++i) {
      const float slope = shrink * g[i] + decay * w[i];
      m[i] += take1 * (slope - m[i]);
      v[i] = keep2 * v[i] + take2 * slope * slope;
      w[i] = stay * w[i] - size * m[i] / (std::sqrt(v[i]) * root + epsilon);
    }
  }
};

}  // namespace closecast::CLOSECAST_ISA
