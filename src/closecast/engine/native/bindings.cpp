// What Python sees. Compiled once for each instruction set, each a module of its own:
// code for a newer processor can then never be linked into an older one's.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <stdexcept>
#include <string>

#include "network.hpp"

namespace nb = nanobind;

namespace closecast::CLOSECAST_ISA {

template <class Item, class Dims>
using Array = nb::ndarray<const Item, nb::numpy, Dims, nb::c_contig, nb::device::cpu>;
using Rows = Array<int64_t, nb::ndim<1>>;
using Table = Array<double, nb::ndim<2>>;
using Column = Array<double, nb::ndim<1>>;
using Flat = Array<float, nb::ndim<1>>;
using Floats = Array<float, nb::ndim<2>>;

// The arrays stay alive as long as this does.
struct PanelArrays {
  PanelArrays(Table logs, Column scale, Table state)
      : logs(logs), scale(scale), state(state) {
    if (logs.shape(1) <= Panel::CLOSE || scale.shape(0) != logs.shape(0) ||
        state.shape(0) != logs.shape(0))
      throw std::invalid_argument("Expected tables of as many rows, with a close.");
    view = {logs.data(), scale.data(), state.data(), int(logs.shape(1)),
            int(state.shape(1))};
  }
  Table logs;
  Column scale;
  Table state;
  Panel view;
};

template <class Item, class Fill>
auto new_array(std::initializer_list<size_t> dims, Fill&& fill) {
  size_t size = 1;
  for (size_t n : dims) size *= n;
  auto* data = new Item[size + 1];
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<Item*>(p); });
  fill(data);
  return nb::ndarray<nb::numpy, Item>(data, dims, owner);
}

template <class Fill>
auto new_floats(std::initializer_list<size_t> dims, Fill&& fill) {
  return new_array<float>(dims, fill);
}

Loss loss_named(const std::string& name) {
  if (name == "mse") return Loss::mse;
  if (name == "nll") return Loss::nll;
  if (name == "student_t_crps") return Loss::student_t_crps;
  if (name == "quantile_crps") return Loss::quantile_crps;
  if (name == "centred_nll") return Loss::centred_nll;
  if (name == "centred_crps") return Loss::centred_crps;
  throw std::invalid_argument("Expected the name of a loss, got " + name + ".");
}

LossTable table_of(Loss loss, Flat table) {
  const size_t size = table.shape(0);
  const bool crps = loss == Loss::student_t_crps || loss == Loss::centred_crps;
  const bool fits = crps                          ? size && size % MIDDLE == 0
                    : loss == Loss::quantile_crps ? size == MIDDLE
                                                  : size == 0;
  if (!fits) throw std::invalid_argument("Expected the table of the loss, got another.");
  return LossTable(table.data(), table.data() + size);
}

int outputs_per_step(Loss loss) {
  return loss == Loss::mse ? 1 : loss == Loss::quantile_crps ? LEVELS : 3;
}

Rule rule_named(const std::string& name) {
  if (name == "sgd") return Rule::sgd;
  if (name == "rmsprop") return Rule::rmsprop;
  if (name == "adam") return Rule::adam;
  if (name == "adamw") return Rule::adamw;
  throw std::invalid_argument("Expected sgd, rmsprop, adam or adamw, got " + name + ".");
}

size_t count_weights(Network& network) {
  size_t count = 0;
  network.visit_weights([&](float&) { ++count; });
  return count;
}

void load(Network& network, Flat weights) {
  if (weights.shape(0) != count_weights(network))
    throw std::invalid_argument("Expected " + std::to_string(count_weights(network)) +
                                " weights, got " + std::to_string(weights.shape(0)) + ".");
  const float* next = weights.data();
  network.visit_weights([&](float& weight) { weight = *next++; });
  network.refresh();
}

auto save(Network& network) {
  return new_floats({count_weights(network)}, [&](float* next) {
    network.visit_weights([&](float& weight) { *next++ = weight; });
  });
}

// Steps of the optimiser, and its moments of every weight.
nb::tuple save_moments(Network& network) {
  const size_t count = count_weights(network);
  auto moments = new_floats({2, count}, [&](float* next) {
    network.visit_moments([&](float& moment) { *next++ = moment; });
  });
  return nb::make_tuple(network.optimizer_steps(), moments);
}

