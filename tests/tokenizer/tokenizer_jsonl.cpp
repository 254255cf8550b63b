// Answers questions to a tokenizer, one JSON object a line, for tests in other languages.
//
//   tokenizer_jsonl tokenizer.json [OPTIONS] < questions > answers
//
//   {"encode": [["text", "tokens"], ["text", "text"]]}   parts and what control tokens in them mean -> [1, 2, 3];
//       a part's text may come as hexadecimal bytes behind it: ["", "text", "68656c6c6f"]
//   {"encode_bytes": "68656c6c6f", "specials": "text"}   one part as hexadecimal bytes             -> [1, 2, 3]
//   {"decode": [1, 2, 3], "specials": "text"}            -> "text"
//   {"stream": [1, 2, 3], "specials": "text"}            -> ["te", "", "xt", ""]; the last one is finish()'s
//   {"encoding": [[["text", "tokens"]], null], "options": {...}}
//       a text or a pair in parts, with "add_special_tokens", "truncation", "padding", "as_file_says"
//       -> every field of an Encoding
//   {"count": "text", "specials": "text"}                -> 3
//   {"rules": "text", "allowed": [...], "disallowed": [...] or "all"}     -> the ids of SpecialRules' parts
//   {"compile": "tokenizer.weft"}                        writes the compiled form there         -> its bytes
//   {"piece": 1}, {"find": "Ġhello"}, {"is_special": 1}, {"vocab_size": true}
//
// An Error becomes {"error": what, "code": code}.
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "weft/error.h"
#include "weft/tokenizer.h"

namespace {

using nlohmann::json;

weft::Specials specials_of(const json& name) {
  return name == "tokens" ? weft::Specials::kAsTokens : weft::Specials::kAsText;
}

std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

weft::Prompt parts_of(const json& list) {
  weft::Prompt parts;
  for (const auto& part : list) {
    parts.push_back({part.size() > 2 ? from_hex(part[2]) : part[0].get<std::string>(), specials_of(part[1])});
  }
  return parts;
}

weft::Side side_of(const json& options) {
  return options.value("direction", "right") == "left" ? weft::Side::kLeft : weft::Side::kRight;
}

weft::EncodeOptions options_of(const json& asked) {
  weft::EncodeOptions options{.fields = ~0u};
  options.add_special_tokens = asked.value("add_special_tokens", true);
  options.as_file_says = asked.value("as_file_says", false);
  if (asked.contains("fields")) options.fields = asked["fields"];
  if (asked.contains("truncation")) {
    const auto& from = asked["truncation"];
    auto& to = options.truncation.emplace();
    to.max_tokens = from["max_length"];
    to.stride = from.value("stride", 0);
    to.side = side_of(from);
    const std::string strategy = from.value("strategy", "longest_first");
    to.strategy = strategy == "only_first"    ? weft::Truncation::Strategy::kOnlyFirst
                  : strategy == "only_second" ? weft::Truncation::Strategy::kOnlySecond
                                              : weft::Truncation::Strategy::kLongestFirst;
  }
  if (asked.contains("padding")) {
    const auto& from = asked["padding"];
    auto& to = options.padding.emplace();
    to.length = from.value("length", 0);
    to.multiple_of = from.value("pad_to_multiple_of", 0);
    to.side = side_of(from);
    to.id = from.value("pad_id", 0);
    to.type_id = from.value("pad_type_id", 0);
  }
  return options;
}

json to_json(const weft::Encoding& encoding) {
  json offsets = json::array(), overflowing = json::array();
  for (const auto& span : encoding.offsets) offsets.push_back({span.begin, span.end});
  for (const auto& part : encoding.overflowing) overflowing.push_back(to_json(part));
  return {{"size", encoding.size},
          {"ids", encoding.ids},
          {"offsets", offsets},
          {"words", encoding.words},
          {"type_ids", encoding.type_ids},
          {"specials_mask", encoding.specials_mask},
          {"attention_mask", encoding.attention_mask},
          {"overflowing", overflowing}};
}

json answer(const weft::Tokenizer& tokenizer, const json& question) {
  if (question.contains("encoding")) {
    const json& texts = question["encoding"];
    const weft::Prompt first = parts_of(texts[0]);
    weft::Prompt second;
    weft::EncodeInput input{.text = first};
    if (!texts[1].is_null()) {
      second = parts_of(texts[1]);
      input.second = second;
    }
    return to_json(tokenizer.encode(input, options_of(question.value("options", json::object()))));
  }
  if (question.contains("count")) {
    return tokenizer.count(question["count"].get<std::string>(), specials_of(question["specials"]));
  }
  if (question.contains("rules")) {
    weft::SpecialRules::Names allowed, disallowed;
    for (auto [names, key] : {std::pair(&allowed, "allowed"), std::pair(&disallowed, "disallowed")}) {
      if (question[key] == "all") {
        names->all = true;
      } else {
        names->names = question[key].get<std::vector<std::string>>();
      }
    }
    return tokenizer.encode(
        weft::SpecialRules(tokenizer, allowed, disallowed).parts(question["rules"].get<std::string>()));
  }
  if (question.contains("encode")) {
    return tokenizer.encode(parts_of(question["encode"]));
  }
  if (question.contains("encode_bytes")) {
    return tokenizer.encode(from_hex(question["encode_bytes"]), specials_of(question["specials"]));
  }
  if (question.contains("decode")) {
    return tokenizer.decode(question["decode"].get<std::vector<weft::Token>>(), specials_of(question["specials"]));
  }
  if (question.contains("stream")) {
    weft::StreamDecoder decoder(tokenizer, specials_of(question["specials"]));
    json pieces = json::array();
    for (const auto& token : question["stream"]) pieces.push_back(decoder.push(token));
    pieces.push_back(decoder.finish());
    return pieces;
  }
  if (question.contains("compile")) {
    const std::string bytes = weft::compile_tokenizer(tokenizer);
    std::ofstream(question["compile"].get<std::string>(), std::ios::binary) << bytes;
    return bytes.size();
  }
  if (question.contains("piece")) return tokenizer.piece(question["piece"]);
  if (question.contains("find")) {
    const auto id = tokenizer.find(question["find"].get<std::string>());
    return id ? json(*id) : json();
  }
  if (question.contains("is_special")) return tokenizer.is_special(question["is_special"]);
  return tokenizer.vocab_size();
}

// {"encoding": "gpt2"}, or {"pattern": "...", "special_tokens": {"<|end|>": 7}}
weft::TokenizerOptions file_options(const json& options) {
  weft::TokenizerOptions result;
  result.encoding = options.value("encoding", "");
  result.pattern = options.value("pattern", "");
  if (options.contains("special_tokens")) {
    for (const auto& [content, id] : options["special_tokens"].items()) result.special_tokens.emplace_back(content, id);
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: tokenizer_jsonl FILE [OPTIONS] < questions > answers\n";
    return 2;
  }
  try {
    const auto tokenizer = weft::load_tokenizer(argv[1], file_options(argc > 2 ? json::parse(argv[2]) : json::object()));
    for (std::string line; std::getline(std::cin, line);) {
      json reply;
      try {
        reply = answer(*tokenizer, json::parse(line));
      } catch (const weft::Error& error) {
        reply = {{"error", error.what()}, {"code", weft::to_string(error.code())}};
      }
      std::cout << reply.dump() << '\n';
    }
  } catch (const weft::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
