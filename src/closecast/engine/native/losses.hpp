// What a head is trained to make small, with its gradient, a window in each lane.
#pragma once

#include <cmath>

#include "vec.hpp"

namespace closecast::CLOSECAST_ISA {

// Squared error of a point.
CLOSECAST_INLINE V point_loss(const V* raw, V z, V* gradient) {
  const V error = raw[0] - z;
  gradient[0] = 2.0f * error;
  return error * error;
}

// log of the Student-t's normalising constant at scale 1, for df = 2a, and its
// derivative in df. By Gamma(x + 1) = x Gamma(x), a goes up to b = a + 4, where
// log Gamma(b + 1/2) - log Gamma(b) = log(b)/2 - 1/8b + 1/192b^3 - 1/640b^5 + ...
CLOSECAST_INLINE V student_t_log_norm(V df, V& derivative) {
  constexpr float log_two_pi = 1.8378770664093453f;
  const V a = 0.5f * df, b = a + 4.0f;
  V ratio = splat(1.0f), slope = V{};
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const V x = a + float(k);
    ratio *= x / (x + 0.5f);
    slope += 0.5f / (x * (x + 0.5f));
  }
  const V r = 1.0f / b, r2 = r * r;
  const V series = r * (-1.0f / 8 + r2 * (1.0f / 192 - r2 * (1.0f / 640)));
  slope += r2 * (1.0f / 8 - r2 * (1.0f / 64 - r2 * (1.0f / 128)));
  derivative = 0.5f * slope - 1.0f / (a * b);  // the logs of a and b together
  return 0.5f * (logarithm(b / a * ratio * ratio) - log_two_pi) + series;
}

// Negative log likelihood of a Student-t; see closecast.models.heads for the
// parameters.
CLOSECAST_INLINE V student_t_loss(const V* raw, V z, V* gradient) {
  constexpr float bound = 3.0f, least_df = 2.1f;
  static const float shift = float(std::log(std::expm1(6.0 - 2.1)));
  const V squashed = hyperbolic_tangent(raw[1] * (1.0f / bound));
  const V log_scale = bound * squashed;
  const V shifted = raw[2] + shift;
  const V df = least_df + at_least(0.0f, shifted) +
               logarithm_1p(exponential(-absolute(shifted)));
  const V standard = (z - raw[0]) * exponential(-log_scale), square = standard * standard;
  V norm_slope;
  const V norm = student_t_log_norm(df, norm_slope);
  const V log_tail = logarithm_1p(square / df);
  const V pull = (df + 1.0f) / (df + square);
  gradient[0] = -pull * standard * exponential(-log_scale);
  gradient[1] = (1.0f - pull * square) * (1.0f - squashed * squashed);
  gradient[2] = (0.5f * log_tail - 0.5f * pull * square / df - norm_slope) *
                sigmoid(shifted);
  return 0.5f * (df + 1.0f) * log_tail - norm + log_scale;
}

}  // namespace closecast::CLOSECAST_ISA
