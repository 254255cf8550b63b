// Runs a parsed template.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ast.h"
#include "builtins.h"
#include "loop.h"
#include "meter.h"
#include "value.h"

namespace weft::jinja {

/// The variables of one run of a unit. Shared, because macros remember the one that they were defined in.
struct Activation {
  std::vector<Value> slots;
  std::shared_ptr<Activation> outer;
};

struct MacroObject : Object {
  const Macro* macro = nullptr;
  std::shared_ptr<Activation> enclosing;
};

/// A built-in function, and for a method the object it belongs to.
struct FunctionObject : Object {
  const Builtin* builtin = nullptr;
  Value self;  // kMissing for a global function
};

class Interpreter {
 public:
  /// @param context  The variables that the template is given; the global functions are added.
  Interpreter(const Tree& tree, Meter& meter, Dict context, std::optional<std::chrono::system_clock::time_point> now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  [[nodiscard]] Text run();

  // For the built-ins:
  [[nodiscard]] Meter& meter() noexcept { return meter_; }
  [[nodiscard]] std::chrono::system_clock::time_point now() const;
  [[nodiscard]] Value apply_filter(const std::string& name, Value value, CallArguments rest);
  [[nodiscard]] bool apply_test(const std::string& name, Value value, CallArguments rest);
  [[nodiscard]] Value call(const Value& callee, CallArguments arguments);
  /// owner.name and owner[index] as Jinja2's sandbox resolves them: one falls back on the other.
  [[nodiscard]] Value attribute(const Value& owner, const Text& name);
  [[nodiscard]] Value item(const Value& owner, const Value& index);
  /// A method, or another attribute that Python gives such a value; missing if there is none.
  [[nodiscard]] Value own_attribute(const Value& owner, const Text& name);
  [[nodiscard]] Value make_namespace(Dict attributes);

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  class Capture;

  void enter(const Scope& scope);
  [[nodiscard]] Value& slot(Slot slot);
  [[nodiscard]] std::shared_ptr<Activation> activate(const Unit& unit, std::shared_ptr<Activation> outer);

  Flow execute(const std::vector<Statement*>& body);
  Flow execute(const Statement& statement);
  Flow execute_for(const Statement& statement);
  Flow run_loop(const Statement& statement, const Value& items, std::size_t depth0);
  Text run_recursive(const Statement& statement, const std::shared_ptr<Activation>& enclosing, const Value& items,
                     std::size_t depth0);
  [[nodiscard]] std::shared_ptr<IteratorObject> filtered(const Statement& statement, const Value& items);
  void assign(const Expression& target, Value value);
  void require_namespaces(const Expression& target);
  void print(const Value& value);
  [[nodiscard]] Value make_macro(const Macro& macro);
  [[nodiscard]] Value call_macro(const MacroObject& object, CallArguments arguments);

  [[nodiscard]] Value evaluate(const Expression& node);
  [[nodiscard]] Value evaluate_nested(const Expression& node);
  [[nodiscard]] std::vector<Value> evaluate_all(const std::vector<Expression*>& nodes);
  [[nodiscard]] Value evaluate_dict(const Expression& node);
  [[nodiscard]] Value evaluate_slice(const Expression& node);
  [[nodiscard]] Value evaluate_compare(const Expression& node);
  [[nodiscard]] Value evaluate_concat(const Expression& node);
  [[nodiscard]] Value evaluate_filter(const Expression& node);
  [[nodiscard]] bool evaluate_test(const Expression& node);
  [[nodiscard]] CallArguments evaluate_arguments(const Arguments& arguments);
  [[nodiscard]] Value bind(const Builtin& builtin, Value self);

  const Tree& tree_;
  Meter& meter_;
  Dict context_;
  std::optional<std::chrono::system_clock::time_point> now_;
  std::shared_ptr<Activation> activation_;
  Text* out_ = nullptr;
  Value filter_input_;  // what the filter block around has written

  // Whatever may take part in a cycle of references; emptied when the run is over.
  std::vector<std::shared_ptr<Activation>> closures_;
  std::vector<std::shared_ptr<NamespaceObject>> namespaces_;
};

}  // namespace weft::jinja
