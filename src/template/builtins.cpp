#include "builtins.h"

#include <algorithm>

namespace weft::jinja {

const Text& Call::text(std::size_t i) const {
  require_defined(values[i], meter);
  if (!values[i].is(Kind::kString)) meter.fail("a str is needed, not " + std::string(type_name(values[i])));
  return values[i].text();
}

std::int64_t Call::integer(std::size_t i) const {
  require_defined(values[i], meter);
  if (!values[i].integral()) {
    meter.fail("'" + std::string(type_name(values[i])) + "' object cannot be interpreted as an integer");
  }
  return values[i].as_int();
}

std::int64_t Call::integer(std::size_t i, std::int64_t fallback) const { return has(i) ? integer(i) : fallback; }

bool Call::flag(std::size_t i) const { return has(i) && truth(values[i], meter); }

Value run_builtin(const Builtin& builtin, Interpreter& interpreter, Meter& meter, CallArguments arguments) {
  const auto end = std::find(builtin.parameters.begin(), builtin.parameters.end(), std::string_view());
  const auto count = static_cast<std::size_t>(end - builtin.parameters.begin());
  const std::string title = std::string(builtin.name) + "()";
  Call call{interpreter, meter, std::vector<Value>(count), {}};

  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < count) {
      call.values[i] = std::move(arguments.positional[i]);
    } else if (builtin.passing == Passing::kRest) {
      call.rest.positional.push_back(std::move(arguments.positional[i]));
    } else {
      meter.fail(title + " takes at most " + std::to_string(count) + " argument(s), not " +
                 std::to_string(arguments.positional.size()));
    }
  }
  for (auto& [name, value] : arguments.named) {
    const auto place = std::find(builtin.parameters.begin(), end, name);
    if (builtin.passing == Passing::kRest) {
      call.rest.named.emplace_back(name, std::move(value));
      continue;
    }
    if (place == end || builtin.passing == Passing::kPositional) {
      meter.fail(title + " got an unexpected keyword argument '" + name + "'");
    }
    Value& slot = call.values[static_cast<std::size_t>(place - builtin.parameters.begin())];
    if (!slot.missing()) meter.fail(title + " got multiple values for argument '" + name + "'");
    slot = std::move(value);
  }
  for (std::size_t i = 0; i < builtin.required; ++i) {
    if (call.values[i].missing()) {
      meter.fail(title + " missing a required argument: '" + std::string(builtin.parameters[i]) + "'");
    }
  }
  return builtin.run(call);
}

}  // namespace weft::jinja
