// Saved sessions: the container, by way of CompletionPipeline; chat_test.cpp has conversations.
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/pipeline/fakes.h"
#include "weft/pipeline.h"

namespace {

using namespace fakes;
using weft::CompletionPipeline;
using weft::ErrorCode;

std::string saved(const CompletionPipeline& pipeline) {
  std::ostringstream out;
  pipeline.save(out);
  return out.str();
}

std::string load_error(CompletionPipeline& pipeline, const std::string& session, ErrorCode code) {
  std::istringstream in(session);
  return error_of([&] { pipeline.load(in); }, code);
}

struct Session : testing::Test {
  std::shared_ptr<FakeRunner> runner = std::make_shared<FakeRunner>(says("abc", "defgh"), 400'000);
  CompletionPipeline pipeline{parts(runner)};
};

TEST_F(Session, GoesOnWithTheSavedCache) {
  pipeline.generate("abc");
  const std::string session = saved(pipeline);

  CompletionPipeline other(parts(runner));
  std::istringstream in(session + "what follows");
  other.load(in);
  EXPECT_EQ(other.cached_tokens(), tokens_of("abcdefgh"));
  EXPECT_EQ(other.generate("abc").stats.cached_tokens, 2u);
  std::string rest;
  std::getline(in, rest);
  EXPECT_EQ(rest, "what follows") << "the session ends where it says";
}

TEST_F(Session, OfAnEmptyPipelineIsEmpty) {
  const std::string session = saved(pipeline);
  pipeline.generate("abc");
  std::istringstream in(session);
  pipeline.load(in);
  EXPECT_TRUE(pipeline.cached_tokens().empty());
  EXPECT_EQ(pipeline.generate("abc").text, "defgh");
}

TEST_F(Session, OfManyFramesComesBack) {
  const std::string prompt(100'000, 'p');
  pipeline.generate(prompt, {.max_tokens = 1});
  const std::string session = saved(pipeline);
  EXPECT_GT(session.size(), 400'000u);
  CompletionPipeline other(parts(runner));
  std::istringstream in(session);
  other.load(in);
  EXPECT_EQ(other.cached_tokens(), tokens_of(prompt));
}

TEST_F(Session, CutShortAnywhereIsCorruptAndChangesNothing) {
  pipeline.generate("abc");
  const std::string session = saved(pipeline);
  for (std::size_t n = 0; n < session.size(); ++n) {
    const auto error = load_error(pipeline, session.substr(0, n), ErrorCode::kCorrupt);
    ASSERT_EQ(error.substr(0, 9), "session: ") << n << ": " << error;
    ASSERT_EQ(pipeline.cached_tokens(), tokens_of("abcdefgh"));
  }
  EXPECT_EQ(load_error(pipeline, session.substr(0, session.size() - 1), ErrorCode::kCorrupt),
            "session: it ends before its end mark\nfix: the file is cut short or was changed; save it again");
  EXPECT_EQ(load_error(pipeline, session.substr(0, session.size() - 9), ErrorCode::kCorrupt),
            "session: it ends within a frame\nfix: the file is cut short or was changed; save it again");
}

TEST_F(Session, ChangedInAnyByteIsAnErrorAndChangesNothing) {
  pipeline.generate("abc");
  const std::string session = saved(pipeline);
  for (std::size_t i = 0; i < session.size(); ++i) {
    for (const char flip : {'\x01', '\x80'}) {
      std::string changed = session;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      std::istringstream in(changed);
      ASSERT_THROW(pipeline.load(in), weft::Error) << "byte " << i;
      ASSERT_EQ(pipeline.cached_tokens(), tokens_of("abcdefgh"));
    }
  }
}

TEST_F(Session, SaysWhatIsWrongWithIt) {
  pipeline.generate("abc");
  const std::string session = saved(pipeline);
  EXPECT_EQ(load_error(pipeline, "a text", ErrorCode::kCorrupt),
            "session: it does not begin as a session does\nfix: pass a file that weft saved");
  std::string changed = session;
  changed[8] = 2;
  EXPECT_EQ(load_error(pipeline, changed, ErrorCode::kUnsupported),
            "session: it has version 2, but only version 1 is known\nfix: read it with the version of weft that saved "
            "it");
  EXPECT_EQ(load_error(pipeline, session.substr(0, 12) + std::string("\0\0\2\0\0\0\0\0", 8), ErrorCode::kCorrupt),
            "session: a frame claims 131072 bytes, but frames have 65536 at most\n"
            "fix: the file is cut short or was changed; save it again");
  changed = session;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  EXPECT_EQ(load_error(pipeline, changed, ErrorCode::kCorrupt),
            "session: a checksum does not match\nfix: the file is cut short or was changed; save it again");
}

TEST_F(Session, OfAnotherModelIsRejected) {
  pipeline.generate("abc");
  const std::string session = saved(pipeline);
  const auto larger = std::make_shared<FakeRunner>(says("", ""));
  larger->n_vocab = 300;
  CompletionPipeline other(parts(larger));
  EXPECT_EQ(load_error(other, session, ErrorCode::kInvalidArgument),
            "session: it was saved with a model of 263 tokens, but this one has 300\n"
            "fix: load it with the model that it was saved with");
}

TEST_F(Session, ThatCannotBeWrittenIsAnError) {
  class Full final : public std::streambuf {
   public:
    explicit Full(std::size_t n_free) : n_free_(n_free) {}

   private:
    int_type overflow(int_type next) override { return n_free_-- > 0 ? next : traits_type::eof(); }
    std::ptrdiff_t n_free_;
  };
  pipeline.generate("abc");
  const auto size = saved(pipeline).size();
  for (std::size_t n_free = 0; n_free < size; ++n_free) {
    Full full(n_free);
    std::ostream out(&full);
    ASSERT_EQ(error_of([&] { pipeline.save(out); }, ErrorCode::kIo),
              "session: writing failed\nfix: check the space left on the device")
        << n_free;
  }
}

}  // namespace
