// Dropout from a counter: a mask depends on what it is for, not on when it is drawn.
#pragma once

#include <algorithm>

#include "vec.hpp"

namespace closecast::CLOSECAST_ISA {

struct Stream {
  uint32_t seed, epoch;
};

// Philox 4x32-10. Source: Salmon et al. (2011), doi:10.1145/2063384.2063405.
inline void philox(U (&counter)[4], Stream key) {
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    U high0, low0, high1, low1;
    multiply_wide(counter[0], 0xD2511F53u, high0, low0);
    multiply_wide(counter[2], 0xCD9E8D57u, high1, low1);
    counter[0] = high1 ^ counter[1] ^ key.seed;
    counter[2] = high0 ^ counter[3] ^ key.epoch;
    counter[1] = low1;
    counter[3] = low0;
    key.seed += 0x9E3779B9u;
    key.epoch += 0xBB67AE85u;
  }
}

// Masks of `units` units of a layer at a step for the windows in the lanes: 0, or
// what keeps the mean. A unit takes 16 bits; a counter gives 8 of them.
inline void draw_masks(Stream key, U window, int layer, int step, float chance,
                       V* masks, int units) {
  const int32_t threshold = std::min(65535, int32_t(chance * 65536.0f + 0.5f));
  const V kept = splat(65536.0f / float(65536 - threshold));
  for (int unit = 0; unit < units; unit += 8) {
    U counter[4] = {window, U{} + uint32_t(step), U{} + uint32_t(layer),
                    U{} + uint32_t(unit / 8)};
    philox(counter, key);
    for (int i = 0; i < 8 && unit + i < units; ++i) {
      const U word = counter[i / 2];
      const I bits = I(i % 2 ? word >> 16 : word & 0xffffu);
      masks[unit + i] = bits >= threshold ? kept : V{};
    }
  }
}

}  // namespace closecast::CLOSECAST_ISA
