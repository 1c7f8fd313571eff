// One vector type for each instruction set: a lane is a window of the batch.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace closecast::CLOSECAST_ISA {

// UNITS x 4 gates, or ROWS outputs, are held in registers at a time; UNITS x VECTORS
// of a weight gradient.
#if defined(__AVX512F__)
constexpr int LANES = 16, UNITS = 5, ROWS = 25, VECTORS = 5;
#elif defined(__AVX2__)
constexpr int LANES = 8, UNITS = 3, ROWS = 12, VECTORS = 3;
#elif defined(__aarch64__)
constexpr int LANES = 4, UNITS = 5, ROWS = 25, VECTORS = 4;
#else
constexpr int LANES = 4, UNITS = 3, ROWS = 12, VECTORS = 3;
#endif

using V = float __attribute__((vector_size(LANES * 4)));
using I = int32_t __attribute__((vector_size(LANES * 4)));
using U = uint32_t __attribute__((vector_size(LANES * 4)));
using W = uint64_t __attribute__((vector_size(LANES * 4)));  // half as many lanes

#define CLOSECAST_INLINE inline __attribute__((always_inline))

constexpr int round_up(int n, int multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

CLOSECAST_INLINE V splat(float x) { return x - V{}; }

// A NaN in x stays a NaN.
CLOSECAST_INLINE V at_least(float low, V x) {
#if defined(__AVX512F__)
  return _mm512_max_ps(_mm512_set1_ps(low), x);
#else
  return splat(low) > x ? splat(low) : x;
#endif
}

CLOSECAST_INLINE V at_most(float high, V x) {
#if defined(__AVX512F__)
  return _mm512_min_ps(_mm512_set1_ps(high), x);
#else
  return splat(high) < x ? splat(high) : x;
#endif
}

CLOSECAST_INLINE V absolute(V x) { return V(I(x) & 0x7fffffff); }

CLOSECAST_INLINE V reciprocal(V x) {
#if defined(__AVX512F__)
  V r = _mm512_rcp14_ps(x);
  return r * (2.0f - x * r);  // one step of Newton
#else
  return 1.0f / x;
#endif
}

// exp(k x) for k = `factor` x log(2): 2^n 2^f with |f| <= 1/2, within 3 units in the
// last place, and exactly 1 at 0. |x factor| stays below 126.
CLOSECAST_INLINE V power(V x, float factor) {
  constexpr float to_integer = 12582912.0f;  // 1.5 x 2^23
  V shifted = x * factor + to_integer;
  V n = shifted - to_integer;
  V f = x * factor - n;
  V p = f * 0.00132647203f + 0.00967151392f;
  p = p * f + 0.0555073395f;
  p = p * f + 0.240222424f;
  p = p * f + 0.693147004f;
  p = p * f + 1.0f;
  return V(I(p) + (I(shifted) << 23));
}

constexpr float LOG2_E = 1.44269504089f;

CLOSECAST_INLINE V exponential(V x) {
  return power(at_most(87.0f, at_least(-87.0f, x)), LOG2_E);
}

// Beyond it sigmoid and tanh are 0 or 1 in float; the product of two powers is finite.
constexpr float SATURATED = 40.0f;

CLOSECAST_INLINE V saturate(V x, float bound) {
  return at_most(bound, at_least(-bound, x));
}

// 1 + exp(-x), whose reciprocal is the sigmoid.
CLOSECAST_INLINE V sigmoid_divisor(V x) {
  return 1.0f + power(saturate(x, SATURATED), -LOG2_E);
}

// 1 + exp(2x), whose reciprocal is (1 - tanh) / 2.
CLOSECAST_INLINE V tanh_divisor(V x) {
  return 1.0f + power(saturate(x, SATURATED / 2), 2 * LOG2_E);
}

// Both reciprocals for the price of one division.
CLOSECAST_INLINE void reciprocals(V a, V b, V& of_a, V& of_b) {
  const V both = reciprocal(a * b);
  of_a = both * b;
  of_b = both * a;
}

CLOSECAST_INLINE V sigmoid(V x) { return reciprocal(sigmoid_divisor(x)); }

CLOSECAST_INLINE V hyperbolic_tangent(V x) {
  return 1.0f - 2.0f * reciprocal(tanh_divisor(x));
}

// log(x) of a positive x. Source: Moshier, Cephes, logf.c.
CLOSECAST_INLINE V logarithm(V x) {
  I bits = I(x);
  I exponent = ((bits >> 23) & 0xff) - 126;
  V m = V((bits & 0x007fffff) | 0x3f000000);  // [0.5, 1)
  I small = m < 0.707106781186547524f;
  exponent += small;  // true is -1
  m = small ? m + m : m;
  V f = m - 1.0f, z = f * f, e = __builtin_convertvector(exponent, V);
  V p = f * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  V y = p * f * z + e * -2.12194440e-4f - 0.5f * z;
  V result = f + y + e * 0.693359375f;
  return bits >= 0x7f800000 ? x : result;  // infinity and NaN stay
}

// log(1 + x) of x >= 0, as exact near 0.
CLOSECAST_INLINE V logarithm_1p(V x) {
  V u = 1.0f + x;
  V lost = (x - (u - 1.0f)) / u;
  return logarithm(u) + (x < 3e38f ? lost : V{});
}

CLOSECAST_INLINE double sum(V x) {
  double total = 0;
  for (int lane = 0; lane < LANES; ++lane) total += x[lane];
  return total;
}

template <class Vector, size_t... i>
CLOSECAST_INLINE Vector interleave_low(Vector a, Vector b, std::index_sequence<i...>) {
  return __builtin_shufflevector(a, b, (i / 2 + i % 2 * LANES)...);
}

template <class Vector, size_t... i>
CLOSECAST_INLINE Vector interleave_high(Vector a, Vector b, std::index_sequence<i...>) {
  return __builtin_shufflevector(a, b, (LANES / 2 + i / 2 + i % 2 * LANES)...);
}

// Rows to columns: as many perfect shuffles as LANES has bits. Half as many rows of
// pairs, two rows in each, become half as many columns of pairs.
template <class Vector, int N>
CLOSECAST_INLINE void transpose(Vector (&rows)[N]) {
  constexpr auto lanes = std::make_index_sequence<LANES>{};
#pragma GCC unroll 8
  for (int round = 1; round < LANES; round *= 2) {
    Vector next[N];
#pragma GCC unroll 16
    for (int i = 0; i < N / 2; ++i) {
      next[2 * i] = interleave_low(rows[i], rows[i + N / 2], lanes);
      next[2 * i + 1] = interleave_high(rows[i], rows[i + N / 2], lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) rows[i] = next[i];
  }
}

// Products of the even lanes of a with b, 64 bits each.
CLOSECAST_INLINE W multiply_even(U a, uint32_t b) {
#if defined(__AVX512F__)
  return W(_mm512_mul_epu32(__m512i(a), _mm512_set1_epi32(int(b))));
#elif defined(__AVX2__)
  return W(_mm256_mul_epu32(__m256i(a), _mm256_set1_epi32(int(b))));
#elif defined(__SSE2__)
  return W(_mm_mul_epu32(__m128i(a), _mm_set1_epi32(int(b))));
#else
  return (W(a) & 0xffffffffu) * uint64_t(b);
#endif
}

// High and low words of a x b.
CLOSECAST_INLINE void multiply_wide(U a, uint32_t b, U& high, U& low) {
  W even = multiply_even(a, b), odd = multiply_even(U(W(a) >> 32), b);
  high = U((even >> 32) | (odd & ~uint64_t(0xffffffff)));
  low = a * b;
}

}  // namespace closecast::CLOSECAST_ISA
