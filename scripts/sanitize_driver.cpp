// Trains and runs networks of many shapes over a simulated panel, for sanitizers to
// watch. Says the first difference between threads, or between a window alone and
// among others; exits with 1 then.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "network.hpp"

namespace closecast::CLOSECAST_ISA {

constexpr int BARS = 160, STATES = 2;

// Tables exactly as large as they are read: a step too far is out of bounds.
struct Tables {
  Tables(int features, int states) : logs(BARS * features), scale(BARS, 0.02) {
    std::mt19937 random(1);
    std::normal_distribution<double> normal(0, 0.02);
    for (int i = 0; i < int(logs.size()); ++i)
      logs[i] = (i < features ? 3 : logs[i - features]) + normal(random);
    for (int i = 0; i < BARS * states; ++i) state.push_back(normal(random));
    view = {logs.data(), scale.data(), state.data(), features, states};
  }
  std::vector<double> logs, scale, state;
  Panel view;
};

LossTable table_of(Loss loss) {
  const bool needs = loss == Loss::student_t_crps || loss == Loss::quantile_crps;
  return LossTable(needs ? MIDDLE : 0, 0.1f);
}

void draw_weights(Network& network) {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> uniform(-0.3f, 0.3f);
  network.visit_weights([&](float& weight) { weight = std::abs(uniform(random)); });
  network.refresh();
}

// Weights after a few steps, then forecasts of all windows and of each alone.
std::vector<float> numbers(const Shape& shape, Rule rule, int batch, int threads) {
  Tables tables(shape.features, shape.state);
  Network network(shape, table_of(shape.loss), threads);
  draw_weights(network);
  network.set_optimizer(rule, 0.01, rule == Rule::sgd ? 0.9 : 0.0, 0.5);
  std::vector<int64_t> rows;
  for (int64_t row = shape.context - 1; row + shape.horizon < BARS; ++row)
    rows.push_back(row);
  for (int step = 0; step < 3; ++step) {
    const int count = std::min(batch, int(rows.size()));
    network.differentiate(tables.view, rows.data(), count, {7, uint32_t(step)});
    network.update(1e-3);
  }
  std::vector<float> found;
  network.visit_weights([&](float& weight) { found.push_back(weight); });
  const size_t width = shape.outputs(), first = found.size();
  const auto count = int64_t(rows.size());
  std::vector<double> losses(rows.size() / LANES + 1);
  found.resize(first + rows.size() * width);
  network.infer(tables.view, rows.data(), count, found.data() + first, nullptr);
  network.infer(tables.view, rows.data(), count, nullptr, losses.data());
  std::vector<float> alone(width);
  for (size_t i = 0; i < rows.size(); i += 7) {
    network.infer(tables.view, &rows[i], 1, alone.data(), nullptr);
    if (!std::equal(alone.begin(), alone.end(), found.begin() + first + i * width)) {
      std::printf("window %zu is another alone\n", i);
      std::exit(1);
    }
  }
  return found;
}

void hold(const Shape& shape, Rule rule, int batch) {
  const std::vector<float> one = numbers(shape, rule, batch, 1);
  for (int threads : {2, 4})
    if (numbers(shape, rule, batch, threads) != one) {
      std::printf("%d threads give other bits\n", threads);
      std::exit(1);
    }
  std::printf(".");
  std::fflush(stdout);
}

}  // namespace closecast::CLOSECAST_ISA

int main(int count, char** arguments) {
  using namespace closecast::CLOSECAST_ISA;
  const bool small = count > 1 && std::string(arguments[1]) == "small";
  const Loss losses[] = {Loss::mse, Loss::nll, Loss::student_t_crps, Loss::quantile_crps};
  const Rule rules[] = {Rule::sgd, Rule::rmsprop, Rule::adam, Rule::adamw};
  int turn = 0;
  for (int hidden : small ? std::vector{3, 7} : std::vector{1, 5, 13, 50, 67})
    for (int layers : {1, 3})
      for (int batch : small ? std::vector{19} : std::vector{1, 16, 37, 130})
        for (bool draft : {false, true}) {
          if (draft && !HAS_BFLOAT16) continue;
          const Loss loss = losses[turn % 4];
          const int outputs = loss == Loss::mse ? 1 : turn % 4 == 3 ? LEVELS : 3;
          const Shape shape{1 + turn % 11, 5 + turn % 3, hidden, layers, 1 + turn % 6,
                            turn % 2 * STATES, outputs, batch > 1, loss,
                            turn % 3 ? 0.3f : 0.0f, draft};
          hold(shape, rules[turn++ / 4 % 4], batch);
        }
  std::printf(" %d shapes\n", turn);
}
