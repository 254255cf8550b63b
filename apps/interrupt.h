// Ctrl-C as something to wait for, instead of the end of the program.
#pragma once

#include <stop_token>
#include <thread>

namespace weft::apps {

/// While one lives, Ctrl-C makes a pipe readable and does nothing else. At most one lives at a time.
class InterruptPipe {
 public:
  /// @throws Error{kIo}  no pipe can be made.
  InterruptPipe();
  ~InterruptPipe();
  InterruptPipe(const InterruptPipe&) = delete;
  InterruptPipe& operator=(const InterruptPipe&) = delete;

  /// For poll(): readable once Ctrl-C was pressed.
  [[nodiscard]] int read_end() const noexcept { return read_end_; }
  [[nodiscard]] int write_end() const noexcept { return write_end_; }
  /// Forgets what was pressed until now.
  void drain();

 private:
  int read_end_ = -1, write_end_ = -1;
};

/// While one lives, Ctrl-C asks its token to stop.
class CancelOnInterrupt {
 public:
  /// @param pipe  Lent for this object's life.
  explicit CancelOnInterrupt(InterruptPipe& pipe);
  ~CancelOnInterrupt();
  CancelOnInterrupt(const CancelOnInterrupt&) = delete;
  CancelOnInterrupt& operator=(const CancelOnInterrupt&) = delete;

  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  InterruptPipe* pipe_;
  std::stop_source source_;
  std::jthread watcher_;  // a signal handler may not call request_stop() itself
};

}  // namespace weft::apps
