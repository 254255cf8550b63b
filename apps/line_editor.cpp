#include "apps/line_editor.h"

#if WEFT_HAVE_EDITLINE
#include <histedit.h>
#endif
#include <langinfo.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <system_error>

#include "apps/output.h"
#include "apps/text_input.h"
#include "weft/error.h"

namespace weft::apps {
namespace {

constexpr const char* kPrompt = "> ";

class PlainLines final : public LineEditor {
 public:
  PlainLines(bool interactive, InterruptPipe& interrupts)
      : lines_(interrupts.read_end()), interactive_(interactive) {}
  LineResult read(std::string& line) override {
    if (interactive_) std::fputs(kPrompt, stderr);
    if (!lines_.next(line)) return LineResult::kEnd;
    if (line.ends_with('\r')) line.pop_back();
    return LineResult::kLine;
  }
  bool interactive() const noexcept override { return interactive_; }

 private:
  LineReader lines_;
  bool interactive_;
};

#if WEFT_HAVE_EDITLINE

constexpr int kHistoryLines = 1000;

void use_utf8_locale() {
  // libedit converts through the locale; in the plain "C" one, nothing but ASCII could be typed.
  std::setlocale(LC_CTYPE, "");
  for (const char* name : {"C.UTF-8", "en_US.UTF-8", "UTF-8"}) {
    if (std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0) return;
    std::setlocale(LC_CTYPE, name);
  }
}

class TerminalLines final : public LineEditor {
 public:
  TerminalLines(std::filesystem::path history_file, InterruptPipe& interrupts)
      : history_file_(std::move(history_file)), interrupts_(interrupts) {
    use_utf8_locale();
    // Drawn on standard error, since standard output holds answers and nothing else.
    editor_ = el_init("weft", stdin, stderr, stderr);
    history_ = history_init();
    if (!editor_ || !history_) throw Error(ErrorCode::kIo, "line editing can't be set up", "terminal", "set TERM");
    HistEvent event;
    history(history_, &event, H_SETSIZE, kHistoryLines);
    history(history_, &event, H_SETUNIQUE, 1);
    if (!history_file_.empty()) history(history_, &event, H_LOAD, history_file_.c_str());
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT, &show_prompt);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_SIGNAL, 0);
    el_set(editor_, EL_HIST, ::history, history_);
    el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_set(editor_, EL_GETCFN, &read_character);
    el_source(editor_, nullptr);  // the user's ~/.editrc
  }
  ~TerminalLines() override {
    if (history_) history_end(history_);
    if (editor_) el_end(editor_);
  }
  TerminalLines(const TerminalLines&) = delete;
  TerminalLines& operator=(const TerminalLines&) = delete;

  LineResult read(std::string& line) override {
    interrupts_.drain();  // one that came just after an answer's end is not meant for this line
    interrupted_ = false;
    el_resize(editor_);
    // Before the prompt is shown, not after as el_gets() would: between the two, Ctrl-D would be lost.
    el_set(editor_, EL_PREP_TERM, 1);
    int length = 0;
    const char* typed = el_gets(editor_, &length);
    if (interrupted_) {
      write_note("");
      return interrupted_empty_ ? LineResult::kEnd : LineResult::kCleared;
    }
    if (!typed || length <= 0) {
      write_note("");
      return LineResult::kEnd;
    }
    line.assign(typed, static_cast<std::size_t>(length));
    if (line.ends_with('\n')) line.pop_back();
    remember(line);
    return LineResult::kLine;
  }
  bool interactive() const noexcept override { return true; }

 private:
  static char* show_prompt(EditLine*) {
    return const_cast<char*>(kPrompt);  // libedit reads it only
  }

  // libedit's own reader would retry after a signal: Ctrl-C has to end the line.
  static int read_character(EditLine* editor, wchar_t* character) {
    TerminalLines* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    std::mbstate_t state = {};
    for (;;) {
      char byte = 0;
      const ssize_t got = self->read_byte(byte);
      if (got <= 0) return static_cast<int>(got);
      const std::size_t used = std::mbrtowc(character, &byte, 1, &state);
      if (used == static_cast<std::size_t>(-2)) continue;  // more bytes of the character are to come
      if (used == static_cast<std::size_t>(-1)) state = {};
      else return 1;
    }
  }

  ssize_t read_byte(char& byte) {
    for (;;) {
      pollfd sources[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupts_.read_end(), POLLIN, 0}};
      if (::poll(sources, 2, -1) < 0 && errno != EINTR) return -1;
      if (sources[1].revents & POLLIN) {
        const LineInfo* typed = el_line(editor_);
        interrupted_ = true;
        interrupted_empty_ = typed->lastchar == typed->buffer;
        return -1;
      }
      if (sources[0].revents == 0) continue;
      const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
      if (got >= 0 || errno != EINTR) return got;
    }
  }

  void remember(const std::string& line) {
    if (line.find_first_not_of(" \t") == std::string::npos) return;
    HistEvent event;
    history(history_, &event, H_ENTER, line.c_str());
    if (history_file_.empty()) return;
    if (history(history_, &event, H_SAVE, history_file_.c_str()) < 0) {
      write_note("weft: the history can't be kept in " + history_file_.string() + ": " +
                 std::generic_category().message(errno));
      history_file_.clear();
    }
  }

  std::filesystem::path history_file_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  InterruptPipe& interrupts_;
  bool interrupted_ = false, interrupted_empty_ = false;
};

#endif

}  // namespace

std::unique_ptr<LineEditor> make_line_editor([[maybe_unused]] const std::filesystem::path& history_file,
                                             InterruptPipe& interrupts) {
  const bool interactive = ::isatty(STDIN_FILENO) && ::isatty(STDERR_FILENO);
#if WEFT_HAVE_EDITLINE
  if (interactive) return std::make_unique<TerminalLines>(history_file, interrupts);
#endif
  return std::make_unique<PlainLines>(interactive, interrupts);
}

}  // namespace weft::apps
