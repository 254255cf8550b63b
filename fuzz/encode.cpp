// Any bytes as a text, for one tokenizer of each kind.
#include <memory>
#include <vector>

#include "fuzz/check_tokenizer.h"
#include "src/tokenizer/byte_level.h"
#include "src/tokenizer/utf8.h"

namespace {

using namespace weft;

std::string quote(std::string_view text) {
  std::string json(1, '"');
  for (const char c : text) {
    if (c == '"' || c == '\\') json.push_back('\\');
    json.push_back(c);
  }
  json.push_back('"');
  return json;
}

// The bytes, and some merges of them.
std::string byte_level(std::string_view pattern) {
  std::string vocabulary, merges;
  int next = 0;
  const auto add = [&](std::string_view piece) {
    if (next != 0) vocabulary.push_back(',');
    vocabulary.append(quote(piece)).append(":").append(std::to_string(next++));
  };
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    add(tokenizer::to_byte_level({&c, 1}));
  }
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{
           {"a", "b"}, {"b", "a"}, {"ab", "ab"}, {" ", " "}, {"  ", "  "}, {"1", "2"}, {"\n", "\n"}, {"\xc3", "\xa9"}, {" ", "ab"}}) {
    const std::string l = tokenizer::to_byte_level(left), r = tokenizer::to_byte_level(right);
    add(l + r);
    if (!merges.empty()) merges.push_back(',');
    merges.append("[").append(quote(l)).append(",").append(quote(r)).append("]");
  }
  return R"({"added_tokens":[{"id":265,"content":"<s>","single_word":false,"lstrip":false,"rstrip":true,"normalized":false,"special":true},)"
         R"({"id":266,"content":"  <t>","single_word":true,"lstrip":false,"rstrip":false,"normalized":true,"special":false}],)"
         R"("normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)" +
         quote(pattern) +
         R"(},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},)"
         R"("post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},)"
         R"("model":{"type":"BPE","vocab":{)" + vocabulary + R"(},"merges":[)" + merges + "]}}";
}

std::string normalized(std::string_view normalizer, std::string_view model) {
  return R"({"added_tokens":[],"normalizer":)" + std::string(normalizer) +
         R"(,"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":null,"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"model":)" +
         std::string(model) + "}";
}

struct Case {
  std::unique_ptr<const Tokenizer> tokenizer;
  bool keeps_text;  // decode() gives the text back
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> list;
    const auto add = [&](const std::string& json, bool keeps_text) { list.push_back({parse_tokenizer(json, "fuzz"), keeps_text}); };
    add(byte_level(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"), true);
    add(byte_level(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"), true);
    add(byte_level(R"(\s+(?=\S)|[\p{Lu}&&[^A-C]]+|\w{2,5}?)"), true);
    const std::string word_piece =
        R"({"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":20,"vocab":{"[UNK]":0,"a":1,"##b":2,"ab":3,"##":4,"1":5,"##2":6,"e":7,".":8}})";
    add(normalized(R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})", word_piece), false);
    for (const char* form : {"NFC", "NFD", "NFKC", "NFKD", "Nmt", "StripAccents", "Lowercase"}) {
      add(normalized(R"({"type":")" + std::string(form) + "\"}", word_piece), false);
    }
    add(normalized(R"({"type":"NFKC"})",
                   R"({"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0.0],["a",-1.5],["ab",-2.0],["b",-2.5],["e",-3.0],["1",-1.0]]})"),
        false);
    return list;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text = fuzz::view(data, size);
  for (const Case& one : cases()) {
    for (const Specials specials : {Specials::kAsText, Specials::kAsTokens}) fuzz::check_text(*one.tokenizer, text, specials);
    if (!one.keeps_text) continue;
    const std::string decoded = one.tokenizer->decode(one.tokenizer->encode(text, Specials::kAsText), Specials::kAsText);
    fuzz::check(decoded == tokenizer::repair_utf8(text), "bytes come back as they were");
  }
  return 0;
}
