#include "interpreter.h"

#include <algorithm>
#include <utility>

#include "operators.h"

namespace weft::jinja {
namespace {

using EK = Expression::Kind;
using SK = Statement::Kind;

constexpr std::size_t kNamespaceSteps = 16;  // a namespace lives until the run's end: make many of them dear

std::string quoted(const Text& text) {
  constexpr std::size_t kShown = 80;  // characters: enough for a message
  Text repr;
  append_repr(repr, text.chars() <= kShown ? text : text.slice(0, text.byte_of(kShown)));
  return repr.bytes();
}

std::string described(const Value& v) {  // as Jinja2 names the owner of what isn't there
  return v.is(Kind::kNone) ? "None" : std::string(type_name(v)) + " object";
}

Value no_attribute(const Value& owner, const Text& name) {
  std::string message = "'";
  message.append(described(owner)).append("' has no attribute ").append(quoted(name));
  return Value::undefined(std::move(message));
}

}  // namespace

// Text that is printed while it lives is collected, instead of joining the output.
class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& interpreter)
      : interpreter_(interpreter), outer_(std::exchange(interpreter.out_, &text_)) {}
  ~Capture() { interpreter_.out_ = outer_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  [[nodiscard]] Text take() { return std::exchange(text_, Text()); }

 private:
  Interpreter& interpreter_;
  Text* outer_;
  Text text_;
};

namespace {

// Another value for as long as it lives.
template <typename T>
class Replaced {
 public:
  Replaced(T& place, T value) : place_(place), old_(std::exchange(place, std::move(value))) {}
  ~Replaced() { place_ = std::move(old_); }
  Replaced(const Replaced&) = delete;
  Replaced& operator=(const Replaced&) = delete;

 private:
  T& place_;
  T old_;
};

}  // namespace

Interpreter::Interpreter(const Tree& tree, Meter& meter, Dict context,
                         std::optional<std::chrono::system_clock::time_point> now)
    : tree_(tree), meter_(meter), context_(std::move(context)), now_(now) {
  for (const Builtin& global : all_globals()) {
    if (context_.find(global.name) != nullptr) continue;
    context_.set(Value::string(std::string(global.name), Author::kTemplate), bind(global, Value()));
  }
}

Interpreter::~Interpreter() {
  // Macros hold the variables that hold them, namespaces may hold themselves: cut these ties.
  for (const auto& activation : closures_) activation->slots.clear();
  for (const auto& space : namespaces_) space->attributes.clear();
}

Text Interpreter::run() {
  activation_ = activate(tree_.unit, nullptr);
  enter(tree_.scope);
  Text output;
  out_ = &output;
  (void)execute(tree_.body);
  return output;
}

std::chrono::system_clock::time_point Interpreter::now() const {
  return now_ ? *now_ : std::chrono::system_clock::now();
}

std::shared_ptr<Activation> Interpreter::activate(const Unit& unit, std::shared_ptr<Activation> outer) {
  meter_.object(unit.slots);
  auto activation = std::make_shared<Activation>();
  activation->slots.resize(unit.slots);
  activation->outer = std::move(outer);
  if (unit.closures) closures_.push_back(activation);
  return activation;
}

void Interpreter::enter(const Scope& scope) {
  for (const Entry& entry : scope) {
    Value value;
    if (entry.from == Entry::From::kOuter) {
      value = slot(entry.outer);
    } else if (entry.from == Entry::From::kContext) {
      const Value* found = context_.find(entry.name);
      if (found != nullptr) value = *found;
    }
    activation_->slots[entry.index] = std::move(value);
  }
}

Value& Interpreter::slot(Slot slot) {
  Activation* activation = activation_.get();
  for (std::uint32_t i = 0; i < slot.hops; ++i) activation = activation->outer.get();
  return activation->slots[slot.index];
}

// ---------------------------------------------------------------- statements

