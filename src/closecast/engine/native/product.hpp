// The three products that training spends its time in, blocked for registers.
#pragma once

#include "shape.hpp"

namespace closecast::CLOSECAST_ISA {

// sums[r] += weights[k][r] x in[k] over all k.
template <int R>
CLOSECAST_INLINE void accumulate(
    V (&sums)[R], const float* weights, ptrdiff_t stride, const V* in, int inputs) {
  for (int k = 0; k < inputs; ++k, weights += stride) {
    const V x = in[k];
#pragma GCC unroll 25
    for (int r = 0; r < R; ++r) sums[r] += weights[r] * x;
  }
}

template <int R>
inline void multiply_block(const float* weights, ptrdiff_t stride, const V* in,
                           int inputs, const float* bias, V* out) {
  V sums[R];
#pragma GCC unroll 25
  for (int r = 0; r < R; ++r) sums[r] = bias ? splat(bias[r]) : V{};
  accumulate(sums, weights, stride, in, inputs);
#pragma GCC unroll 25
  for (int r = 0; r < R; ++r) out[r] = sums[r];
}

template <int R>
inline void multiply_tail(int rows, const float* weights, ptrdiff_t stride,
                          const V* in, int inputs, const float* bias, V* out) {
  if (rows == R) return multiply_block<R>(weights, stride, in, inputs, bias, out);
  if constexpr (R > UNITS)
    multiply_tail<R - UNITS>(rows, weights, stride, in, inputs, bias, out);
}

// out[r] = bias[r] + weights[k][r] x in[k] over all k; out has a multiple of UNITS.
inline void multiply(const float* weights, ptrdiff_t stride, const V* in, int inputs,
                     const float* bias, V* out, int rows) {
  const int padded = round_up(rows, UNITS);
  for (int r = 0; r < padded; r += ROWS) {
    const float* part = bias ? bias + r : nullptr;
    multiply_tail<ROWS>(std::min(ROWS, padded - r), weights + r, stride, in, inputs,
                        part, out + r);
  }
}

template <int N, int M>
inline void outer_block(const V* in, ptrdiff_t in_stride, const V* turned,
                        ptrdiff_t turned_stride, int steps, V* gradient,
                        ptrdiff_t stride) {
  V sums[N * M];
#pragma GCC unroll 25
  for (int i = 0; i < N * M; ++i) sums[i] = V{};
  for (int t = 0; t < steps; ++t, in += in_stride) {
    const float* x = reinterpret_cast<const float*>(in);
    for (int lane = 0; lane < LANES; ++lane, turned += turned_stride) {
      V d[M];
#pragma GCC unroll 5
      for (int m = 0; m < M; ++m) d[m] = turned[m];
#pragma GCC unroll 5
      for (int n = 0; n < N; ++n)
#pragma GCC unroll 5
        for (int m = 0; m < M; ++m) sums[n * M + m] += x[n * LANES + lane] * d[m];
    }
  }
#pragma GCC unroll 5
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 5
    for (int m = 0; m < M; ++m) gradient[n * stride + m] += sums[n * M + m];
}

template <int N, int M, class... Rest>
inline void outer_tail(int n, int m, Rest... rest) {
  if (n == N && m == M) return outer_block<N, M>(rest...);
  if constexpr (N > 1)
    if (n < N) return outer_tail<N - 1, M>(n, m, rest...);
  if constexpr (M > 1)
    if (m < M) return outer_tail<N, M - 1>(n, m, rest...);
}

// gradient[i][r] += in[t][i][lane] x turned[t][lane][r] over all steps and lanes.
inline void outer(const V* in, ptrdiff_t in_stride, int inputs, const V* turned,
                  int steps, float* gradient, int stride) {
  const int vectors = stride / LANES;
  V* rows = reinterpret_cast<V*>(gradient);
  for (int m = 0; m < vectors; m += VECTORS)
    for (int n = 0; n < inputs; n += UNITS)
      outer_tail<UNITS, VECTORS>(
          std::min(UNITS, inputs - n), std::min(VECTORS, vectors - m), in + n,
          in_stride, turned + m, ptrdiff_t(vectors), steps,
          rows + ptrdiff_t(n) * vectors + m, ptrdiff_t(vectors));
}

// turned[lane][r] = rows[r][lane], for a multiple of LANES rows.
inline void turn(const V* rows, int count, V* turned) {
  const int vectors = count / LANES;
  for (int m = 0; m < vectors; ++m) {
    V block[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) block[i] = rows[m * LANES + i];
    transpose(block);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) turned[i * vectors + m] = block[i];
  }
}

// gradient[r] += turned[pair][r] over all pairs of a step and a lane.
inline void add_columns(const V* turned, int pairs, int count, float* gradient) {
  const int vectors = count / LANES;
  V* sums = reinterpret_cast<V*>(gradient);
  for (int m = 0; m < vectors; ++m) {
    V total[4] = {};
    for (int pair = 0; pair < pairs; pair += 4)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) total[i] += turned[(pair + i) * vectors + m];
    sums[m] += (total[0] + total[1]) + (total[2] + total[3]);
  }
}

// The copy of a matrix that backward products read.
inline void turn_matrix(const Matrix& m, const float* flat, float* turned) {
  const int vectors = m.stride / LANES;
  const V* from = reinterpret_cast<const V*>(flat + m.at);
  V* to = reinterpret_cast<V*>(turned + m.turned_at);
  for (int column = 0; column < vectors; ++column)
    for (int row = 0; row < m.turned_stride; row += LANES) {
      V block[LANES];
      for (int i = 0; i < LANES; ++i)
        block[i] = row + i < m.inputs ? from[(row + i) * vectors + column] : V{};
      transpose(block);
      for (int i = 0; i < LANES; ++i)
        to[((column * LANES + i) * m.turned_stride + row) / LANES] = block[i];
    }
}

}  // namespace closecast::CLOSECAST_ISA