void load_moments(Network& network, int64_t steps, Floats moments) {
  const size_t count = count_weights(network);
  if (moments.shape(0) != 2 || moments.shape(1) != count)
    throw std::invalid_argument("Expected two moments of " + std::to_string(count) +
                                " weights.");
  const float* next = moments.data();
  network.visit_moments([&](float& moment) { moment = *next++; });
  network.optimizer_steps() = steps;
}

// Mean loss of each step of an epoch, up to the first that is not finite; fewer where
// it was told to stop.
auto train_epoch(Network& network, const PanelArrays& panel, Rows rows, Rows ends,
                   Column rates, uint32_t seed, uint32_t epoch) {
  if (rates.shape(0) != ends.shape(0))
    throw std::invalid_argument("Expected a learning rate for each step.");
  std::vector<double> losses;
  {
    nb::gil_scoped_release release;
    int64_t start = 0;
    for (size_t i = 0; i < ends.shape(0) && !network.stopped; ++i) {
      const int64_t end = ends.data()[i];
      losses.push_back(network.differentiate(panel.view, rows.data() + start,
                                             int(end - start), {seed, epoch}));
      if (!std::isfinite(losses.back())) break;
      network.update(rates.data()[i]);
      start = end;
    }
  }
  return new_array<double>({losses.size()}, [&](double* out) {
    std::copy(losses.begin(), losses.end(), out);
  });
}

nb::tuple gradient(Network& network, const PanelArrays& panel, Rows rows, uint32_t seed,
                   uint32_t epoch) {
  const double loss = network.differentiate(panel.view, rows.data(), int(rows.shape(0)),
                                            {seed, epoch});
  auto slopes = new_floats({count_weights(network)}, [&](float* next) {
    network.visit_gradient([&](float& slope) { *next++ = slope; });
  });
  return nb::make_tuple(loss, slopes);
}

double mean_loss(Network& network, const PanelArrays& panel, Rows rows) {
  nb::gil_scoped_release release;
  const auto count = int64_t(rows.shape(0));
  std::vector<double> losses(size_t((count + LANES - 1) / LANES));
  network.infer(panel.view, rows.data(), count, nullptr, losses.data());
  double total = 0;
  for (double loss : losses) total += loss;
  return total / (double(count) * network.shape().horizon);
}

auto outputs(Network& network, const PanelArrays& panel, Rows rows) {
  const Shape& shape = network.shape();
  const std::initializer_list<size_t> dims = {rows.shape(0), size_t(shape.horizon),
                                              size_t(shape.outputs_per_step)};
  return new_floats(dims, [&](float* out) {
    nb::gil_scoped_release release;
    network.infer(panel.view, rows.data(), int64_t(rows.shape(0)), out, nullptr);
  });
}

auto masks(uint32_t seed, uint32_t epoch, uint32_t window, int layer, int step,
           float chance, int units) {
  return new_floats({size_t(units)}, [&](float* out) {
    Buffer<V> drawn(units);
    draw_masks({seed, epoch}, U{} + window, layer, step, chance, drawn.get(), units);
    for (int u = 0; u < units; ++u) out[u] = drawn[u][0];
  });
}

// Loss and gradient of one forecast, to be held against a formula.
nb::tuple head_loss(const std::string& name, Flat table, Flat outputs, float z) {
  const Loss loss = loss_named(name);
  const int width = outputs_per_step(loss);
  if (outputs.shape(0) != size_t(width))
    throw std::invalid_argument("Expected " + std::to_string(width) + " outputs.");
  V raw[LEVELS], slope[LEVELS];
  for (int i = 0; i < width; ++i) raw[i] = splat(outputs.data()[i]);
  const V value = step_loss(loss, table_of(loss, table), raw, splat(z), slope);
  auto slopes = new_floats({size_t(width)}, [&](float* out) {
    for (int i = 0; i < width; ++i) out[i] = slope[i][0];
  });
  return nb::make_tuple(value[0], slopes);
}

