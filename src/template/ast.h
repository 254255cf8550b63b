// A parsed template. Variables are resolved to slots, as Jinja2's compiler does with Python's locals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "value.h"

namespace weft::jinja {

struct Builtin;
struct Expression;

/// Where a variable lives: in the activation `hops` levels out of the running one.
struct Slot {
  std::uint32_t hops = 0;
  std::uint32_t index = 0;
};

struct Arguments {
  std::vector<Expression*> positional;
  std::vector<std::pair<std::string, Expression*>> named;
  Expression* star = nullptr;       // f(*items)
  Expression* star_star = nullptr;  // f(**entries)
};

enum class Op : std::uint8_t {
  kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow,
  kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn,
};  // clang-format keeps the groups: arithmetic, comparison

struct Expression {
  enum class Kind : std::uint8_t {
    kConst,       // constant
    kName,        // name, slot; also as target of an assignment
    kMember,      // name.attribute as target: only namespaces take one
    kTuple,       // items
    kList,        // items
    kDict,        // items: key, value, key, value, ...
    kAttribute,   // items[0].name
    kItem,        // items[0][items[1]]
    kSlice,       // items[0][items[1]:items[2]:items[3]], each of the last three maybe null
    kCall,        // items[0](arguments)
    kFilter,      // items[0]|name(arguments); items[0] is null in a filter block: what the block wrote
    kTest,        // items[0] is name(arguments)
    kNot,         // items[0]
    kNegative,    // items[0]
    kPositive,    // items[0]
    kArithmetic,  // items[0] ops[0] items[1] ops[1] ..., from left to right
    kCompare,     // likewise, as Python chains comparisons
    kAnd,         // items
    kOr,          // items
    kConcat,      // items, joined by ~
    kConditional, // items[1] if items[0] else items[2], which may be null
  };
  Kind kind = Kind::kConst;
  std::uint32_t line = 1;
  Slot slot;
  Value constant;
  std::string name;
  std::string attribute;
  std::vector<Expression*> items;
  std::vector<Op> ops;
  Arguments arguments;
  const Builtin* builtin = nullptr;  // the filter or test; null if it is unknown, which fails when it is run
};

/// What a variable of a scope holds as the scope is entered.
struct Entry {
  enum class From : std::uint8_t { kNothing, kContext, kOuter } from = From::kNothing;
  std::uint32_t index = 0;  // of the slot, in the running activation
  std::string name;         // kContext: looked up among what render() was given
  Slot outer;               // kOuter: copied from
};
using Scope = std::vector<Entry>;

struct Statement;

/// What runs with variables of its own: the template, a macro, a call block, a recursive loop.
struct Unit {
  std::uint32_t slots = 0;
  bool closures = false;  // whether macros are defined in it, which may outlive its run
};

struct Parameter {
  std::string name;
  std::uint32_t index = 0;
  Expression* fallback = nullptr;  // its default; null: none
};

struct Macro {
  std::string name;  // empty: the body of a call block
  std::uint32_t line = 1;
  Unit unit;
  Scope scope;
  std::vector<Parameter> parameters;
  bool explicit_caller = false;  // one of the parameters is called `caller`
  bool takes_caller = false, takes_kwargs = false, takes_varargs = false;
  std::uint32_t caller = 0, kwargs = 0, varargs = 0;  // slots, where taken
  std::vector<Statement*> body;
};

struct Statement {
  enum class Kind : std::uint8_t {
    kText,         // text
    kPrint,        // expression
    kFor,          // for target in expression [if test] body else otherwise
    kIf,           // branches; otherwise
    kSet,          // target = expression
    kSetBlock,     // target = body, through expression (a chain of filters) unless that is null
    kMacro,        // target = macro
    kCallBlock,    // expression (a call), with macro as its caller
    kGeneration,   // macro, run in its place
    kFilterBlock,  // body through expression
    kWith,         // targets = values, then body
    kBreak,
    kContinue,
  };
  struct Branch {
    Expression* condition;
    std::vector<Statement*> body;
  };
  Kind kind = Kind::kText;
  std::uint32_t line = 1;
  Text text;
  Expression* target = nullptr;
  Expression* expression = nullptr;
  std::vector<Statement*> body;
  std::vector<Statement*> otherwise;
  std::vector<Branch> branches;
  std::vector<std::pair<Expression*, Expression*>> assignments;
  std::unique_ptr<Macro> macro;

  Scope scope;  // of the body

  // for
  Expression* test = nullptr;
  Expression* test_target = nullptr;  // the target once more, with the slots that `test` sees
  Scope test_scope, otherwise_scope;
  bool uses_loop = false;
  std::uint32_t loop_slot = 0;
  bool recursive = false;
  Unit unit;  // recursive
};

/// Owns all nodes flatly, so that freeing a deep tree doesn't recurse.
struct Tree {
  std::vector<std::unique_ptr<Expression>> expressions;
  std::vector<std::unique_ptr<Statement>> statements;
  std::vector<Statement*> body;
  Scope scope;
  Unit unit;
};

}  // namespace weft::jinja
