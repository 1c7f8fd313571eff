// What a head is trained to make small, with its gradient, a window in each lane.
#pragma once

#include <cmath>
#include <vector>

#include "vec.hpp"

namespace closecast::CLOSECAST_ISA {

// By what the outputs mean: a point, a Student-t (twice, and twice around 0), or
// quantiles.
enum class Loss { mse, nll, student_t_crps, quantile_crps, centred_nll, centred_crps };

constexpr int LEVELS = 39, MIDDLE = LEVELS / 2;  // closecast.forecast.LEVELS

using LossTable = std::vector<float>;  // constants of a loss; some need none

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

// softplus(x) = log(1 + exp(x)), whose slope is the sigmoid.
CLOSECAST_INLINE V softplus(V x) {
  return at_least(0.0f, x) + logarithm_1p(exponential(-absolute(x)));
}

// See closecast.models.heads for the parameters; slopes are those in the outputs.
struct StudentT {
  V location, log_scale, df;
  V log_scale_slope, df_slope;
};

constexpr float LEAST_DF = 2.1f;

CLOSECAST_INLINE StudentT student_t(const V* raw) {
  constexpr float bound = 3.0f;
  static const float shift = float(std::log(std::expm1(6.0 - 2.1)));
  const V squashed = hyperbolic_tangent(raw[1] * (1.0f / bound));
  const V shifted = raw[2] + shift;
  return {raw[0], bound * squashed, LEAST_DF + softplus(shifted),
          1.0f - squashed * squashed, sigmoid(shifted)};
}

// Negative log likelihood of a Student-t.
CLOSECAST_INLINE V student_t_loss(const V* raw, V z, V* gradient) {
  const StudentT t = student_t(raw);
  const V narrow = exponential(-t.log_scale);
  const V standard = (z - t.location) * narrow, square = standard * standard;
  V norm_slope;
  const V norm = student_t_log_norm(t.df, norm_slope);
  const V log_tail = logarithm_1p(square / t.df);
  const V pull = (t.df + 1.0f) / (t.df + square);
  gradient[0] = -pull * standard * narrow;
  gradient[1] = (1.0f - pull * square) * t.log_scale_slope;
  gradient[2] =
      (0.5f * log_tail - 0.5f * pull * square / t.df - norm_slope) * t.df_slope;
  return 0.5f * (t.df + 1.0f) * log_tail - norm + t.log_scale;
}

// Twice the pinball loss of a level's quantile, as its share of the mean over levels,
// and the slope in the quantile.
CLOSECAST_INLINE V pinball(int level, V quantile, V z, V& slope) {
  constexpr float share = 2.0f / LEVELS;
  const float tau = float(level + 1) / (LEVELS + 1);
  const V error = z - quantile;
  const V weight = error < V{} ? splat(share * (tau - 1.0f)) : splat(share * tau);
  slope = -weight;
  return weight * error;
}

// CRPS of a Student-t by its quantiles, whose upper half is polynomials in 1/df: in
// `table` a row for each power, from 0 on.
inline V student_t_crps(const V* raw, V z, const float* table, int powers, V* gradient) {
  const StudentT t = student_t(raw);
  const V scale = exponential(t.log_scale), x = 2 * LEAST_DF / t.df - 1.0f;
  V d_location, d_scale{}, d_x{};
  V total = pinball(MIDDLE, t.location, z, d_location);
  for (int k = 0; k < MIDDLE; ++k) {
    V standard{}, bend{};
    for (int power = powers; power-- > 0;) {
      bend = bend * x + standard;
      standard = standard * x + table[power * MIDDLE + k];
    }
    V above, below;
    total += pinball(MIDDLE + 1 + k, t.location + scale * standard, z, above);
    total += pinball(MIDDLE - 1 - k, t.location - scale * standard, z, below);
    d_location += above + below;
    d_scale += (above - below) * standard;
    d_x += (above - below) * bend;
  }
  gradient[0] = d_location;
  gradient[1] = d_scale * scale * t.log_scale_slope;
  gradient[2] = d_x * scale * (-2 * LEAST_DF / (t.df * t.df)) * t.df_slope;
  return total;
}

// CRPS of quantiles: a median and gaps outwards, above it and then below it. `table`
// holds the gap of an output of 0.
inline V quantile_crps(const V* raw, V z, const float* table, V* gradient) {
  static const float shift = float(std::log(std::expm1(1.0)));
  V d_median;
  V total = pinball(MIDDLE, raw[0], z, d_median);
  for (int side = 0; side < 2; ++side) {
    const float sign = side ? -1.0f : 1.0f;
    const V* gaps = raw + 1 + side * MIDDLE;
    V* slopes = gradient + 1 + side * MIDDLE;
    V quantile = raw[0], beyond{};
    for (int k = 0; k < MIDDLE; ++k) {
      quantile += sign * table[k] * softplus(gaps[k] + shift);
      const int level = side ? MIDDLE - 1 - k : MIDDLE + 1 + k;
      total += pinball(level, quantile, z, slopes[k]);
    }
    for (int k = MIDDLE; k-- > 0;) {  // a gap moves all quantiles beyond it
      beyond += slopes[k];
      slopes[k] = beyond * (sign * table[k]) * sigmoid(gaps[k] + shift);
    }
    d_median += beyond;
  }
  gradient[0] = d_median;
  return total;
}

// A loss of the Student-t with its location held at 0, whatever the output says.
template <class StudentTLoss>
CLOSECAST_INLINE V centred(const V* raw, V* gradient, const StudentTLoss& loss) {
  const V held[3] = {V{}, raw[1], raw[2]};
  const V value = loss(held);
  gradient[0] = V{};
  return value;
}

// The loss of a window and step, and its gradient in the outputs.
inline V step_loss(Loss loss, const LossTable& table, const V* raw, V z, V* gradient) {
  const auto nll = [&](const V* t) { return student_t_loss(t, z, gradient); };
  const auto crps = [&](const V* t) {
    return student_t_crps(t, z, table.data(), int(table.size()) / MIDDLE, gradient);
  };
  switch (loss) {
    case Loss::mse: return point_loss(raw, z, gradient);
    case Loss::nll: return nll(raw);
    case Loss::student_t_crps: return crps(raw);
    case Loss::centred_nll: return centred(raw, gradient, nll);
    case Loss::centred_crps: return centred(raw, gradient, crps);
    default: return quantile_crps(raw, z, table.data(), gradient);
  }
}

}  // namespace closecast::CLOSECAST_ISA
