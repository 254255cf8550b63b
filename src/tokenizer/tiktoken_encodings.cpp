#include "tiktoken_encodings.h"

#include <array>
#include <cstdio>

namespace weft::tokenizer {
namespace {

// tiktoken 0.14, tiktoken_ext/openai_public.py; Llama 3: llama-models, models/llama3/tokenizer.py; Qwen:
// tokenization_qwen.py of Qwen-7B; Whisper: whisper/tokenizer.py.
constexpr std::string_view kR50k =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)";
constexpr std::string_view kCl100k =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)";
constexpr std::string_view kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr std::string_view kEndOfText = "<|endoftext|>";
constexpr std::string_view kWhisperLanguages =
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy "
    "sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo "
    "uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su";

class Control {
 public:
  void add(std::string_view content, Token id) { tokens_.push_back(control_token(id, content)); }
  /// Numbers a token behind the last one.
  void add(std::string_view content) { add(content, next_++); }
  void start_at(Token id) { next_ = id; }
  void add_numbered(std::string_view prefix, int first, int end) {
    for (int i = first; i < end; ++i) add(std::string(prefix) + std::to_string(i) + "|>");
  }
  std::vector<AddedToken> take() { return std::move(tokens_); }

 private:
  std::vector<AddedToken> tokens_;
  Token next_ = 0;
};

std::vector<AddedToken> llama3_control(Token next_id) {
  Control control;
  control.start_at(next_id);
  for (const char* content :
       {"<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
        "<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
        "<|eot_id|>", "<|python_tag|>", "<|image|>"}) {
    control.add(content);
  }
  control.add_numbered("<|reserved_special_token_", 2, 2 + 256 - 12);
  return control.take();
}

std::vector<AddedToken> qwen_control(Token next_id) {
  Control control;
  control.start_at(next_id);
  for (const std::string_view content : {kEndOfText, std::string_view("<|im_start|>"), std::string_view("<|im_end|>")}) {
    control.add(content);
  }
  control.add_numbered("<|extra_", 0, 205);
  return control.take();
}

std::vector<AddedToken> whisper_control(Token next_id, bool cantonese) {
  Control control;
  control.start_at(next_id);
  control.add(kEndOfText);
  control.add("<|startoftranscript|>");
  for (std::size_t pos = 0; pos < kWhisperLanguages.size();) {
    const std::size_t end = std::min(kWhisperLanguages.find(' ', pos), kWhisperLanguages.size());
    control.add("<|" + std::string(kWhisperLanguages.substr(pos, end - pos)) + "|>");
    pos = end + 1;
  }
  if (cantonese) control.add("<|yue|>");
  for (const char* content : {"<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>",
                              "<|notimestamps|>"}) {
    control.add(content);
  }
  for (int i = 0; i <= 1500; ++i) {
    char content[16];
    std::snprintf(content, sizeof content, "<|%d.%02d|>", i / 50, i % 50 * 2);
    control.add(content);
  }
  return control.take();
}

std::vector<AddedToken> o200k_control(bool harmony) {
  Control control;
  if (!harmony) {
    control.add(kEndOfText, 199999);
    control.add("<|endofprompt|>", 200018);
    return control.take();
  }
  control.start_at(199998);
  for (const char* content :
       {"<|startoftext|>", "<|endoftext|>", "<|reserved_200000|>", "<|reserved_200001|>", "<|return|>", "<|constrain|>",
        "<|reserved_200004|>", "<|channel|>", "<|start|>", "<|end|>", "<|message|>", "<|reserved_200009|>",
        "<|reserved_200010|>", "<|reserved_200011|>", "<|call|>"}) {
    control.add(content);
  }
  control.add_numbered("<|reserved_", 200013, 201088);
  control.add("<|endofprompt|>", 200018);  // besides <|reserved_200018|>
  return control.take();
}

std::vector<AddedToken> listed(std::initializer_list<std::pair<std::string_view, Token>> tokens) {
  Control control;
  for (const auto& [content, id] : tokens) control.add(content, id);
  return control.take();
}

struct Known {
  std::string_view name;
  std::string_view pattern;
  std::vector<AddedToken> (*control)(Token next_id);
  bool composes = false;
};

const std::array<Known, 12> kKnown = {{
    {"cl100k_base", kCl100k,
     [](Token) {
       return listed({{kEndOfText, 100257},
                      {"<|fim_prefix|>", 100258},
                      {"<|fim_middle|>", 100259},
                      {"<|fim_suffix|>", 100260},
                      {"<|endofprompt|>", 100276}});
     }},
    {"gpt2", kR50k, [](Token) { return listed({{kEndOfText, 50256}}); }},
    {"llama3", kLlama3, llama3_control},
    {"o200k_base", kO200k, [](Token) { return o200k_control(false); }},
    {"o200k_harmony", kO200k, [](Token) { return o200k_control(true); }},
    {"p50k_base", kR50k, [](Token) { return listed({{kEndOfText, 50256}}); }},
    {"p50k_edit", kR50k,
     [](Token) {
       return listed({{kEndOfText, 50256},
                      {"<|fim_prefix|>", 50281},
                      {"<|fim_middle|>", 50282},
                      {"<|fim_suffix|>", 50283}});
     }},
    {"qwen", kQwen, qwen_control, /*composes=*/true},
    {"r50k_base", kR50k, [](Token) { return listed({{kEndOfText, 50256}}); }},
    {"whisper_en", kGpt2, [](Token next_id) { return whisper_control(next_id, false); }},
    {"whisper_multilingual", kGpt2, [](Token next_id) { return whisper_control(next_id, false); }},
    {"whisper_multilingual_v3", kGpt2, [](Token next_id) { return whisper_control(next_id, true); }},
}};

}  // namespace

std::optional<TiktokenEncoding> find_encoding(std::string_view name, Token next_id) {
  for (const Known& known : kKnown) {
    if (known.name == name) return TiktokenEncoding{known.pattern, known.control(next_id), known.composes};
  }
  return std::nullopt;
}

std::optional<std::string_view> encoding_of_file(std::string_view path, Token next_id) {
  const std::string_view file = path.substr(path.find_last_of("/\\") + 1);
  if (file == "qwen.tiktoken") return "qwen";
  if (file == "multilingual.tiktoken") return "whisper_multilingual";
  if (file == "gpt2.tiktoken") return "whisper_en";  // OpenAI publishes GPT-2's own vocabulary in another form
  if (file == "tokenizer.model" && next_id == 128000) return "llama3";
  for (const Known& known : kKnown) {
    if (file == std::string(known.name) + ".tiktoken") return known.name;
  }
  return std::nullopt;
}

std::string encoding_names() {
  std::string names;
  for (const Known& known : kKnown) names += (names.empty() ? "" : ", ") + std::string(known.name);
  return names;
}

}  // namespace weft::tokenizer