// Multiplications and additions in a second of CPU time of one thread with nothing to
// wait for: what a figure in CPU time can be a share of.
template <class P>
double peak_flops(int64_t rounds) {
  constexpr int chains = 12;
  V sums[chains];
  for (int i = 0; i < chains; ++i) sums[i] = splat(float(i));
  const volatile typename P::Number one = P::ONES;  // nothing to compute beforehand
  const typename P::Number factor = one;
  const typename P::Vector ones = one - typename P::Vector{};
  const std::clock_t start = std::clock();
  for (int64_t round = 0; round < rounds; ++round)
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) sums[i] = P::multiply_add(factor, ones, sums[i]);
  const double elapsed = double(std::clock() - start) / CLOCKS_PER_SEC;
  double total = 0;
  for (const V& s : sums) total += sum(s);
  return total > 0 ? 2.0 * P::WIDTH * LANES * chains * double(rounds) / elapsed : 0;
}

// Names of the instruction sets that this processor runs, best first.
nb::list supported() {
  nb::list names;
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    if (__builtin_cpu_supports("avx512bf16")) names.append("avx512bf16");
    names.append("avx512");
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    names.append("avx2");
#endif
  names.append("baseline");
  return names;
}

// What the processor has of what kernels may use.
nb::list cpu_features() {
  nb::list names;
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
#define CLOSECAST_FEATURE(name) \
  if (__builtin_cpu_supports(name)) names.append(name)
  CLOSECAST_FEATURE("avx2");
  CLOSECAST_FEATURE("fma");
  CLOSECAST_FEATURE("avx512f");
  CLOSECAST_FEATURE("avx512dq");
  CLOSECAST_FEATURE("avx512bw");
  CLOSECAST_FEATURE("avx512vl");
  CLOSECAST_FEATURE("avx512bf16");
#undef CLOSECAST_FEATURE
#endif
  return names;
}

NB_MODULE(CLOSECAST_MODULE, module) {
  module.def("supported", &supported);
  module.def("cpu_features", &cpu_features);
  module.attr("LANES") = LANES;
  nb::class_<PanelArrays>(module, "Panel")
      .def(nb::init<Table, Column, Table>(), nb::arg("logs"), nb::arg("scale"),
           nb::arg("state"));
  nb::class_<Network>(module, "Network")
      .def(
          "__init__",
          [](Network* self, int context, int features, int hidden, int layers,
             int horizon, int state, const std::string& loss_name, Flat loss_table,
             bool batch_norm, float dropout, bool draft, int threads) {
            const Loss loss = loss_named(loss_name);
            const Shape shape{context, features,   hidden, layers,
                              horizon, state,      outputs_per_step(loss),
                              batch_norm, loss,    dropout, draft};
            new (self) Network(shape, table_of(loss, loss_table), threads);
          },
          nb::kw_only(), nb::arg("context"), nb::arg("features"), nb::arg("hidden"),
          nb::arg("layers"), nb::arg("horizon"), nb::arg("state"), nb::arg("loss"),
          nb::arg("loss_table"), nb::arg("batch_norm"), nb::arg("dropout"),
          nb::arg("draft"), nb::arg("threads"))
      .def("load", &load)
      .def("save", &save)
      .def("save_moments", &save_moments)
      .def("load_moments", &load_moments)
      .def("set_optimizer",
           [](Network& self, const std::string& name, double decay, double momentum,
              double clip_norm) {
             self.set_optimizer(rule_named(name), decay, momentum, clip_norm);
           })
      .def("train_epoch", &train_epoch)
      .def("gradient", &gradient)
      .def("loss", &mean_loss)
      .def("outputs", &outputs)
      .def("stop", [](Network& self) { self.stopped = true; });
  module.def("masks", &masks);
  module.def("head_loss", &head_loss);
  module.attr("HAS_BFLOAT16") = HAS_BFLOAT16;
  module.def(
      "peak_flops",
      [](int64_t rounds, bool draft) {
        return draft ? peak_flops<Draft>(rounds) : peak_flops<Float32>(rounds);
      },
      nb::arg("rounds"), nb::arg("draft") = false);
}

}  // namespace closecast::CLOSECAST_ISA