Interpreter::Flow Interpreter::execute(const std::vector<Statement*>& body) {
  const Meter::Level level(meter_);
  for (const Statement* statement : body) {
    meter_.step();
    meter_.at(statement->line);
    const Flow flow = execute(*statement);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  switch (statement.kind) {
    case SK::kText:
      meter_.grow(out_->size(), statement.text.size());
      out_->append(statement.text);
      return Flow::kNormal;
    case SK::kPrint: print(evaluate(*statement.expression)); return Flow::kNormal;
    case SK::kBreak: return Flow::kBreak;
    case SK::kContinue: return Flow::kContinue;
    case SK::kFor: return execute_for(statement);
    case SK::kIf:
      for (const auto& branch : statement.branches) {
        if (truth(evaluate(*branch.condition), meter_)) return execute(branch.body);
      }
      return execute(statement.otherwise);
    case SK::kSet:
      require_namespaces(*statement.target);
      assign(*statement.target, evaluate(*statement.expression));
      return Flow::kNormal;
    case SK::kMacro: assign(*statement.target, make_macro(*statement.macro)); return Flow::kNormal;
    case SK::kGeneration: print(call_macro(make_macro(*statement.macro).as<MacroObject>(), {})); return Flow::kNormal;
    case SK::kCallBlock: {
      const Value callee = evaluate(*statement.expression->items[0]);
      CallArguments arguments = evaluate_arguments(statement.expression->arguments);
      for (const auto& [name, value] : arguments.named) {
        if (name == "caller") meter_.fail("a call block's call can't be given a 'caller' of its own");
      }
      arguments.named.emplace_back("caller", make_macro(*statement.macro));
      meter_.at(statement.line);
      print(call(callee, std::move(arguments)));
      return Flow::kNormal;
    }
    case SK::kWith:
      enter(statement.scope);
      for (const auto& [target, value] : statement.assignments) assign(*target, evaluate(*value));
      return execute(statement.body);
    case SK::kSetBlock:
    case SK::kFilterBlock: {
      enter(statement.scope);
      Text written;
      {
        Capture capture(*this);
        const Flow flow = execute(statement.body);
        if (flow != Flow::kNormal) return flow;
        written = capture.take();
      }
      Value value = Value::string(std::move(written));
      if (statement.expression != nullptr) {
        const Replaced<Value> input(filter_input_, std::move(value));
        value = evaluate(*statement.expression);
      }
      if (statement.kind == SK::kSetBlock) {
        require_namespaces(*statement.target);
        assign(*statement.target, std::move(value));
      } else {
        print(value);
      }
      return Flow::kNormal;
    }
  }
  return Flow::kNormal;
}

void Interpreter::print(const Value& value) {
  if (value.is(Kind::kString)) {
    meter_.grow(out_->size(), value.text().size());
    out_->append(value.text());
    return;
  }
  const Text text = to_text(value, meter_);
  meter_.grow(out_->size(), text.size());
  out_->append(text);
}

Interpreter::Flow Interpreter::execute_for(const Statement& statement) {
  const Value items = evaluate(*statement.expression);
  meter_.at(statement.line);
  if (!statement.recursive) return run_loop(statement, items, 0);
  print(Value::string(run_recursive(statement, activation_, items, 0)));
  return Flow::kNormal;
}

Text Interpreter::run_recursive(const Statement& statement, const std::shared_ptr<Activation>& enclosing,
                                const Value& items, std::size_t depth0) {
  const Meter::Level level(meter_);
  const Replaced<std::shared_ptr<Activation>> running(activation_, activate(statement.unit, enclosing));
  Capture capture(*this);
  (void)run_loop(statement, items, depth0);
  return capture.take();
}

// The items for which the loop's `if` holds, each tested only when the loop asks for it.
std::shared_ptr<IteratorObject> Interpreter::filtered(const Statement& statement, const Value& items) {
  auto source = iterate(items, meter_);
  bool started = false;
  const auto activation = activation_;
  const Value generator = make_generator(
      [this, &statement, activation, source, started](Value& out) mutable {
        const Replaced<std::shared_ptr<Activation>> running(activation_, activation);
        if (!std::exchange(started, true)) enter(statement.test_scope);
        while (source->next(out, meter_)) {
          assign(*statement.test_target, out);
          if (truth(evaluate(*statement.test), meter_)) return true;
        }
        return false;
      },
      items, meter_);
  return generator.share<IteratorObject>();
}

Interpreter::Flow Interpreter::run_loop(const Statement& statement, const Value& items, std::size_t depth0) {
  const auto iterator = statement.test != nullptr ? filtered(statement, items) : iterate(items, meter_);
  auto loop = std::make_shared<LoopObject>();
  loop->items = iterator;
  loop->depth = iterator->depth + 1;
  loop->sized = statement.test == nullptr && try_length(items, loop->size, meter_);
  loop->depth0 = depth0;
  if (statement.recursive) {
    loop->statement = &statement;
    loop->enclosing = activation_->outer;
  }
  struct Finish {
    LoopObject& loop;
    Interpreter& interpreter;
    const Statement& statement;
    ~Finish() {
      loop.finish();
      if (statement.uses_loop) interpreter.activation_->slots[statement.loop_slot] = Value();
    }
  } const finish{*loop, *this, statement};

  const Value loop_value = Value::object(Kind::kLoop, loop);
  bool finished_one = false;  // as Jinja2 has it, an iteration that `continue` ends doesn't keep `else` from running
  Flow flow = Flow::kNormal;
  for (Value item; loop->next(item, meter_);) {
    assign(*statement.target, std::move(item));
    if (statement.uses_loop) activation_->slots[statement.loop_slot] = loop_value;
    enter(statement.scope);
    flow = execute(statement.body);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNormal) finished_one = true;
    meter_.at(statement.line);
  }
  if (finished_one || statement.otherwise.empty()) return Flow::kNormal;
  enter(statement.otherwise_scope);
  return execute(statement.otherwise);
}

