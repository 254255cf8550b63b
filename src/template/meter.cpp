#include "meter.h"

#include <utility>

namespace weft::jinja {

void Meter::fail(std::string message) const {
  fail(ErrorCode::kCorrupt, std::move(message), "check that the messages are what this template expects, or mend the template");
}

void Meter::fail(ErrorCode code, std::string message, std::string fix) const {
  throw Error(code, std::move(message), "chat template, line " + std::to_string(line_), std::move(fix));
}

void Meter::too_many_steps() const {
  fail(ErrorCode::kTooLarge, "takes more than " + std::to_string(limits_.steps) + " steps (TemplateLimits::steps)",
       "shorten the conversation, or raise the limit if you trust the template");
}

void Meter::too_long_text() const {
  fail(ErrorCode::kTooLarge,
       "makes a text longer than " + std::to_string(limits_.output_bytes) + " bytes (TemplateLimits::output_bytes)",
       "shorten the conversation, or raise the limit if you trust the template");
}

void Meter::too_deep(const char* what) const {
  fail(ErrorCode::kTooLarge,
       std::string(what) + " too deep for a limit of " + std::to_string(limits_.depth) + " (TemplateLimits::depth)",
       "raise the limit if you trust the template");
}

}  // namespace weft::jinja
