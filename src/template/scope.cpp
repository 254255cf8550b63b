// Which variable a name means. A port of Jinja2's idtracking.py and of the parts of compiler.py that use it,
// because its rules show: a loop's assignments end with the iteration, a name that a scope assigns anywhere is that
// scope's from its start, a macro sees its surroundings as they are when it is called.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "builtins.h"
#include "parser.h"

namespace weft::jinja {
namespace {

using EK = Expression::Kind;
using SK = Statement::Kind;

struct UnitState {
  Unit* unit = nullptr;
  const UnitState* outer = nullptr;
  std::uint32_t level = 0;
};

// A variable: a slot in some unit's activation.
struct Variable {
  const UnitState* unit = nullptr;
  std::uint32_t index = 0;
};

enum class Load { kParameter, kResolve, kAlias, kUndefined };

struct LoadRule {
  Load load = Load::kUndefined;
  std::string name;  // kResolve
  Variable outer;    // kAlias
};

class Symbols {
 public:
  Symbols(const Symbols* parent, const UnitState& unit)
      : parent_(parent), unit_(&unit), slots_(std::make_shared<std::map<std::string, std::uint32_t>>()) {}

  [[nodiscard]] std::optional<Variable> find(const std::string& name) const {
    for (const Symbols* s = this; s != nullptr; s = s->parent_) {
      const auto found = s->refs_.find(name);
      if (found != s->refs_.end()) return Variable{s->unit_, found->second};
    }
    return std::nullopt;
  }

  void load(const std::string& name) {
    if (!find(name)) define(name, {Load::kResolve, name, {}});
  }

  void store(const std::string& name) {
    stores_.insert(name);
    if (refs_.contains(name)) return;
    const auto outer = parent_ == nullptr ? std::nullopt : parent_->find(name);
    define(name, outer ? LoadRule{Load::kAlias, {}, *outer} : LoadRule{});
  }

  std::uint32_t declare_parameter(const std::string& name) {
    stores_.insert(name);
    return define(name, {Load::kParameter, {}, {}});
  }

  void update_from_branches(std::span<const Symbols> branches) {
    std::set<std::string> stored;
    for (const Symbols& branch : branches) {
      for (const std::string& name : branch.stores_) {
        if (!stores_.contains(name)) stored.insert(name);
      }
    }
    for (const Symbols& branch : branches) {
      for (const auto& [name, index] : branch.refs_) refs_[name] = index;
      for (const auto& [index, rule] : branch.loads_) loads_[index] = rule;
      stores_.insert(branch.stores_.begin(), branch.stores_.end());
    }
    // Assigned in some branches only: where none of them runs, it is what it was outside.
    for (const std::string& name : stored) {
      const std::uint32_t index = refs_.at(name);
      const auto outer = parent_ == nullptr ? std::nullopt : parent_->find(name);
      loads_[index] = outer ? LoadRule{Load::kAlias, {}, *outer} : LoadRule{Load::kResolve, name, {}};
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return refs_.size(); }

  [[nodiscard]] Slot slot(Variable variable) const {
    return Slot{unit_->level - variable.unit->level, variable.index};
  }

  // What happens as the scope is entered; parameters are the business of who enters it.
  [[nodiscard]] Scope scope() const {
    Scope scope;
    for (const auto& [index, rule] : loads_) {
      switch (rule.load) {
        case Load::kParameter: break;
        case Load::kResolve: scope.push_back({Entry::From::kContext, index, rule.name, {}}); break;
        case Load::kAlias: scope.push_back({Entry::From::kOuter, index, {}, slot(rule.outer)}); break;
        case Load::kUndefined: scope.push_back({Entry::From::kNothing, index, {}, {}}); break;
      }
    }
    return scope;
  }

 private:
  std::uint32_t define(const std::string& name, LoadRule rule) {
    const auto [place, added] = slots_->try_emplace(name, unit_->unit->slots);
    if (added) ++unit_->unit->slots;
    refs_[name] = place->second;
    loads_[place->second] = std::move(rule);
    return place->second;
  }

  const Symbols* parent_;
  const UnitState* unit_;
  std::shared_ptr<std::map<std::string, std::uint32_t>> slots_;  // shared by the copies that branches work on
  std::map<std::string, std::uint32_t> refs_;
  std::map<std::uint32_t, LoadRule> loads_;
  std::set<std::string> stores_;
};

template <typename Visit>
void for_each_child(const Expression& node, Visit visit) {
  for (Expression* item : node.items) {
    if (item != nullptr) visit(*item);
  }
  for (Expression* argument : node.arguments.positional) visit(*argument);
  for (const auto& [name, argument] : node.arguments.named) visit(*argument);
  if (node.arguments.star != nullptr) visit(*node.arguments.star);
  if (node.arguments.star_star != nullptr) visit(*node.arguments.star_star);
}

// ---------------------------------------------------------------- what a scope loads and stores

class SymbolVisitor {
 public:
  SymbolVisitor(Symbols& symbols, Meter& meter) : symbols_(&symbols), meter_(meter) {}

