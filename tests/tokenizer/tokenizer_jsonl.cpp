// Answers questions to a tokenizer, one JSON object a line, for tests in other languages.
//
//   tokenizer_jsonl tokenizer.json < questions > answers
//
//   {"encode": [["text", "tokens"], ["text", "text"]]}   parts and what control tokens in them mean -> [1, 2, 3]
//   {"encode_bytes": "68656c6c6f", "specials": "text"}   one part as hexadecimal bytes             -> [1, 2, 3]
//   {"decode": [1, 2, 3], "specials": "text"}            -> "text"
//   {"stream": [1, 2, 3], "specials": "text"}            -> ["te", "", "xt", ""]; the last one is finish()'s
//   {"piece": 1}, {"find": "Ġhello"}, {"is_special": 1}, {"vocab_size": true}
//
// An Error becomes {"error": what, "code": code}.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
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

json answer(const weft::Tokenizer& tokenizer, const json& question) {
  if (question.contains("encode")) {
    weft::Prompt parts;
    for (const auto& part : question["encode"]) parts.push_back({part[0], specials_of(part[1])});
    return tokenizer.encode(parts);
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
  if (question.contains("piece")) return tokenizer.piece(question["piece"]);
  if (question.contains("find")) {
    const auto id = tokenizer.find(question["find"].get<std::string>());
    return id ? json(*id) : json();
  }
  if (question.contains("is_special")) return tokenizer.is_special(question["is_special"]);
  return tokenizer.vocab_size();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tokenizer_jsonl FILE < questions > answers\n";
    return 2;
  }
  try {
    const auto tokenizer = weft::load_tokenizer(argv[1]);
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
