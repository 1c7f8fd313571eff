// The three products that training spends its time in, blocked for registers.
#pragma once

#include "precision.hpp"
#include "shape.hpp"

namespace closecast::CLOSECAST_ISA {

// sums[r] += weights[k][r] x in[k] over all k.
template <class P, int R>
CLOSECAST_INLINE void accumulate(V (&sums)[R], const typename P::Number* weights,
                                 ptrdiff_t stride, const typename P::Vector* in,
                                 int inputs) {
  const int packed = (inputs + P::WIDTH - 1) / P::WIDTH;
  for (int k = 0; k < packed; ++k, weights += stride) {
    const auto x = in[k];
#pragma GCC unroll 25
    for (int r = 0; r < R; ++r) sums[r] = P::multiply_add(weights[r], x, sums[r]);
  }
}

template <class P, int R>
inline void multiply_block(const typename P::Number* weights, ptrdiff_t stride,
                           const typename P::Vector* in, int inputs, const float* bias,
                           V* out) {
  V sums[R];
#pragma GCC unroll 25
  for (int r = 0; r < R; ++r) sums[r] = bias ? splat(bias[r]) : V{};
  accumulate<P>(sums, weights, stride, in, inputs);
#pragma GCC unroll 25
  for (int r = 0; r < R; ++r) out[r] = sums[r];
}

template <class P, int R, class... Rest>
inline void multiply_tail(int rows, Rest... rest) {
  if (rows == R) return multiply_block<P, R>(rest...);
  if constexpr (R > UNITS) multiply_tail<P, R - UNITS>(rows, rest...);
}

// out[r] = bias[r] + weights[k][r] x in[k] over all k; out has a multiple of UNITS.
template <class P>
inline void multiply(const typename P::Number* weights, ptrdiff_t stride,
                     const typename P::Vector* in, int inputs, const float* bias, V* out,
                     int rows) {
  const int padded = round_up(rows, UNITS);
  for (int r = 0; r < padded; r += ROWS)
    multiply_tail<P, ROWS>(std::min(ROWS, padded - r), weights + r, stride, in, inputs,
                           bias ? bias + r : nullptr, out + r);
}

template <class P, int N, int M>
inline void outer_block(const typename P::Number* in, ptrdiff_t in_stride,
                        const typename P::Vector* turned, ptrdiff_t turned_stride,
                        int steps, V* gradient, ptrdiff_t stride) {
  constexpr int PACKED = LANES / P::WIDTH;
  V sums[N * M];
#pragma GCC unroll 25
  for (int i = 0; i < N * M; ++i) sums[i] = V{};
  for (int t = 0; t < steps; ++t, in += in_stride)
    for (int lane = 0; lane < PACKED; ++lane, turned += turned_stride) {
      typename P::Vector d[M];
#pragma GCC unroll 5
      for (int m = 0; m < M; ++m) d[m] = turned[m];
#pragma GCC unroll 5
      for (int n = 0; n < N; ++n)
#pragma GCC unroll 5
        for (int m = 0; m < M; ++m)
          sums[n * M + m] =
              P::multiply_add(in[n * PACKED + lane], d[m], sums[n * M + m]);
    }
#pragma GCC unroll 5
  for (int n = 0; n < N; ++n)
#pragma GCC unroll 5
    for (int m = 0; m < M; ++m) gradient[n * stride + m] += sums[n * M + m];
}

template <class P, int N, int M, class... Rest>
inline void outer_tail(int n, int m, Rest... rest) {
  if (n == N && m == M) return outer_block<P, N, M>(rest...);
  if constexpr (N > 1)
    if (n < N) return outer_tail<P, N - 1, M>(n, m, rest...);
  if constexpr (M > 1)
    if (m < M) return outer_tail<P, N, M - 1>(n, m, rest...);
}

// gradient[i][r] += in[t][i][lane] x turned[t][lane][r] over all steps and lanes;
// a step of `in` has `rows` rows.
template <class P>
inline void outer(const typename P::Number* in, int rows, int inputs,
                  const typename P::Vector* turned, int steps, float* gradient,
                  int stride) {
  constexpr ptrdiff_t packed = LANES / P::WIDTH;
  const int vectors = stride / LANES;
  V* out = reinterpret_cast<V*>(gradient);
  for (int m = 0; m < vectors; m += VECTORS)
    for (int n = 0; n < inputs; n += UNITS)
      outer_tail<P, UNITS, VECTORS>(
          std::min(UNITS, inputs - n), std::min(VECTORS, vectors - m), in + n * packed,
          rows * packed, turned + m, ptrdiff_t(vectors), steps,
          out + ptrdiff_t(n) * vectors + m, ptrdiff_t(vectors));
}

// turned[lane][r] = rows[r][lane], for a multiple of LANES rows.
template <class P>
inline void turn(const V* rows, int count, typename P::Vector* turned) {
  constexpr int PACKED = LANES / P::WIDTH;
  const int vectors = count / LANES;
  for (int m = 0; m < vectors; ++m) {
    typename P::Vector block[PACKED];
#pragma GCC unroll 16
    for (int i = 0; i < PACKED; ++i) block[i] = P::join(rows + m * LANES + i * P::WIDTH);
    transpose(block);
#pragma GCC unroll 16
    for (int i = 0; i < PACKED; ++i) turned[i * vectors + m] = block[i];
  }
}

// gradient[r] += turned[t][lane][r] over all steps and lanes.
template <class P>
inline void add_columns(const typename P::Vector* turned, int steps, int count,
                        float* gradient) {
  const int vectors = count / LANES;
  V* sums = reinterpret_cast<V*>(gradient);
  for (int m = 0; m < vectors; ++m) {
    V total[4] = {};
    for (int lane = 0; lane < steps * LANES / P::WIDTH; lane += 4)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
        total[i] = P::multiply_add(P::ONES, turned[(lane + i) * vectors + m], total[i]);
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

// The copy of a matrix's rows that a product of pairs reads.
inline void pack_matrix(const float* matrix, int rows, int stride, int32_t* packed) {
  const V* from = reinterpret_cast<const V*>(matrix);
  I* to = reinterpret_cast<I*>(packed);
  const int vectors = stride / LANES;
  for (int row = 0; row < rows; row += Draft::WIDTH)
    for (int column = 0; column < vectors; ++column) {
      const V* first = from + ptrdiff_t(row) * vectors + column;
      const V pair[] = {*first, row + 1 < rows ? first[vectors] : V{}};
      Draft::pack_rows(pair, 2, to + ptrdiff_t(row / Draft::WIDTH) * vectors + column);
    }
}

}  // namespace closecast::CLOSECAST_ISA
