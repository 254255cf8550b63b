#include "parser.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "lexer.h"

namespace weft::jinja {
namespace {

using Kind = Token::Kind;
using Names = std::span<const std::string_view>;

constexpr std::array<std::string_view, 12> kStatements = {
    "break", "call", "continue", "filter", "for", "generation", "if", "macro", "print", "raw", "set", "with"};
constexpr std::array<std::string_view, 6> kOtherFiles = {"block", "extends", "from", "import", "include", "autoescape"};

class Parser {
 public:
  Parser(std::string_view source, Meter& meter) : meter_(meter), tokens_(tokenize(source, meter)) {}

  Tree run() {
    tree_.body = parse_body({});
    return std::move(tree_);
  }

 private:
  // ------------------------------------------------------------ tokens

  [[nodiscard]] const Token& current() const { return tokens_[at_]; }
  [[nodiscard]] const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& take() {
    const Token& token = tokens_[at_];
    if (!token.is(Kind::kEnd)) ++at_;
    return token;
  }
  bool skip_name(std::string_view name) {
    if (!current().is_name(name)) return false;
    take();
    return true;
  }
  bool skip_operator(std::string_view op) {
    if (!current().is_operator(op)) return false;
    take();
    return true;
  }
  [[noreturn]] void fail(std::string message, std::uint32_t line) {
    meter_.at(line);
    meter_.fail(ErrorCode::kCorrupt, std::move(message), "mend the template, or give another with --chat-template");
  }
  [[noreturn]] void unexpected(std::string_view wanted) {
    fail("expected " + std::string(wanted) + ", but found " + current().describe(), current().line);
  }
  void expect_operator(std::string_view op) {
    if (!skip_operator(op)) unexpected("'" + std::string(op) + "'");
  }
  void expect(Kind kind, std::string_view wanted) {
    if (!current().is(kind)) unexpected(wanted);
    take();
  }
  std::string expect_name(std::string_view wanted) {
    if (!current().is(Kind::kName)) unexpected(wanted);
    return take().text;
  }

  // Counts what the parser, and all that walks the tree later, recurses through.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {}
    ~Nested() { parser_.depth_ -= levels_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    void deeper() {
      ++levels_;
      if (++parser_.depth_ <= parser_.meter_.limits().depth) return;
      parser_.meter_.at(parser_.current().line);
      parser_.meter_.too_deep("the template is nested");
    }

   private:
    Parser& parser_;
    std::size_t levels_ = 0;
  };

  Expression* make(Expression::Kind kind, std::uint32_t line, std::vector<Expression*> items = {}) {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->line = line;
    node->items = std::move(items);
    tree_.expressions.push_back(std::move(node));
    return tree_.expressions.back().get();
  }
  Expression* make_constant(Value value, std::uint32_t line) {
    Expression* node = make(Expression::Kind::kConst, line);
    node->constant = std::move(value);
    return node;
  }
  Statement* make(Statement::Kind kind, std::uint32_t line) {
    tree_.statements.push_back(std::make_unique<Statement>());
    tree_.statements.back()->kind = kind;
    tree_.statements.back()->line = line;
    return tree_.statements.back().get();
  }

  // ------------------------------------------------------------ statements