void Interpreter::require_namespaces(const Expression& target) {
  if (target.kind == EK::kMember) {
    meter_.at(target.line);
    if (!slot(target.slot).is(Kind::kNamespace)) meter_.fail("cannot assign attribute on non-namespace object");
  }
  for (const Expression* item : target.items) require_namespaces(*item);
}

void Interpreter::assign(const Expression& target, Value value) {
  if (target.kind == EK::kName) {
    slot(target.slot) = std::move(value);
    return;
  }
  meter_.at(target.line);
  if (target.kind == EK::kMember) {
    if (target.attribute.starts_with('_')) {
      meter_.fail("a namespace can't have an attribute that starts with an underscore: '" + target.attribute + "'");
    }
    Dict& attributes = slot(target.slot).as<NamespaceObject>().attributes;
    attributes.set(Value::string(target.attribute, Author::kTemplate), std::move(value));
    return;
  }
  if (!is_iterable(value)) meter_.fail("cannot unpack non-iterable " + std::string(type_name(value)) + " object");
  std::vector<Value> items;
  const auto iterator = iterate(value, meter_);
  for (Value item; items.size() <= target.items.size() && iterator->next(item, meter_);) items.push_back(item);
  if (items.size() > target.items.size()) {
    meter_.fail("too many values to unpack (expected " + std::to_string(target.items.size()) + ")");
  }
  if (items.size() < target.items.size()) {
    meter_.fail("not enough values to unpack (expected " + std::to_string(target.items.size()) + ", got " +
                std::to_string(items.size()) + ")");
  }
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.items[i], std::move(items[i]));
}

// ---------------------------------------------------------------- calls

Value Interpreter::make_macro(const Macro& macro) {
  auto object = std::make_shared<MacroObject>();
  object->macro = &macro;
  object->enclosing = activation_;
  return Value::object(Kind::kMacro, std::move(object));
}

