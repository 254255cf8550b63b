// The command-line program `weft`.
#include <csignal>
#include <exception>
#include <new>
#include <string>
#include <variant>

#include "apps/arguments.h"
#include "apps/commands.h"
#include "apps/output.h"
#include "weft/error.h"

int main(int argc, char** argv) {
  using namespace weft::apps;
  // A reader that goes away is an error of write() instead: destructors run, and leave no temporary files behind.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const auto command = parse_arguments(argc, argv);
    if (!command) return kExitOk;
    return std::visit([](const auto& chosen) { return run(chosen); }, *command);
  } catch (const UsageError& error) {
    write_note("weft: " + std::string(error.what()));
    return kExitUsage;
  } catch (const OutputClosed&) {
    return kExitOutputClosed;
  } catch (const weft::Error& error) {
    write_note("weft: " + std::string(error.what()));
  } catch (const std::bad_alloc&) {
    write_note("weft: out of memory\nfix: close other programs, or take a smaller or quantised model");
  } catch (const std::exception& error) {
    write_note("weft: " + std::string(error.what()));
  }
  return kExitFailed;
}