  void loads(const Expression& node) {
    if (node.kind == EK::kName) symbols_->load(node.name);
    for_each_child(node, [&](const Expression& child) { loads(child); });
  }

  void stores(const Expression& target) {
    if (target.kind == EK::kName) symbols_->store(target.name);
    if (target.kind == EK::kMember) symbols_->load(target.name);
    for (const Expression* item : target.items) stores(*item);
  }

  void parameters(const Expression& target) {
    if (target.kind == EK::kName) symbols_->declare_parameter(target.name);
    for (const Expression* item : target.items) parameters(*item);
  }

  void visit(std::span<Statement* const> body) {
    for (const Statement* statement : body) visit(*statement);
  }

  // Bodies that are scopes of their own are not looked into.
  void visit(const Statement& node) {
    switch (node.kind) {
      case SK::kPrint:
      case SK::kFor:
      case SK::kCallBlock:
      case SK::kFilterBlock: loads(*node.expression); break;
      case SK::kIf: visit_if(node); break;
      case SK::kSet:
        loads(*node.expression);
        stores(*node.target);
        break;
      case SK::kSetBlock:
      case SK::kMacro: stores(*node.target); break;
      case SK::kWith:
        for (const auto& [target, value] : node.assignments) loads(*value);
        break;
      case SK::kText:
      case SK::kGeneration:
      case SK::kBreak:
      case SK::kContinue: break;
    }
  }

 private:
  template <typename Visit>
  Symbols branch(Visit visit_branch) {
    // Copying them for each of many branches is what a hostile template can make long.
    constexpr std::size_t kStepsPerCopy = 8;
    meter_.step(symbols_->size() * kStepsPerCopy);
    Symbols copy = *symbols_;
    Symbols* const original = std::exchange(symbols_, &copy);
    visit_branch();
    symbols_ = original;
    return copy;
  }

  void visit_if(const Statement& node) {
    loads(*node.branches.front().condition);
    const Symbols branches[] = {
        branch([&] { visit(node.branches.front().body); }),
        branch([&] {
          for (std::size_t i = 1; i < node.branches.size(); ++i) {
            loads(*node.branches[i].condition);
            const Symbols inner[] = {branch([&] { visit(node.branches[i].body); })};
            symbols_->update_from_branches(inner);
          }
        }),
        branch([&] { visit(node.otherwise); }),
    };
    symbols_->update_from_branches(branches);
  }

  Symbols* symbols_;
  Meter& meter_;
};

// Which of some special names a body reads before it assigns them, looking into all that it holds.
class UndeclaredFinder {
 public:
  explicit UndeclaredFinder(std::set<std::string> names) : names_(std::move(names)) {}

  [[nodiscard]] std::set<std::string> find(std::span<Statement* const> body) {
    visit(body);
    return found_;
  }

 private:
  void read(const Expression* node) {
    if (node == nullptr) return;
    if (node->kind == EK::kName && names_.contains(node->name)) found_.insert(node->name);
    if (node->kind == EK::kConditional) {  // in the order of Jinja2's fields
      for (const Expression* part : node->items) read(part);
      return;
    }
    for_each_child(*node, [&](const Expression& child) { read(&child); });
  }
  void assign(const Expression& target) {
    if (target.kind == EK::kName) names_.erase(target.name);
    for (const Expression* item : target.items) assign(*item);
  }
  void visit(const Macro& macro) {
    for (const Parameter& parameter : macro.parameters) names_.erase(parameter.name);
    for (const Parameter& parameter : macro.parameters) read(parameter.fallback);
    visit(macro.body);
  }
  void visit(std::span<Statement* const> body) {
    for (const Statement* node : body) {
      if (node->kind == SK::kCallBlock) read(node->expression);
      if (node->macro != nullptr) {
        visit(*node->macro);
        continue;
      }
      if (node->target != nullptr) assign(*node->target);
      for (const auto& [target, value] : node->assignments) assign(*target);
      for (const auto& [target, value] : node->assignments) read(value);
      if (node->kind != SK::kFilterBlock) read(node->expression);
      for (const auto& branch : node->branches) {
        read(branch.condition);
        visit(branch.body);
      }
      visit(node->body);
      visit(node->otherwise);
      if (node->kind == SK::kFilterBlock) read(node->expression);
      read(node->test);
    }
  }

  std::set<std::string> names_, found_;
};

// ---------------------------------------------------------------- giving names their slots

class Resolver {
 public:
  Resolver(Tree& tree, Meter& meter) : tree_(tree), meter_(meter) {}