Value Interpreter::call_macro(const MacroObject& object, CallArguments arguments) {
  const Meter::Level level(meter_);
  const Macro& macro = *object.macro;
  const auto take_named = [&](std::string_view name) {
    meter_.step(arguments.named.size());
    for (auto it = arguments.named.begin(); it != arguments.named.end(); ++it) {
      if (it->first != name) continue;
      Value value = std::move(it->second);
      arguments.named.erase(it);
      return value;
    }
    return Value();
  };
  const std::string title = "macro '" + macro.name + "'";
  const auto activation = activate(macro.unit, object.enclosing);
  const std::size_t positional = std::min(arguments.positional.size(), macro.parameters.size());
  bool found_caller = positional == macro.parameters.size() && macro.explicit_caller;
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    activation->slots[parameter.index] = i < positional ? arguments.positional[i] : take_named(parameter.name);
    if (i >= positional && parameter.name == "caller") found_caller = true;
  }
  if (macro.takes_caller && !found_caller) {
    Value caller = take_named("caller");
    if (caller.missing() || caller.is(Kind::kNone)) caller = Value::undefined("No caller defined");
    activation->slots[macro.caller] = std::move(caller);
  }
  if (macro.takes_kwargs) {
    Dict kwargs;
    for (auto& [name, value] : arguments.named) kwargs.set(Value::string(name, Author::kTemplate), std::move(value));
    activation->slots[macro.kwargs] = make_dict(std::move(kwargs), Author::kTemplate, meter_);
  } else if (!arguments.named.empty()) {
    meter_.fail(title + " takes no keyword argument '" + arguments.named.front().first + "'");
  }
  if (macro.takes_varargs) {
    std::vector<Value> rest(arguments.positional.begin() + static_cast<std::ptrdiff_t>(positional),
                            arguments.positional.end());
    activation->slots[macro.varargs] = Value::tuple(std::move(rest), Author::kTemplate, meter_);
  } else if (arguments.positional.size() > macro.parameters.size()) {
    meter_.fail(title + " takes not more than " + std::to_string(macro.parameters.size()) + " argument(s)");
  }

  const Replaced<std::shared_ptr<Activation>> running(activation_, activation);
  Capture capture(*this);
  enter(macro.scope);
  for (const Parameter& parameter : macro.parameters) {
    Value& value = activation->slots[parameter.index];
    if (!value.missing()) continue;
    if (parameter.fallback != nullptr) {
      Value fallback = evaluate(*parameter.fallback);
      activation->slots[parameter.index] = std::move(fallback);
    } else {
      value = Value::undefined("parameter '" + parameter.name + "' was not provided");
    }
  }
  (void)execute(macro.body);
  return Value::string(capture.take());
}

Value Interpreter::call(const Value& callee, CallArguments arguments) {
  switch (callee.kind()) {
    case Kind::kUndefined: fail_undefined(callee, meter_);
    case Kind::kMacro: return call_macro(callee.as<MacroObject>(), std::move(arguments));
    case Kind::kFunction: {
      const auto& function = callee.as<FunctionObject>();
      if (!function.self.missing()) arguments.positional.insert(arguments.positional.begin(), function.self);
      return run_builtin(*function.builtin, *this, meter_, std::move(arguments));
    }
    case Kind::kLoop: {
      const auto& loop = callee.as<LoopObject>();
      if (loop.statement == nullptr) {
        meter_.fail("the loop must have the 'recursive' marker to be called recursively");
      }
      if (arguments.positional.size() != 1 || !arguments.named.empty()) meter_.fail("loop() takes one argument");
      return Value::string(
          run_recursive(*loop.statement, loop.enclosing, arguments.positional[0], loop.depth0 + 1));
    }
    case Kind::kJoiner: {
      auto& joiner = callee.as<JoinerObject>();
      return std::exchange(joiner.used, true) ? joiner.separator : Value::string("", Author::kTemplate);
    }
    default: meter_.fail("'" + std::string(type_name(callee)) + "' object is not callable");
  }
}

Value Interpreter::make_namespace(Dict attributes) {
  meter_.step(kNamespaceSteps);
  auto object = std::make_shared<NamespaceObject>();
  object->attributes = std::move(attributes);
  namespaces_.push_back(object);
  return Value::object(Kind::kNamespace, std::move(object));
}

Value Interpreter::bind(const Builtin& builtin, Value self) {
  auto function = std::make_shared<FunctionObject>();
  function->builtin = &builtin;
  function->depth = self.depth() + 1;
  meter_.value_depth(function->depth);
  function->self = std::move(self);
  return Value::object(Kind::kFunction, std::move(function));
}

Value Interpreter::apply_filter(const std::string& name, Value value, CallArguments rest) {
  const Builtin* filter = find_filter(name);
  if (filter == nullptr) fail_unknown_filter(name, meter_);
  rest.positional.insert(rest.positional.begin(), std::move(value));
  return run_builtin(*filter, *this, meter_, std::move(rest));
}

