// The panel's resident tables, and windows cut from them on demand.
#pragma once

#include <cmath>
#include <cstdint>

#include "vec.hpp"

namespace closecast::CLOSECAST_ISA {

// Logarithms stay in double until the last bar is subtracted: in float a return
// would keep only its first few digits.
struct Panel {
  const double *logs, *scale, *state;
  int features, states;
  static constexpr int CLOSE = 3, VOLUME = 4;

  // Log ratios to the last bar, prices in units of the scale; unknown volumes are 0.
  void context(int64_t cutoff, int steps, float* out, int stride) const {
    const double* last = logs + cutoff * features;
    const float unit = float(scale[cutoff]);
    const double* bar = last - int64_t(steps - 1) * features;
    for (int t = 0; t < steps; ++t)
      for (int f = 0; f < features; ++f, ++bar, out += stride) {
        const float ratio = float(*bar - last[f]);
        *out = f < VOLUME ? ratio / unit : f == VOLUME && std::isnan(ratio) ? 0 : ratio;
      }
  }

  void state_at(int64_t cutoff, float* out, int stride) const {
    for (int i = 0; i < states; ++i) out[i * stride] = float(state[cutoff * states + i]);
  }

  // Log returns from the last close, in units of scale x sqrt(step).
  void target(int64_t cutoff, int horizon, float* out, int stride) const {
    const double* close = logs + cutoff * features + CLOSE;
    for (int h = 1; h <= horizon; ++h)
      out[(h - 1) * stride] =
          float((close[h * features] - *close) / (scale[cutoff] * std::sqrt(double(h))));
  }
};

}  // namespace closecast::CLOSECAST_ISA
