#include "apps/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "weft/error.h"

namespace weft::apps {
namespace {

constexpr char kInterrupt = 'i', kQuit = 'q';

// A signal handler can reach nothing but what is global.
std::atomic<int> handler_pipe = -1;
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_interrupt(int) {
  const int before = errno;
  // A full pipe already says what there is to say.
  [[maybe_unused]] const ssize_t written = ::write(handler_pipe.load(), &kInterrupt, 1);
  errno = before;
}

void set_handler(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

InterruptPipe::InterruptPipe() {
  int ends[2];
  if (::pipe(ends) != 0) {
    throw Error(ErrorCode::kIo, "no pipe can be made: " + std::generic_category().message(errno), "Ctrl-C",
                "close other programs or files");
  }
  read_end_ = ends[0];
  write_end_ = ends[1];
  for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  ::fcntl(write_end_, F_SETFL, O_NONBLOCK);
  handler_pipe = write_end_;
  set_handler(on_interrupt);
}

InterruptPipe::~InterruptPipe() {
  set_handler(SIG_DFL);
  handler_pipe = -1;
  ::close(read_end_);
  ::close(write_end_);
}

void InterruptPipe::drain() {
  pollfd source{read_end_, POLLIN, 0};
  char bytes[64];
  while (::poll(&source, 1, 0) == 1 && ::read(read_end_, bytes, sizeof bytes) > 0) continue;
}

CancelOnInterrupt::CancelOnInterrupt(InterruptPipe& pipe) : pipe_(&pipe) {
  watcher_ = std::jthread([source = source_, read_end = pipe.read_end()]() mutable {
    for (char byte = 0;;) {
      const ssize_t got = ::read(read_end, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got != 1 || byte == kQuit) return;
      source.request_stop();
    }
  });
}

CancelOnInterrupt::~CancelOnInterrupt() {
  // The pipe holds thousands of bytes, and the watcher empties it: this write finds room.
  while (::write(pipe_->write_end(), &kQuit, 1) < 0 && (errno == EINTR || errno == EAGAIN)) continue;
  watcher_.join();
}

}  // namespace weft::apps