bool Interpreter::apply_test(const std::string& name, Value value, CallArguments rest) {
  const Builtin* test = find_test(name);
  if (test == nullptr) fail_unknown_test(name, meter_);
  rest.positional.insert(rest.positional.begin(), std::move(value));
  return truth(run_builtin(*test, *this, meter_, std::move(rest)), meter_);
}

// ---------------------------------------------------------------- attributes and items

Value Interpreter::own_attribute(const Value& owner, const Text& name) {
  const std::string& key = name.bytes();
  if (is_mutating_method(owner.kind(), key) || (key.starts_with("__") && key.ends_with("__"))) {
    return Value::undefined("access to attribute " + quoted(name) + " of '" + std::string(type_name(owner)) +
                            "' object is unsafe.");
  }
  switch (owner.kind()) {
    case Kind::kNamespace: {
      const Value* found = owner.as<NamespaceObject>().attributes.find(std::string_view(key));
      return found == nullptr ? Value() : *found;
    }
    case Kind::kTuple:
      if (owner.as<ListObject>().group && key == "grouper") return owner.items()[0];
      if (owner.as<ListObject>().group && key == "list") return owner.items()[1];
      break;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      if (key == "real" || (key == "numerator" && owner.integral())) return positive(owner, meter_);
      if (key == "denominator" && owner.integral()) return Value::integer(1);
      if (key == "imag") return owner.integral() ? Value::integer(0) : Value::real(0);
      break;
    case Kind::kCycler:
      if (key == "current") return owner.as<CyclerObject>().items[owner.as<CyclerObject>().position];
      break;
    case Kind::kMacro:
      if (key == "name") return Value::string(owner.as<MacroObject>().macro->name, Author::kTemplate);
      break;
    case Kind::kFunction:
      if (owner.as<FunctionObject>().builtin->name == "dict" && key == "fromkeys") {
        return bind(*find_method(Kind::kDict, key), owner);
      }
      break;
    case Kind::kLoop: {
      auto& loop = owner.as<LoopObject>();
      const auto number = [](std::int64_t i) { return Value::integer(i); };
      const auto length = [&] { return static_cast<std::int64_t>(loop.length(meter_)); };
      if (key == "index") return number(loop.index0 + 1);
      if (key == "index0") return number(loop.index0);
      if (key == "length") return number(length());
      if (key == "revindex") return number(length() - loop.index0);
      if (key == "revindex0") return number(length() - loop.index0 - 1);
      if (key == "first") return Value::boolean(loop.index0 == 0);
      if (key == "last") return Value::boolean(!loop.peek(meter_));
      if (key == "depth") return number(static_cast<std::int64_t>(loop.depth0 + 1));
      if (key == "depth0") return number(static_cast<std::int64_t>(loop.depth0));
      if (key == "previtem") return loop.before.missing() ? Value::undefined("there is no previous item") : loop.before;
      if (key == "nextitem") return loop.peek(meter_) ? loop.after : Value::undefined("there is no next item");
      break;
    }
    default: break;
  }
  const Builtin* found = find_method(owner.kind(), key);
  return found == nullptr ? Value() : bind(*found, owner);
}

Value Interpreter::attribute(const Value& owner, const Text& name) {
  require_defined(owner, meter_);
  Value found = own_attribute(owner, name);
  if (!found.missing()) return found;
  if (owner.is(Kind::kDict)) {
    const Value* entry = dict_of(owner).find(std::string_view(name.bytes()));
    if (entry != nullptr) return *entry;
  }
  return no_attribute(owner, name);
}

