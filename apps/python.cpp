#include "apps/python.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "weft/error.h"

extern char** environ;

namespace weft::apps {
namespace {

namespace fs = std::filesystem;

std::string find_python() {
  if (const char* chosen = std::getenv("WEFT_PYTHON"); chosen && *chosen) return chosen;
  const fs::path own = fs::path(WEFT_SOURCE_DIR) / ".venv/bin/python";
  std::error_code ignored;
  return fs::exists(own, ignored) ? own.string() : "python3";
}

void set_variable(std::vector<std::string>& variables, const std::string& name, const std::string& value) {
  std::erase_if(variables, [&](const std::string& entry) { return entry.starts_with(name + "="); });
  variables.push_back(name + "=" + value);
}

std::vector<std::string> child_environment() {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry; ++entry) variables.emplace_back(*entry);
  std::error_code ignored;
  const fs::path package = fs::path(WEFT_SOURCE_DIR) / "python";
  if (fs::exists(package / "weft/export", ignored)) {
    std::string folders = package.string();
    if (const char* others = std::getenv("PYTHONPATH"); others && *others) folders.append(":").append(others);
    set_variable(variables, "PYTHONPATH", folders);
  }
  if (const fs::path self = fs::read_symlink("/proc/self/exe", ignored); !self.empty()) {
    set_variable(variables, "WEFT_BIN", self.string());
  }
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The child, in the same process group, gets the terminal's Ctrl-C and cleans up; we wait for that.
class IgnoredInterrupt {
 public:
  IgnoredInterrupt() : before_(std::signal(SIGINT, SIG_IGN)) {}
  ~IgnoredInterrupt() { std::signal(SIGINT, before_); }
  IgnoredInterrupt(const IgnoredInterrupt&) = delete;
  IgnoredInterrupt& operator=(const IgnoredInterrupt&) = delete;

 private:
  void (*before_)(int);
};

class SpawnSettings {
 public:
  explicit SpawnSettings(ChildOutput output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    if (output == ChildOutput::kToStderr) posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

int run_export(const std::vector<std::string>& arguments, ChildOutput output) {
  std::vector<std::string> command = {find_python(), "-m", "weft.export"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = child_environment();
  const SpawnSettings settings(output);
  const IgnoredInterrupt ignored_interrupt;

  pid_t child = 0;
  const int problem = posix_spawnp(&child, command.front().c_str(), settings.actions(), settings.attributes(),
                                   pointers_to(command).data(), pointers_to(environment).data());
  if (problem != 0) {
    throw Error(ErrorCode::kNotFound, "doesn't start: " + std::generic_category().message(problem),
                "Python '" + command.front() + "'", "set WEFT_PYTHON to a Python 3.10 or newer that has the weft package");
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      throw Error(ErrorCode::kInternal, "waiting failed: " + std::generic_category().message(errno), "weft.export");
    }
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace weft::apps
