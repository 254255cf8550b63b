#include "gguf_pre_tokenizers.h"

#include <algorithm>
#include <array>

namespace weft::tokenizer {
namespace {

// llama.cpp of llama-cpp-python 0.3.36, src/llama-vocab.cpp. Its engine leaves what no pattern matches as words of their
// own, and its patterns differ in places from those of the models' makers: what counts here is what llama.cpp does. Where
// it has Unicode categories, its engine takes letters of every case for the same (Youtu, tiny_aya), and where it splits by
// hand (unicode.cpp), that isn't the pattern that it says it stands for (afmoe, kimi-k2, tiny_aya).
constexpr std::string_view kLlama3 =
    R"re((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kJais2 =
    R"re((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})re";
constexpr std::string_view kNewline =
    R"re([\r\n])re";
constexpr std::string_view kDeepseekLlm2 =
    R"re(\s?[A-Za-z)re" "\u00b5\u00c0" R"re(-)re" "\u00d6\u00d8" R"re(-)re" "\u00f6\u00f8" R"re(-)re" "\u01ba\u01bc"
    R"re(-)re" "\u01bf\u01c4" R"re(-)re" "\u0293\u0295" R"re(-)re" "\u02af\u0370" R"re(-)re" "\u0373\u0376\u0377\u037b"
    R"re(-)re" "\u037d\u037f\u0386\u0388" R"re(-)re" "\u038a\u038c\u038e" R"re(-)re" "\u03a1\u03a3" R"re(-)re" "\u03f5\u03f7"
    R"re(-)re" "\u0481\u048a" R"re(-)re" "\u052f\u0531" R"re(-)re" "\u0556\u10a0" R"re(-)re" "\u10c5\u13a0"
    R"re(-)re" "\u13f5\u13f8" R"re(-)re" "\u13fd\u1c90" R"re(-)re" "\u1cba\u1cbd" R"re(-)re" "\u1cbf\u1d00"
    R"re(-)re" "\u1d2b\u1d6b" R"re(-)re" "\u1d77\u1d79" R"re(-)re" "\u1d9a\u1e00" R"re(-)re" "\u1f15\u1f18"
    R"re(-)re" "\u1f1d\u1f20" R"re(-)re" "\u1f45\u1f48" R"re(-)re" "\u1f4d\u1f50" R"re(-)re" "\u1f57\u1f59\u1f5b\u1f5d\u1f5f"
    R"re(-)re" "\u1f7d\u1f80" R"re(-)re" "\u1fb4\u1fb6" R"re(-)re" "\u1fbc\u1fbe\u1fc2" R"re(-)re" "\u1fc4\u1fc6"
    R"re(-)re" "\u1fcc\u1fd0" R"re(-)re" "\u1fd3\u1fd6" R"re(-)re" "\u1fdb\u1fe0" R"re(-)re" "\u1fec\u1ff2"
    R"re(-)re" "\u1ff4\u1ff6" R"re(-)re" "\u1ffc\u2102\u2107\u210a" R"re(-)re" "\u2113\u2115\u2119" R"re(-)re" "\u211d\u2124\u2126\u2128\u212a"
    R"re(-)re" "\u212d\u212f" R"re(-)re" "\u2134\u2139\u213c" R"re(-)re" "\u213f\u2145" R"re(-)re" "\u2149\u214e\u2183\u2184\u2c00"
    R"re(-)re" "\u2c7b\u2c7e" R"re(-)re" "\u2ce4\u2ceb" R"re(-)re" "\u2cee\u2cf2\u2cf3\ua640" R"re(-)re" "\ua66d\ua680"
    R"re(-)re" "\ua69b\ua722" R"re(-)re" "\ua76f\ua771" R"re(-)re" "\ua787\ua78b" R"re(-)re" "\ua78e\uab70"
    R"re(-)re" "\uabbf\ufb00" R"re(-)re" "\ufb06\ufb13" R"re(-)re" "\ufb17\uff21" R"re(-)re" "\uff3a\uff41"
    R"re(-)re" "\uff5a\U00010400" R"re(-)re" "\U0001044f\U000104b0" R"re(-)re" "\U000104d3\U000104d8" R"re(-)re" "\U000104fb\U00010c80"
    R"re(-)re" "\U00010cb2\U00010cc0" R"re(-)re" "\U00010cf2\U000118a0" R"re(-)re" "\U000118df\U0001e900" R"re(-)re" "\U0001e943"
    R"re(]+)re";
// No blank beyond ASCII is in a range of its classes: its engine sees a vertical tab instead.
constexpr std::string_view kDeepseekLlm3 =
    R"re(\s?[!-/:-~)re" "\uff01" R"re(-)re" "\uff0f\uff1a" R"re(-)re" "\uff5e\u2018" R"re(-)re" "\u201f\u3000"
    R"re(-)re" "\u3002" R"re(&&[^\s]]+)re";
constexpr std::string_view kDeepseekLlm4 =
    R"re(\s+$)re";
constexpr std::string_view kDeepseekLlm5 =
    R"re([)re" "\u4e00" R"re(-)re" "\u9fa5\u0800" R"re(-)re" "\u4e00\uac00" R"re(-)re" "\ud7ff"
    R"re(&&[^\s]]+)re";
constexpr std::string_view kNumber =
    R"re(\p{N}+)re";
constexpr std::string_view kThreeDigits =
    R"re(\p{N}{1,3})re";
constexpr std::string_view kDeepseekV32 =
    R"re([)re" "\u4e00" R"re(-)re" "\u9fa5\u3040" R"re(-)re" "\u309f\u30a0" R"re(-)re" "\u30ff"
    R"re(]+)re";
constexpr std::string_view kDeepseekV33 =
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kSpark253 =
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)re";
constexpr std::string_view kDigit =
    R"re(\p{N})re";
constexpr std::string_view kYoutu1 =
    R"re([)re" "\uac00" R"re(-)re" "\ud7a3\u3131" R"re(-)re" "\u318e" R"re(]+|[)re" "\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001"
    R"re(-)re" "\u303f\ufe30" R"re(-)re" "\ufe4f" R"re(]+|[)re" "\u3105" R"re(-)re" "\u312f"
    R"re(]+|[)re" "\u4e00" R"re(-)re" "\u9fa5\u3040" R"re(-)re" "\u309f\u30a0" R"re(-)re" "\u30ff"
    R"re(]+)re";
constexpr std::string_view kYoutu2 =
    R"re([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kTinyAya =
    R"re([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kAfmoeAsian =
    R"re([)re" "\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf"
    "\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff"
    R"re(]+)re";
#define WEFT_HAN "\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f" \
                 "\U0002b820-\U0002ceaf\U0002ceb0-\U0002ebef\uf900-\ufaff\U0002f800-\U0002fa1f"
constexpr std::string_view kKimiK2 =
    "[" WEFT_HAN R"re(]+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^)re" WEFT_HAN
    R"re(]]+(?:'[sStTmMdD]|'[rR][eE]|'[vV][eE]|'[lL][lL])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
#undef WEFT_HAN
constexpr std::string_view kNotBlanks =
    R"re(\S+)re";
constexpr std::string_view kDeepseekCoder2 =
    R"re(\s?\p{L}+)re";
constexpr std::string_view kDeepseekCoder3 =
    R"re(\s?\p{P}+)re";
constexpr std::string_view kFalcon1 =
    R"re([\p{P}\$\+<=>\^~\|`]+)re";
constexpr std::string_view kGpt2 =
    R"re('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kThreeAsciiDigits =
    R"re([0-9][0-9][0-9])re";
constexpr std::string_view kQwen2 =
    R"re((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kQwen35 =
    R"re((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kPoroChat =
    R"re( ?[^(\s|.,!?)re" "\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c" R"re()]+)re";
constexpr std::string_view kTekken =
    R"re([^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kChameleon1 =
    R"re(<sentinel:[0-9]+>)re";
constexpr std::string_view kChameleon2 =
    R"re((IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z)re";
constexpr std::string_view kChameleon3 =
    R"re(([\t\n]|    |  ))re";
constexpr std::string_view kChameleon5 =
    R"re([\p{P}!-/:-@\[-`{-~])re";
constexpr std::string_view kGpt4o =
    R"re([^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kGraniteEmbedMulti97m =
    R"re([^\r\n\p{L}\p{N}]?((?=[\p{L}\p{M}])([^a-z]))*((?=[\p{L}\p{M}])([^A-Z]))+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?((?=[\p{L}\p{M}])([^a-z]))+((?=[\p{L}\p{M}])([^A-Z]))*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kBailingmoe =
    R"re('(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)re";
constexpr std::string_view kSeedCoder =
    R"re((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kUfakzeka =
    R"re([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kLines =
    R"re([^\n]+|[\n]+)re";
constexpr std::string_view kExaoneMoe =
    R"re((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)re";
constexpr std::string_view kMinicpm52 =
    R"re((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kDefault1 =
    R"re([\p{P}\$\+<=>\^~\|]+)re";

struct Entry {
  std::vector<std::string_view> names;
  GgufPreTokenizer splits;
};

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = {
      {{"default"},
       {{kDefault1, kGpt2, kNumber, kThreeAsciiDigits}}},
      {{"minicpm5"},
       {{kThreeDigits, kMinicpm52}, /*whole_words=*/true, /*adds_bos=*/false}},
      {{"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
       {{kLlama3}, /*whole_words=*/true, /*adds_bos=*/true}},
      {{"deepseek-llm"},
       {{kNewline, kDeepseekLlm2, kDeepseekLlm3, kDeepseekLlm4, kDeepseekLlm5, kNumber}}},
      {{"deepseek-coder"},
       {{kNewline, kDeepseekCoder2, kDeepseekCoder3, kDeepseekLlm5, kDigit}}},
      {{"deepseek-v3", "hunyuan-dense", "hy_v4", "joyai-llm"},
       {{kThreeDigits, kDeepseekV32, kDeepseekV33}}},
      {{"spark2_5"},
       {{kThreeDigits, kDeepseekV32, kSpark253, kDigit}}},
      {{"afmoe"},
       {{KnownPattern::kLlamaCppNumberGroups, kAfmoeAsian, kDeepseekV33}}},
      {{"tiny_aya", "cohere2moe"},
       {{KnownPattern::kLlamaCppNumberGroups, kTinyAya}}},
      {{"superbpe"},
       {{kNumber, KnownPattern::kLlamaCppThousands}}},
      {{"kimi-k2"},
       {{kKimiK2}}},
      {{"gemma4", "granite-embed-multi-311m"},
       {.splits = {kLines}, .byte_level = false, .escapes_blanks = true, .whole_line_ends = true,
        .bos_always = true}},
      {{"sarvam-moe"},
       {.splits = {kLines}, .byte_level = false, .escapes_blanks = true}},
      {{"whitespace"},
       {.splits = {kNotBlanks}, .byte_level = false}},
      {{"youtu"},
       {{kYoutu1, kYoutu2}, /*whole_words=*/true, /*adds_bos=*/false}},
      {{"falcon"},
       {{kFalcon1, kGpt2, kThreeAsciiDigits}}},
      {{"mpt", "gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum", "modern-bert", "jina-v1-en", "jina-v2-code", "roberta-bpe", "olmo", "jais", "exaone4", "trillion", "granite-docling"},
       {{kGpt2}}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
       {{kDigit, kGpt2}}},
      {{"jais-2"},
       {{kJais2}}},
      {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2", "megrez", "hunyuan", "grok-2", "solar-open"},
       {{kQwen2}}},
      {{"qwen35"},
       {{kQwen35}}},
      {{"dbrx", "smaug-bpe"},
       {{kLlama3}}},
      {{"chatglm-bpe"},
       {{kLlama3}, /*whole_words=*/false, /*adds_bos=*/false, /*has_bos=*/false}},
      {{"poro-chat", "bloom", "gpt3-finnish"},
       {{kPoroChat}}},
      {{"glm4", "glm5"},
       {{kLlama3}, /*whole_words=*/true, /*adds_bos=*/false, /*has_bos=*/false}},
      {{"viking"},
       {{kPoroChat, kDigit}}},
      {{"tekken"},
       {{kTekken}, /*whole_words=*/true, /*adds_bos=*/true}},
      {{"exaone-moe"},
       {{kExaoneMoe}}},
      {{"chameleon"},
       {{kChameleon1, kChameleon2, kChameleon3, kDigit, kChameleon5, kGpt2}, /*whole_words=*/false, /*adds_bos=*/true}},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
       {{kGpt4o}}},
      {{"granite-embed-multi-97m"},
       {{kGraniteEmbedMulti97m}, /*whole_words=*/true, /*adds_bos=*/false}},
      {{"bailingmoe", "bailingmoe2", "llada-moe"},
       {{kBailingmoe}}},
      {{"seed-coder"},
       {{kSeedCoder}}},
      {{"ufakzeka"},
       {{kUfakzeka}}},
      {{"laguna"},
       {{kLines, kQwen2}}},
  };
  return all;
}

}  // namespace

const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name) {
  for (const Entry& entry : entries()) {
    if (std::find(entry.names.begin(), entry.names.end(), name) != entry.names.end()) return &entry.splits;
  }
  return nullptr;
}

std::string gguf_pre_tokenizer_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : entries()) names.insert(names.end(), entry.names.begin(), entry.names.end());
  std::sort(names.begin(), names.end());
  std::string result;
  for (const std::string_view name : names) result += (result.empty() ? "" : ", ") + std::string(name);
  return result;
}

}  // namespace weft::tokenizer