Value Interpreter::item(const Value& owner, const Value& index) {
  require_defined(owner, meter_);
  if (owner.is(Kind::kDict)) {
    const Value* entry = is_hashable(index, meter_) ? dict_of(owner).find(index) : nullptr;
    if (entry != nullptr) return *entry;
  } else if (index.integral() && (owner.is(Kind::kString) || owner.sequence() || owner.is(Kind::kRange))) {
    std::size_t length = 0;
    (void)try_length(owner, length, meter_);
    const std::int64_t at = index.as_int() < 0 ? index.as_int() + static_cast<std::int64_t>(length) : index.as_int();
    if (at >= 0 && at < static_cast<std::int64_t>(length)) {
      const auto i = static_cast<std::size_t>(at);
      if (owner.is(Kind::kString)) return character(owner.text(), i, meter_);
      return owner.sequence() ? owner.items()[i] : Value::integer(owner.as<RangeObject>().at(i), owner.author());
    }
  }
  if (index.is(Kind::kString)) {
    Value found = own_attribute(owner, index.text());
    return found.missing() ? no_attribute(owner, index.text()) : found;
  }
  return Value::undefined(described(owner) + " has no element " + to_repr(index, meter_).bytes());
}

// ---------------------------------------------------------------- expressions

Value Interpreter::evaluate(const Expression& node) {
  meter_.step();
  if (node.kind == EK::kConst) return node.constant;
  if (node.kind == EK::kName) {
    const Value& value = slot(node.slot);
    return value.missing() ? Value::undefined("'" + node.name + "' is undefined") : value;
  }
  const Meter::Level level(meter_);
  return evaluate_nested(node);
}

Value Interpreter::evaluate_nested(const Expression& node) {
  switch (node.kind) {
    case EK::kConst:
    case EK::kName:
    case EK::kMember: break;  // evaluate() has done these
    case EK::kTuple: return Value::tuple(evaluate_all(node.items), Author::kTemplate, meter_);
    case EK::kList: return Value::list(evaluate_all(node.items), Author::kTemplate, meter_);
    case EK::kDict: return evaluate_dict(node);
    case EK::kAttribute: {
      const Value owner = evaluate(*node.items[0]);
      meter_.at(node.line);
      return attribute(owner, Text(node.name, Author::kTemplate));
    }
    case EK::kItem: {
      const Value owner = evaluate(*node.items[0]);
      const Value index = evaluate(*node.items[1]);
      meter_.at(node.line);
      return item(owner, index);
    }
    case EK::kSlice: return evaluate_slice(node);
    case EK::kCall: {
      const Value callee = evaluate(*node.items[0]);
      CallArguments arguments = evaluate_arguments(node.arguments);
      meter_.at(node.line);
      return call(callee, std::move(arguments));
    }
    case EK::kFilter: return evaluate_filter(node);
    case EK::kTest: return Value::boolean(evaluate_test(node));
    case EK::kNot: return Value::boolean(!truth(evaluate(*node.items[0]), meter_));
    case EK::kNegative:
    case EK::kPositive: {
      const Value value = evaluate(*node.items[0]);
      meter_.at(node.line);
      return node.kind == EK::kNegative ? negative(value, meter_) : positive(value, meter_);
    }
    case EK::kArithmetic: {
      Value value = evaluate(*node.items[0]);
      for (std::size_t i = 0; i < node.ops.size(); ++i) {
        const Value right = evaluate(*node.items[i + 1]);
        meter_.at(node.line);
        value = arithmetic(node.ops[i], value, right, *this);
      }
      return value;
    }
    case EK::kCompare: return evaluate_compare(node);
    case EK::kAnd:
    case EK::kOr: {
      Value value;
      for (const Expression* part : node.items) {
        value = evaluate(*part);
        if (truth(value, meter_) == (node.kind == EK::kOr)) break;
      }
      return value;
    }
    case EK::kConcat: return evaluate_concat(node);
    case EK::kConditional: {
      if (truth(evaluate(*node.items[0]), meter_)) return evaluate(*node.items[1]);
      if (node.items[2] != nullptr) return evaluate(*node.items[2]);
      return Value::undefined("the inline if-expression on line " + std::to_string(node.line) +
                              " evaluated to false and no else section was defined.");
    }
  }
  return Value();
}

std::vector<Value> Interpreter::evaluate_all(const std::vector<Expression*>& nodes) {
  std::vector<Value> values;
  values.reserve(nodes.size());
  for (const Expression* node : nodes) values.push_back(evaluate(*node));
  return values;
}