  void run() {
    UnitState unit{&tree_.unit, nullptr, 0};
    Symbols symbols(nullptr, unit);
    SymbolVisitor(symbols, meter_).visit(tree_.body);
    tree_.scope = symbols.scope();
    resolve_body(tree_.body, {&symbols, &unit, false});
  }

 private:
  struct Frame {
    Symbols* symbols;
    UnitState* unit;
    bool soft;  // inside of an `if`, where Jinja2 lets an unknown filter wait until it is run

    [[nodiscard]] Frame softened() const { return {symbols, unit, true}; }
  };

  void resolve_body(std::span<Statement* const> body, const Frame& frame) {
    for (Statement* statement : body) resolve_statement(*statement, frame);
  }

  // A body in a scope of its own.
  Scope resolve_inner(std::span<Statement* const> body, const Frame& frame) {
    Symbols symbols(frame.symbols, *frame.unit);
    SymbolVisitor(symbols, meter_).visit(body);
    resolve_body(body, {&symbols, frame.unit, false});
    return symbols.scope();
  }

  void resolve_statement(Statement& node, const Frame& frame) {
    meter_.step();
    switch (node.kind) {
      case SK::kText:
      case SK::kBreak:
      case SK::kContinue: break;
      case SK::kPrint: resolve_expression(*node.expression, frame); break;
      case SK::kIf: {
        const Frame soft = frame.softened();
        for (auto& branch : node.branches) {
          resolve_expression(*branch.condition, soft);
          resolve_body(branch.body, soft);
        }
        resolve_body(node.otherwise, soft);
        break;
      }
      case SK::kSet:
        resolve_expression(*node.expression, frame);
        resolve_expression(*node.target, frame);
        break;
      case SK::kSetBlock: {
        resolve_expression(*node.target, frame);
        Symbols symbols(frame.symbols, *frame.unit);
        SymbolVisitor visitor(symbols, meter_);
        visitor.visit(node.body);
        if (node.expression != nullptr) visitor.loads(*node.expression);
        const Frame inner{&symbols, frame.unit, false};
        resolve_body(node.body, inner);
        if (node.expression != nullptr) resolve_expression(*node.expression, inner);
        node.scope = symbols.scope();
        break;
      }
      case SK::kMacro:
        resolve_expression(*node.target, frame);
        resolve_macro(*node.macro, frame);
        break;
      case SK::kCallBlock:
        resolve_expression(*node.expression, frame);
        resolve_macro(*node.macro, frame);
        break;
      case SK::kGeneration: resolve_macro(*node.macro, frame); break;
      case SK::kFilterBlock: {
        Symbols symbols(frame.symbols, *frame.unit);
        SymbolVisitor visitor(symbols, meter_);
        visitor.visit(node.body);
        visitor.loads(*node.expression);
        const Frame inner{&symbols, frame.unit, false};
        resolve_body(node.body, inner);
        resolve_expression(*node.expression, inner);
        node.scope = symbols.scope();
        break;
      }
      case SK::kWith: {
        Symbols symbols(frame.symbols, *frame.unit);
        SymbolVisitor visitor(symbols, meter_);
        for (const auto& [target, value] : node.assignments) visitor.parameters(*target);
        visitor.visit(node.body);
        const Frame inner{&symbols, frame.unit, false};
        for (auto& [target, value] : node.assignments) {
          resolve_expression(*value, frame);
          resolve_expression(*target, inner);
        }
        resolve_body(node.body, inner);
        node.scope = symbols.scope();
        break;
      }
      case SK::kFor: resolve_for(node, frame); break;
    }
  }

  void resolve_for(Statement& node, const Frame& frame) {
    reject_stored_loop(node);
    resolve_expression(*node.expression, frame);
    UnitState own{&node.unit, frame.unit, frame.unit->level + 1};
    UnitState& unit = node.recursive ? own : *frame.unit;

    Symbols symbols(frame.symbols, unit);
    node.uses_loop = node.recursive || UndeclaredFinder({"loop"}).find(node.body).contains("loop");
    if (node.uses_loop) node.loop_slot = symbols.declare_parameter("loop");
    SymbolVisitor visitor(symbols, meter_);
    visitor.parameters(*node.target);
    visitor.visit(node.body);
    const Frame inner{&symbols, &unit, false};

    if (node.test != nullptr) {
      Symbols test_symbols(frame.symbols, unit);
      SymbolVisitor test_visitor(test_symbols, meter_);
      test_visitor.parameters(*node.target);
      test_visitor.loads(*node.test);
      node.test_target = copy_target(*node.target);
      const Frame test_frame{&test_symbols, &unit, false};
      resolve_expression(*node.test_target, test_frame);
      resolve_expression(*node.test, test_frame);
      node.test_scope = test_symbols.scope();
    }
    resolve_expression(*node.target, inner);
    resolve_body(node.body, inner);
    node.scope = symbols.scope();
    node.otherwise_scope = resolve_inner(node.otherwise, {frame.symbols, &unit, false});
    if (node.recursive && node.unit.closures) frame.unit->unit->closures = true;
  }

