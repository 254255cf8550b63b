// A program that tells how long it took, and its kernels.

#include <utility>

#include "src/program/runner_checks.h"
#include "weft/kernels/call_timer.h"

namespace weft {
namespace {

class ObservedProgram final : public Program {
 public:
  ObservedProgram(std::unique_ptr<Program> program, const kernels::CallListener& listener)
      : program_(std::move(program)), listener_(listener) {}

  ProgramOutput execute(std::span<const ProgramInput> inputs) override {
    const kernels::ListenToCalls listening(&listener_);
    const kernels::CallTimer timer("program", 0, [] { return std::string(); });
    return program_->execute(inputs);
  }

  [[nodiscard]] const kernels::ParallelFor& parallel_for() const override { return program_->parallel_for(); }

 private:
  std::unique_ptr<Program> program_;
  kernels::CallListener listener_;
};

}  // namespace

ProgramLoader observed(ProgramLoader load, std::function<void(const Operation&)> on_operation) {
  const kernels::CallListener listener = [on_operation = std::move(on_operation)](const kernels::Call& call) {
    on_operation({call.name, call.shape, call.weight_bytes, call.begin_ns, call.end_ns});
  };
  return [load = std::move(load), listener] { return std::make_unique<ObservedProgram>(load(), listener); };
}

}  // namespace weft