Value Interpreter::evaluate_dict(const Expression& node) {
  Dict dict;
  for (std::size_t i = 0; i < node.items.size(); i += 2) {
    Value key = evaluate(*node.items[i]);
    Value value = evaluate(*node.items[i + 1]);
    meter_.at(node.line);
    require_hashable(key, meter_);
    dict.set(std::move(key), std::move(value));
  }
  return make_dict(std::move(dict), Author::kTemplate, meter_);
}

Value Interpreter::evaluate_slice(const Expression& node) {
  Value parts[4];
  for (std::size_t i = 0; i < 4; ++i) {
    if (node.items[i] != nullptr) parts[i] = evaluate(*node.items[i]);
  }
  meter_.at(node.line);
  return slice(parts[0], parts[1], parts[2], parts[3], meter_);
}

Value Interpreter::evaluate_compare(const Expression& node) {
  Value left = evaluate(*node.items[0]);
  bool holds = true;
  for (std::size_t i = 0; holds && i < node.ops.size(); ++i) {
    Value right = evaluate(*node.items[i + 1]);
    meter_.at(node.line);
    switch (node.ops[i]) {
      case Op::kEq: holds = equal(left, right, meter_); break;
      case Op::kNe: holds = !equal(left, right, meter_); break;
      case Op::kLt: holds = compare(left, right, "<", meter_) == -1; break;
      case Op::kLe: {
        const int order = compare(left, right, "<=", meter_);
        holds = order == -1 || order == 0;
        break;
      }
      case Op::kGt: holds = compare(left, right, ">", meter_) == 1; break;
      case Op::kGe: {
        const int order = compare(left, right, ">=", meter_);
        holds = order == 1 || order == 0;
        break;
      }
      case Op::kIn: holds = contains(right, left, meter_); break;
      default: holds = !contains(right, left, meter_); break;
    }
    left = std::move(right);
  }
  return Value::boolean(holds);
}

Value Interpreter::evaluate_concat(const Expression& node) {
  Text text;
  for (const Expression* part : node.items) {
    const Value value = evaluate(*part);
    meter_.at(node.line);
    const Text piece = to_text(value, meter_);
    meter_.grow(text.size(), piece.size());
    text.append(piece);
  }
  return Value::string(std::move(text));
}

CallArguments Interpreter::evaluate_arguments(const Arguments& arguments) {
  CallArguments values;
  values.positional = evaluate_all(arguments.positional);
  for (const auto& [name, node] : arguments.named) values.named.emplace_back(name, evaluate(*node));
  if (arguments.star != nullptr) {
    for (Value& value : collect(evaluate(*arguments.star), meter_)) values.positional.push_back(std::move(value));
  }
  if (arguments.star_star != nullptr) {
    const Value entries = evaluate(*arguments.star_star);
    if (!entries.is(Kind::kDict)) meter_.fail("argument after ** must be a mapping, not " + std::string(type_name(entries)));
    for (const auto& [key, value] : dict_of(entries).entries()) {
      if (!key.is(Kind::kString)) meter_.fail("keywords must be strings");
      meter_.step(values.named.size());
      for (const auto& [name, given] : values.named) {
        if (name == key.text().bytes()) meter_.fail("got multiple values for keyword argument '" + name + "'");
      }
      values.named.emplace_back(key.text().bytes(), value);
    }
  }
  return values;
}

Value Interpreter::evaluate_filter(const Expression& node) {
  CallArguments arguments;
  Value input = node.items[0] == nullptr ? filter_input_ : evaluate(*node.items[0]);
  arguments = evaluate_arguments(node.arguments);
  meter_.at(node.line);
  if (node.builtin == nullptr) fail_unknown_filter(node.name, meter_);
  arguments.positional.insert(arguments.positional.begin(), std::move(input));
  return run_builtin(*node.builtin, *this, meter_, std::move(arguments));
}

bool Interpreter::evaluate_test(const Expression& node) {
  Value input = evaluate(*node.items[0]);
  CallArguments arguments = evaluate_arguments(node.arguments);
  meter_.at(node.line);
  if (node.builtin == nullptr) fail_unknown_test(node.name, meter_);
  arguments.positional.insert(arguments.positional.begin(), std::move(input));
  return truth(run_builtin(*node.builtin, *this, meter_, std::move(arguments)), meter_);
}

}  // namespace weft::jinja
