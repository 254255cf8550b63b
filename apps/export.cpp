#include "apps/commands.h"
#include "apps/python.h"

namespace weft::apps {

int run(const ExportCommand& command) { return run_export(command.arguments, ChildOutput::kAsOurs); }

}  // namespace weft::apps