  Expression* copy_target(const Expression& target) {
    auto copy = std::make_unique<Expression>();
    copy->kind = target.kind;
    copy->line = target.line;
    copy->name = target.name;
    for (const Expression* item : target.items) copy->items.push_back(copy_target(*item));
    tree_.expressions.push_back(std::move(copy));
    return tree_.expressions.back().get();
  }

  void resolve_macro(Macro& macro, const Frame& frame) {
    UnitState unit{&macro.unit, frame.unit, frame.unit->level + 1};
    Symbols symbols(frame.symbols, unit);
    SymbolVisitor visitor(symbols, meter_);
    for (Parameter& parameter : macro.parameters) parameter.index = symbols.declare_parameter(parameter.name);
    for (const Parameter& parameter : macro.parameters) {
      if (parameter.fallback != nullptr) visitor.loads(*parameter.fallback);
    }
    visitor.visit(macro.body);

    const auto is_parameter = [&](std::string_view name) {
      return std::any_of(macro.parameters.begin(), macro.parameters.end(),
                         [&](const Parameter& p) { return p.name == name; });
    };
    const auto special = UndeclaredFinder({"caller", "kwargs", "varargs"}).find(macro.body);
    macro.explicit_caller = is_parameter("caller");
    if (special.contains("caller")) {
      macro.takes_caller = true;
      if (!macro.explicit_caller) macro.caller = symbols.declare_parameter("caller");
    }
    if (special.contains("kwargs") && !is_parameter("kwargs")) {
      macro.takes_kwargs = true;
      macro.kwargs = symbols.declare_parameter("kwargs");
    }
    if (special.contains("varargs") && !is_parameter("varargs")) {
      macro.takes_varargs = true;
      macro.varargs = symbols.declare_parameter("varargs");
    }
    for (const Parameter& parameter : macro.parameters) {
      if (parameter.name != "caller" || !macro.takes_caller || parameter.fallback != nullptr) continue;
      meter_.at(macro.line);
      meter_.fail(ErrorCode::kCorrupt, "the special parameter 'caller' must be left out or have a default",
                  "mend the template, or give another with --chat-template");
    }
    const Frame inner{&symbols, &unit, false};
    for (const Parameter& parameter : macro.parameters) {
      if (parameter.fallback != nullptr) resolve_expression(*parameter.fallback, inner);
    }
    resolve_body(macro.body, inner);
    macro.scope = symbols.scope();
    frame.unit->unit->closures = true;
  }

  void resolve_expression(Expression& node, const Frame& frame) {
    meter_.step();
    if (node.kind == EK::kName || node.kind == EK::kMember) {
      node.slot = frame.symbols->slot(*frame.symbols->find(node.name));
    }
    if (node.kind == EK::kFilter || node.kind == EK::kTest) bind(node, frame.soft);
    const Frame inner = node.kind == EK::kConditional ? frame.softened() : frame;
    for_each_child(node, [&](Expression& child) { resolve_expression(child, inner); });
  }

  void bind(Expression& node, bool soft) {
    const bool filter = node.kind == EK::kFilter;
    node.builtin = filter ? find_filter(node.name) : find_test(node.name);
    if (node.builtin != nullptr || soft) return;
    meter_.at(node.line);
    if (filter) fail_unknown_filter(node.name, meter_);
    fail_unknown_test(node.name, meter_);
  }

  void reject_stored_loop(const Statement& node) {
    const auto reject = [&](const Expression* target, const auto& self) -> void {
      if (target == nullptr) return;
      if (target->kind == EK::kName && target->name == "loop") {
        meter_.at(target->line);
        meter_.fail(ErrorCode::kCorrupt, "can't assign to the special variable 'loop' inside of a for loop",
                    "mend the template, or give another with --chat-template");
      }
      for (const Expression* item : target->items) self(item, self);
    };
    const auto walk = [&](std::span<Statement* const> body, const auto& self) -> void {
      for (const Statement* s : body) {
        if (s->kind != SK::kMacro) reject(s->target, reject);
        for (const auto& branch : s->branches) self(branch.body, self);
        self(s->body, self);
        self(s->otherwise, self);
        if (s->macro != nullptr) self(s->macro->body, self);
      }
    };
    reject(node.target, reject);
    walk(node.body, walk);
    walk(node.otherwise, walk);
  }

  Tree& tree_;
  Meter& meter_;
};

}  // namespace

void resolve(Tree& tree, Meter& meter) { Resolver(tree, meter).run(); }

}  // namespace weft::jinja
