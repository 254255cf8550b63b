#include "penalties.h"

#include <string>

#include "weft/error.h"

namespace weft::sampling {
namespace {

constexpr Token kTokenLimit = Token{1} << 22;  // as TokenizerLimits::vocab_size

}  // namespace

void SeenTokens::accept(Token token) {
  if (token < 0 || token >= kTokenLimit) {
    throw Error(ErrorCode::kInvalidArgument, std::to_string(token) + " is no token of any vocabulary",
                "Sampler::accept", "pass an id from 0 to " + std::to_string(kTokenLimit - 1));
  }
  const auto i = static_cast<std::size_t>(token);
  if (i >= entries_.size()) entries_.resize(i + 1);
  if (window_ != 0 && latest_.size() == window_) {
    forget(latest_[oldest_]);
    latest_[oldest_] = token;
    oldest_ = oldest_ + 1 == window_ ? 0 : oldest_ + 1;
  } else if (window_ != 0) {
    latest_.push_back(token);
  }
  if (entries_[i].count++ == 0) {
    entries_[i].place = static_cast<std::uint32_t>(distinct_.size());
    distinct_.push_back(token);
  }
}

void SeenTokens::forget(Token token) {
  Entry& entry = entries_[static_cast<std::size_t>(token)];
  if (--entry.count != 0) return;
  const Token last = distinct_.back();
  distinct_[entry.place] = last;
  entries_[static_cast<std::size_t>(last)].place = entry.place;
  distinct_.pop_back();
}

void SeenTokens::clear() {
  for (const Token token : distinct_) entries_[static_cast<std::size_t>(token)].count = 0;
  distinct_.clear();
  latest_.clear();
  oldest_ = 0;
}

}  // namespace weft::sampling