  // Until a tag with one of the names `ends`, which becomes current(); or until the end, if there are none.
  std::vector<Statement*> parse_body(Names ends) {
    std::vector<Statement*> body;
    const std::uint32_t start = current().line;
    while (!current().is(Kind::kEnd)) {
      const Token& token = take();
      if (token.is(Kind::kText)) {
        Statement* text = make(Statement::Kind::kText, token.line);
        text->text = Text(token.text, Author::kTemplate);
        body.push_back(text);
      } else if (token.is(Kind::kPrintBegin)) {
        Statement* print = make(Statement::Kind::kPrint, token.line);
        print->expression = parse_tuple();
        body.push_back(print);
        expect(Kind::kPrintEnd, "'}}'");
      } else {  // kBlockBegin
        if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return current().is_name(end); })) {
          return body;
        }
        parse_statement(body);
        expect(Kind::kBlockEnd, "'%}'");
      }
    }
    if (!ends.empty()) fail("the template ends before '" + std::string(ends.back()) + "'", start);
    return body;
  }

  // The body of a statement whose head was just read.
  template <std::size_t N>
  std::vector<Statement*> parse_block(const std::string_view (&ends)[N]) {
    skip_operator(":");
    expect(Kind::kBlockEnd, "'%}'");
    return parse_body(Names(ends));
  }
  // The same up to its end, which is read too.
  std::vector<Statement*> parse_whole_block(std::string_view end) {
    const std::string_view ends[] = {end};
    auto body = parse_block(ends);
    take();
    return body;
  }

  void parse_statement(std::vector<Statement*>& body) {
    Nested nested(*this);
    nested.deeper();
    if (!current().is(Kind::kName)) unexpected("the name of a statement");
    const std::string name = current().text;
    const std::uint32_t line = current().line;
    if (name == "print") return parse_print(body);
    Statement* (Parser::*const parse_kind)() = name == "for"          ? &Parser::parse_for
                                               : name == "if"         ? &Parser::parse_if
                                               : name == "set"        ? &Parser::parse_set
                                               : name == "macro"      ? &Parser::parse_macro
                                               : name == "call"       ? &Parser::parse_call_block
                                               : name == "generation" ? &Parser::parse_generation
                                               : name == "filter"     ? &Parser::parse_filter_block
                                               : name == "with"       ? &Parser::parse_with
                                               : name == "break"      ? &Parser::parse_break
                                               : name == "continue"   ? &Parser::parse_break
                                                                      : nullptr;
    if (parse_kind == nullptr) fail_unknown(name, line);
    body.push_back((this->*parse_kind)());
  }

  [[noreturn]] void fail_unknown(const std::string& name, std::uint32_t line) {
    if (name.starts_with("end") || name == "else" || name == "elif") {
      fail("'" + name + "' has no statement to belong to", line);
    }
    meter_.at(line);
    if (std::find(kOtherFiles.begin(), kOtherFiles.end(), name) != kOtherFiles.end()) {
      meter_.fail(ErrorCode::kUnsupported, "the statement '" + name + "' is not supported: a chat template is one file",
                  "put what it refers to into the template itself");
    }
    std::string known;
    for (const std::string_view statement : kStatements) known += (known.empty() ? "" : ", ") + std::string(statement);
    meter_.fail(ErrorCode::kUnsupported, "the statement '" + name + "' is not supported; these are: " + known,
                "give another template with --chat-template, or report the model");
  }

  void parse_print(std::vector<Statement*>& body) {
    const std::uint32_t line = take().line;
    for (bool first = true; !current().is(Kind::kBlockEnd); first = false) {
      if (!first) expect_operator(",");
      Statement* print = make(Statement::Kind::kPrint, line);
      print->expression = parse_expression();
      body.push_back(print);
    }
  }

  Statement* parse_for() {
    static constexpr std::string_view kEnds[] = {"else", "endfor"};
    Statement* loop = make(Statement::Kind::kFor, take().line);
    loop->target = parse_target(false, "in");
    if (!skip_name("in")) unexpected("'in'");
    loop->expression = parse_tuple(false, "recursive");
    if (skip_name("if")) loop->test = parse_expression();
    loop->recursive = skip_name("recursive");
    ++loops_;
    loop->body = parse_block(kEnds);
    --loops_;
    if (take().text == "else") loop->otherwise = parse_whole_block("endfor");
    return loop;
  }

  Statement* parse_if() {
    static constexpr std::string_view kEnds[] = {"elif", "else", "endif"};
    Statement* node = make(Statement::Kind::kIf, take().line);
    while (true) {
      Expression* condition = parse_tuple(false);
      node->branches.push_back({condition, parse_block(kEnds)});
      const std::string end = take().text;
      if (end == "elif") continue;
      if (end == "else") node->otherwise = parse_whole_block("endif");
      return node;
    }
  }

  Statement* parse_set() {
    const std::uint32_t line = take().line;
    Expression* target = parse_target(true);
    if (skip_operator("=")) {
      Statement* set = make(Statement::Kind::kSet, line);
      set->target = target;
      set->expression = parse_tuple();
      return set;
    }
    Statement* set = make(Statement::Kind::kSetBlock, line);
    set->target = target;
    set->expression = parse_filters(nullptr, false);
    set->body = parse_whole_block("endset");
    return set;
  }

  Statement* parse_macro() {
    Statement* node = make(Statement::Kind::kMacro, take().line);
    node->target = make(Expression::Kind::kName, current().line);
    node->target->name = expect_assignable_name();
    node->macro = std::make_unique<Macro>();
    node->macro->name = node->target->name;
    node->macro->line = node->line;
    parse_signature(*node->macro);
    parse_function_body(*node->macro, "endmacro");
    return node;
  }

  Statement* parse_call_block() {
    Statement* node = make(Statement::Kind::kCallBlock, take().line);
    node->macro = std::make_unique<Macro>();
    node->macro->line = node->line;
    if (current().is_operator("(")) parse_signature(*node->macro);
    node->expression = parse_expression();
    if (node->expression->kind != Expression::Kind::kCall) fail("expected a call behind 'call'", node->line);
    parse_function_body(*node->macro, "endcall");
    return node;
  }

  // Transformers marks by it what the assistant wrote; for the text it makes no difference.
  Statement* parse_generation() {
    Statement* node = make(Statement::Kind::kGeneration, take().line);
    node->macro = std::make_unique<Macro>();
    node->macro->line = node->line;
    parse_function_body(*node->macro, "endgeneration");
    return node;
  }

  // Loops outside of a function can't be left from inside of it.
  void parse_function_body(Macro& macro, std::string_view end) {
    const std::size_t outer_loops = std::exchange(loops_, 0);
    macro.body = parse_whole_block(end);
    loops_ = outer_loops;
  }

  void parse_signature(Macro& macro) {
    std::set<std::string> names;
    expect_operator("(");
    while (!current().is_operator(")")) {
      if (!macro.parameters.empty()) expect_operator(",");
      const std::uint32_t line = current().line;
      Parameter parameter;
      parameter.name = expect_assignable_name();
      if (!names.insert(parameter.name).second) fail("two parameters are called '" + parameter.name + "'", line);
      if (skip_operator("=")) {
        parameter.fallback = parse_expression();
      } else if (!macro.parameters.empty() && macro.parameters.back().fallback != nullptr) {
        fail("non-default argument follows default argument", line);
      }
      macro.parameters.push_back(std::move(parameter));
    }
    take();
  }

  Statement* parse_filter_block() {
    Statement* node = make(Statement::Kind::kFilterBlock, take().line);
    node->expression = parse_filters(nullptr, true);
    node->body = parse_whole_block("endfilter");
    return node;
  }

  Statement* parse_with() {
    Statement* node = make(Statement::Kind::kWith, take().line);
    while (!current().is(Kind::kBlockEnd)) {
      if (!node->assignments.empty()) expect_operator(",");
      Expression* target = parse_target(false);
      expect_operator("=");
      node->assignments.emplace_back(target, parse_expression());
    }
    node->body = parse_whole_block("endwith");
    return node;
  }

  Statement* parse_break() {
    const Token& token = take();
    if (loops_ == 0) fail("'" + token.text + "' outside of a for loop", token.line);
    return make(token.text == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue, token.line);
  }

  // ------------------------------------------------------------ assignment targets

  std::string expect_assignable_name() {
    const std::uint32_t line = current().line;
    std::string name = expect_name("a name");
    static constexpr std::array<std::string_view, 6> kConstants = {"true", "false", "none", "True", "False", "None"};
    if (std::find(kConstants.begin(), kConstants.end(), name) != kConstants.end()) fail("can't assign to '" + name + "'", line);
    return name;
  }

  Expression* parse_target(bool members, std::string_view end = {}) {
    const std::uint32_t line = current().line;
    Expression* target = parse_tuple_of([&] { return parse_target_part(members); }, end, false);
    if (target == nullptr) unexpected("a name to assign to");
    target->line = line;
    return target;
  }

  Expression* parse_target_part(bool members) {
    Nested nested(*this);
    nested.deeper();
    const std::uint32_t line = current().line;
    if (skip_operator("(")) {
      Expression* inner = parse_tuple_of([&] { return parse_target_part(false); }, {}, true);
      expect_operator(")");
      return inner;
    }
    std::string name = expect_assignable_name();
    const bool member = members && skip_operator(".");
    Expression* target = make(member ? Expression::Kind::kMember : Expression::Kind::kName, line);
    target->name = std::move(name);
    if (member) target->attribute = expect_name("the name of an attribute");
    return target;
  }

  // ------------------------------------------------------------ expressions

  // One `parse()`, or a tuple of several between commas. Null where there is none and `empty` isn't allowed.
  template <typename Parse>
  Expression* parse_tuple_of(Parse parse, std::string_view end, bool empty) {
    std::uint32_t line = current().line;
    std::vector<Expression*> items;
    bool tuple = false;
    while (true) {
      if (!items.empty()) expect_operator(",");
      if (current().is(Kind::kPrintEnd) || current().is(Kind::kBlockEnd) || current().is_operator(")")) break;
      if (!end.empty() && current().is_name(end)) break;
      items.push_back(parse());
      if (!current().is_operator(",")) break;
      tuple = true;
      line = current().line;
    }
    if (!tuple && !items.empty()) return items.front();
    if (!tuple && !empty) return nullptr;
    return make(Expression::Kind::kTuple, line, std::move(items));
  }

  Expression* parse_tuple(bool conditional = true, std::string_view end = {}, bool parenthesised = false) {
    Expression* tuple = parse_tuple_of([&] { return parse_expression(conditional); }, end, parenthesised);
    if (tuple == nullptr) unexpected("an expression");
    return tuple;
  }

  Expression* parse_expression(bool conditional = true) {
    Nested nested(*this);
    nested.deeper();
    Expression* value = parse_or();
    while (conditional && current().is_name("if")) {
      nested.deeper();
      const std::uint32_t line = take().line;
      Expression* condition = parse_or();
      Expression* otherwise = skip_name("else") ? parse_expression() : nullptr;
      value = make(Expression::Kind::kConditional, line, {condition, value, otherwise});
    }
    return value;
  }

  Expression* parse_or() { return parse_logic(Expression::Kind::kOr, "or", &Parser::parse_and); }
  Expression* parse_and() { return parse_logic(Expression::Kind::kAnd, "and", &Parser::parse_not); }

  Expression* parse_logic(Expression::Kind kind, std::string_view word, Expression* (Parser::*part)()) {
    const std::uint32_t line = current().line;
    Expression* first = (this->*part)();
    if (!current().is_name(word)) return first;
    Expression* node = make(kind, line, {first});
    while (skip_name(word)) node->items.push_back((this->*part)());
    return node;
  }

  Expression* parse_not() {
    if (!current().is_name("not")) return parse_compare();
    Nested nested(*this);
    nested.deeper();
    const std::uint32_t line = take().line;
    return make(Expression::Kind::kNot, line, {parse_not()});
  }

  std::optional<Op> take_comparison() {
    static constexpr std::pair<std::string_view, Op> kSigns[] = {{"==", Op::kEq}, {"!=", Op::kNe}, {"<", Op::kLt},
                                                                 {"<=", Op::kLe}, {">", Op::kGt},  {">=", Op::kGe}};
    for (const auto& [sign, op] : kSigns) {
      if (skip_operator(sign)) return op;
    }
    if (skip_name("in")) return Op::kIn;
    if (!current().is_name("not") || !look().is_name("in")) return std::nullopt;
    take();
    take();
    return Op::kNotIn;
  }

  Expression* parse_compare() {
    const std::uint32_t line = current().line;
    Expression* first = parse_sum();
    std::optional<Op> op = take_comparison();
    if (!op) return first;
    Expression* node = make(Expression::Kind::kCompare, line, {first});
    for (; op; op = take_comparison()) {
      node->ops.push_back(*op);
      node->items.push_back(parse_sum());
    }
    return node;
  }

  Expression* parse_arithmetic(std::span<const std::pair<std::string_view, Op>> signs, Expression* (Parser::*part)()) {
    const std::uint32_t line = current().line;
    Expression* first = (this->*part)();
    Expression* node = nullptr;
    while (true) {
      const auto sign = std::find_if(signs.begin(), signs.end(), [&](const auto& s) { return current().is_operator(s.first); });
      if (sign == signs.end()) return node == nullptr ? first : node;
      take();
      if (node == nullptr) node = make(Expression::Kind::kArithmetic, line, {first});
      node->ops.push_back(sign->second);
      node->items.push_back((this->*part)());
    }
  }

  Expression* parse_sum() {
    static constexpr std::pair<std::string_view, Op> kSigns[] = {{"+", Op::kAdd}, {"-", Op::kSub}};
    return parse_arithmetic(kSigns, &Parser::parse_concat);
  }

  Expression* parse_concat() {
    const std::uint32_t line = current().line;
    Expression* first = parse_product();
    if (!current().is_operator("~")) return first;
    Expression* node = make(Expression::Kind::kConcat, line, {first});
    while (skip_operator("~")) node->items.push_back(parse_product());
    return node;
  }

  Expression* parse_product() {
    static constexpr std::pair<std::string_view, Op> kSigns[] = {
        {"*", Op::kMul}, {"/", Op::kDiv}, {"//", Op::kFloorDiv}, {"%", Op::kMod}};
    return parse_arithmetic(kSigns, &Parser::parse_power);
  }

  Expression* parse_power() {  // from left to right, unlike Python's
    static constexpr std::pair<std::string_view, Op> kSigns[] = {{"**", Op::kPow}};
    return parse_arithmetic(kSigns, &Parser::parse_operand);
  }

  Expression* parse_operand() { return parse_unary(true); }

  Expression* parse_unary(bool filters) {
    const std::uint32_t line = current().line;
    const bool negative = current().is_operator("-");
    if (!negative && !current().is_operator("+")) return parse_postfix(parse_primary(), filters);
    Nested nested(*this);
    nested.deeper();
    take();
    Expression* node =
        make(negative ? Expression::Kind::kNegative : Expression::Kind::kPositive, line, {parse_unary(false)});
    return parse_postfix(node, filters);
  }

  // What follows a value: .name, [item], (call), and where `filters` |name and `is name`.
  Expression* parse_postfix(Expression* node, bool filters) {
    Nested nested(*this);
    bool filtered = false;  // behind a filter or a test there may be calls, but no . and []
    while (true) {
      if (!filtered && current().is_operator(".")) {
        node = parse_attribute(node);
      } else if (!filtered && current().is_operator("[")) {
        node = parse_subscript(node);
      } else if (current().is_operator("(")) {
        const std::uint32_t line = current().line;
        node = make(Expression::Kind::kCall, line, {node});
        node->arguments = parse_arguments();
      } else if (filters && current().is_operator("|")) {
        node = parse_filters(node, false);
        filtered = true;
      } else if (filters && current().is_name("is")) {
        node = parse_test(node);
        filtered = true;
      } else {
        return node;
      }
      nested.deeper();
    }
  }

  Expression* parse_attribute(Expression* owner) {
    const std::uint32_t line = take().line;
    if (current().is(Kind::kInteger)) {
      Expression* index = make_constant(Value::integer(current().integer), line);
      take();
      return make(Expression::Kind::kItem, line, {owner, index});
    }
    Expression* node = make(Expression::Kind::kAttribute, line, {owner});
    node->name = expect_name("a name or a number");
    return node;
  }

  Expression* parse_subscript(Expression* owner) {
    const std::uint32_t line = take().line;
    std::vector<Expression*> parts;
    bool sliced = false;
    if (!current().is_operator("]")) {
      if (current().is_operator(":")) {
        parts.push_back(nullptr);
      } else {
        parts.push_back(parse_expression());
      }
      while (parts.size() < 3 && skip_operator(":")) {
        sliced = true;
        const bool absent = current().is_operator(":") || current().is_operator("]") || current().is_operator(",");
        parts.push_back(absent ? nullptr : parse_expression());
      }
    }
    if (sliced) {
      if (current().is_operator(",")) fail("a slice in a tuple can't be an index here", line);
      parts.resize(3, nullptr);
      parts.insert(parts.begin(), owner);
      expect_operator("]");
      return make(Expression::Kind::kSlice, line, std::move(parts));
    }
    Expression* index = parts.empty() ? make(Expression::Kind::kTuple, line) : parts.front();
    if (current().is_operator(",")) {
      while (skip_operator(",")) parts.push_back(parse_expression());
      index = make(Expression::Kind::kTuple, line, std::move(parts));
    }
    expect_operator("]");
    return make(Expression::Kind::kItem, line, {owner, index});
  }

  Arguments parse_arguments() {
    Arguments arguments;
    std::set<std::string> names;
    const std::uint32_t line = current().line;
    const auto ensure = [&](bool valid) {
      if (!valid) fail("invalid syntax for function call expression", line);
    };
    expect_operator("(");
    for (bool first = true; !current().is_operator(")"); first = false) {
      if (!first) {
        expect_operator(",");
        if (current().is_operator(")")) break;
      }
      if (skip_operator("*")) {
        ensure(arguments.star == nullptr && arguments.star_star == nullptr);
        arguments.star = parse_expression();
      } else if (skip_operator("**")) {
        ensure(arguments.star_star == nullptr);
        arguments.star_star = parse_expression();
      } else if (current().is(Kind::kName) && look().is_operator("=")) {
        ensure(arguments.star_star == nullptr);
        std::string name = take().text;
        take();
        if (!names.insert(name).second) fail("the argument '" + name + "' is given twice", line);
        arguments.named.emplace_back(std::move(name), parse_expression());
      } else {
        ensure(arguments.star == nullptr && arguments.star_star == nullptr && arguments.named.empty());
        arguments.positional.push_back(parse_expression());
      }
    }
    take();
    return arguments;
  }

  std::string parse_dotted_name(std::string_view wanted) {
    std::string name = expect_name(wanted);
    while (skip_operator(".")) name.append(".").append(expect_name(wanted));
    return name;
  }

  // |name(arguments)|name..., the first without its bar if `inline_start`. Returns `node` if there is none.
  Expression* parse_filters(Expression* node, bool inline_start) {
    Nested nested(*this);
    while (inline_start || skip_operator("|")) {
      inline_start = false;
      Expression* filter = make(Expression::Kind::kFilter, current().line, {node});
      filter->name = parse_dotted_name("the name of a filter");
      if (current().is_operator("(")) filter->arguments = parse_arguments();
      node = filter;
      nested.deeper();
    }
    return node;
  }

  Expression* parse_test(Expression* node) {
    const std::uint32_t line = take().line;
    const bool negated = skip_name("not");
    Expression* test = make(Expression::Kind::kTest, line, {node});
    test->name = parse_dotted_name("the name of a test");
    const bool operand = current().is(Kind::kName) || current().is(Kind::kString) || current().is(Kind::kInteger) ||
                         current().is(Kind::kFloat) || current().is_operator("[") || current().is_operator("{");
    const bool word = current().is_name("else") || current().is_name("or") || current().is_name("and");
    if (current().is_operator("(")) {
      test->arguments = parse_arguments();
    } else if (operand && !word) {
      if (current().is_name("is")) fail("tests can't be chained with 'is'", line);
      test->arguments.positional.push_back(parse_postfix(parse_primary(), false));
    }
    return negated ? make(Expression::Kind::kNot, line, {test}) : test;
  }

  Expression* parse_primary() {
    const std::uint32_t line = current().line;
    if (current().is_operator("(")) {
      take();
      Expression* inner = parse_tuple(true, {}, true);
      expect_operator(")");
      return inner;
    }
    if (current().is_operator("[")) return parse_list();
    if (current().is_operator("{")) return parse_dict();
    if (current().is(Kind::kString)) {
      std::string text;
      while (current().is(Kind::kString)) text += take().text;  // neighbours are one
      return make_constant(Value::string(std::move(text), Author::kTemplate), line);
    }
    if (current().is(Kind::kInteger)) return make_constant(Value::integer(take().integer), line);
    if (current().is(Kind::kFloat)) return make_constant(Value::real(take().real), line);
    if (!current().is(Kind::kName)) unexpected("an expression");
    const std::string name = take().text;
    if (name == "true" || name == "True") return make_constant(Value::boolean(true), line);
    if (name == "false" || name == "False") return make_constant(Value::boolean(false), line);
    if (name == "none" || name == "None") return make_constant(Value::none(), line);
    Expression* node = make(Expression::Kind::kName, line);
    node->name = name;
    return node;
  }

  Expression* parse_list() {
    const std::uint32_t line = take().line;
    std::vector<Expression*> items;
    while (!current().is_operator("]")) {
      if (!items.empty()) expect_operator(",");
      if (current().is_operator("]")) break;
      items.push_back(parse_expression());
    }
    take();
    return make(Expression::Kind::kList, line, std::move(items));
  }

  Expression* parse_dict() {
    const std::uint32_t line = take().line;
    std::vector<Expression*> items;
    while (!current().is_operator("}")) {
      if (!items.empty()) expect_operator(",");
      if (current().is_operator("}")) break;
      items.push_back(parse_expression());
      expect_operator(":");
      items.push_back(parse_expression());
    }
    take();
    return make(Expression::Kind::kDict, line, std::move(items));
  }

  Meter& meter_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Tree tree_;
  std::size_t depth_ = 0;
  std::size_t loops_ = 0;  // for statements around, within this function
};

}  // namespace

Tree parse(std::string_view source, Meter& meter) { return Parser(source, meter).run(); }

}  // namespace weft::jinja
