// What the products of a training step multiply: single precision, or pairs of
// bfloat16, two products a lane in one instruction. Sums are in single precision
// either way.
#pragma once

#include "vec.hpp"

namespace closecast::CLOSECAST_ISA {

struct Float32 {
  using Number = float;  // what lies in 32 bits
  using Vector = V;
  static constexpr int WIDTH = 1;  // numbers in 32 bits
  static constexpr Number ONES = 1.0f;

  static CLOSECAST_INLINE V multiply_add(Number w, Vector x, V sum) {
    return sum + w * x;
  }
  static CLOSECAST_INLINE Vector join(const V* rows) { return *rows; }
  static const Vector* pack_rows(const V* rows, int, I*) { return rows; }
  static const Number* pack_lanes(const V* rows, int, I*) {
    return reinterpret_cast<const Number*>(rows);
  }
  template <class Single, class Pairs>
  static Single* choose(Single* single, Pairs*) {
    return single;
  }
};

#if defined(__AVX512BF16__)

// Source: Kalamkar et al. (2019), "A Study of BFLOAT16 for Deep Learning Training",
// arXiv:1905.12322.
struct Bfloat16 {
  using Number = int32_t;
  using Vector = I;
  static constexpr int WIDTH = 2;
  static constexpr Number ONES = 0x3f803f80;

  static CLOSECAST_INLINE V multiply_add(Number w, Vector x, V sum) {
    return V(_mm512_dpbf16_ps(__m512(sum), __m512bh(x), __m512bh(_mm512_set1_epi32(w))));
  }

  static CLOSECAST_INLINE Vector join(V first, V second) {
    return Vector(_mm512_cvtne2ps_pbh(__m512(second), __m512(first)));
  }

  // Two rows, one after the other: a lane holds two neighbours of a row.
  static CLOSECAST_INLINE Vector join(const V* rows) { return join(rows[0], rows[1]); }

  // Rows 2i and 2i + 1 in the halves of a lane; a last row without a partner gets 0.
  static const Vector* pack_rows(const V* rows, int count, I* pairs) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
        5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    each_pair(rows, count, [&](int i, Vector joined) {
      pairs[i] = Vector(_mm512_permutexvar_epi16(order, __m512i(joined)));
    });
    return pairs;
  }

  // Lanes 2i and 2i + 1 side by side, row after row.
  static const Number* pack_lanes(const V* rows, int count, I* pairs) {
    each_pair(rows, count, [&](int i, Vector joined) { pairs[i] = joined; });
    return reinterpret_cast<const Number*>(pairs);
  }

  template <class Single, class Pairs>
  static Pairs* choose(Single*, Pairs* pairs) {
    return pairs;
  }

 private:
  template <class Use>
  static CLOSECAST_INLINE void each_pair(const V* rows, int count, Use&& use) {
    for (int i = 0; i < count / 2; ++i) use(i, join(rows + 2 * i));
    if (count % 2) use(count / 2, join(rows[count - 1], V{}));
  }
};

using Draft = Bfloat16;
constexpr bool HAS_BFLOAT16 = true;

#else

using Draft = Float32;  // never asked for: the network refuses
constexpr bool HAS_BFLOAT16 = false;

#endif

}  // namespace closecast::CLOSECAST_ISA
