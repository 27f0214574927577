// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// table_flip_test.cc - bits of an idle region's tables are flipped, one at a
// time. The next opener is refused with one clear error, or gets correct pages
// or errors. No flip causes a crash or a hang. MPOOL_ROUNDS=100000 flips every
// bit.

#include <unistd.h>

#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mpool/mpool.h"
#include "mpool/pool/pool.h"
#include "tests/support/campaign.h"
#include "tests/support/child.h"
#include "tests/support/pages.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"
#include "tests/support/temp_home.h"

namespace mpool {
namespace {

using internal::BufferHeader;
using internal::FileEntry;
using internal::PoolHeader;
using region::RegionHeader;
using test::Channel;
using test::Child;
using test::IsOk;
using test::OpenBoth;
using test::TempHome;

constexpr uint32_t kPageBytes[] = {4096, 512};
constexpr PageNo kPages = 12;
constexpr uint64_t kFlipsPerArea = 40;
constexpr unsigned kSecondsPerFlip = 20;

EnvOptions Env() {
  EnvOptions options;
  options.backing = Backing::kFile;
  options.cache_bytes = 192 << 10;  // three extents, one is not cut
  options.policy = Policy::kLru;
  options.sync_on_last_close = false;
  return options;
}

std::string NameOf(size_t file) { return absl::StrCat("pages.", file); }
std::string TextOf(size_t file, PageNo page) {
  return absl::StrCat(page % 2 == 0 ? "new " : "old ", file, ".", page);
}

// A part of the region in which bits are flipped.
struct Area {
  std::string name;
  uint64_t begin = 0;
  uint64_t size = 0;
  uint64_t struct_size = 1;
};

// A region after all its processes were killed. It has dirty and clean pages of
// two files and two page sizes, pins beyond a thread's slot, and a latch that
// is held.
class Image {
 public:
  explicit Image(const TempHome& home) : home_(home) {
    Child dead([&](Channel& parent) -> std::string {
      auto env = *DbEnv::Open(home_.path(), Env());
      std::vector<std::unique_ptr<MPoolFile>> files;
      std::vector<ReadPage> pins;
      for (size_t f = 0; f < 2; ++f) {
        files.push_back(*env->OpenFile(
            NameOf(f), {.page_size = kPageBytes[f], .create = true}));
        Put(*files[f], f, 1);
        EXPECT_THAT(files[f]->Sync(), IsOk());
        Put(*files[f], f, 2);
      }
      for (int i = 0; i < 40; ++i) pins.push_back(*files[0]->Get(1));
      parent.Say("ready");
      return parent.Hear();
    });
    if (dead.Hear() != "ready") std::abort();
    dead.Kill();
    segment_ = test::BytesOf(home_.Below("__db.002"));
    descriptor_ = test::BytesOf(home_.Below("__db.001"));
    for (size_t f = 0; f < 2; ++f) {
      disk_[f] = test::BytesOf(home_.Below(NameOf(f)));
    }
    FindAreas();
  }

  const std::vector<Area>& areas() const { return areas_; }
  // True if a flip in this byte may change page contents without an error; see
  // docs/threat-model.md.
  bool MayBeSilent(uint64_t byte) const { return silent_.contains(byte); }

  // Restores the region and the files, and flips one bit.
  void Restore(uint64_t bit) {
    for (size_t f = 0; f < 2; ++f) {
      const std::string path = home_.Below(NameOf(f));
      // First, because a flipped page count makes a file of terabytes.
      test::SetSize(path, disk_[f].size());
      if (test::BytesOf(path) != disk_[f]) {
        test::Overwrite(path, 0, disk_[f]);
      }
      // Make the file look unchanged since the pool last saw it.
      const auto info = os::File::Open(path, {})->Info();
      FileEntry& entry = At<FileEntry>(entries_ + f * sizeof(FileEntry));
      entry.seen_mtime_ns = info->mtime_ns;
      entry.seen_ctime_ns = info->ctime_ns;
    }
    segment_[bit / 8] ^= static_cast<char>(1u << bit % 8);
    test::SetSize(home_.Below("__db.002"), segment_.size());
    test::Overwrite(home_.Below("__db.002"), 0, segment_);
    segment_[bit / 8] ^= static_cast<char>(1u << bit % 8);
    test::MakeFile(home_.Below("__db.001"), descriptor_);
  }

 private:
  static void Put(MPoolFile& file, size_t f, PageNo step) {
    for (PageNo page = 0; page < kPages; page += step) {
      const std::string text =
          step == 1 ? absl::StrCat("old ", f, ".", page) : TextOf(f, page);
      EXPECT_THAT(test::PutText(file, page, text), IsOk());
    }
  }
  template <class T>
  T& At(uint64_t offset) {
    return *reinterpret_cast<T*>(segment_.data() + offset);
  }
  // In each struct, flips of the first `silent` bytes may be silent.
  template <class T>
  void Add(const std::string& name, uint64_t begin, uint64_t count,
           uint64_t silent = 0) {
    areas_.push_back({name, begin, count * sizeof(T), sizeof(T)});
    for (uint64_t i = 0; i < count * sizeof(T); ++i) {
      if (i % sizeof(T) < silent) silent_.insert(begin + i);
    }
  }
  void FindAreas();

  const TempHome& home_;
  std::string segment_;
  std::string descriptor_;
  std::string disk_[2];
  uint64_t entries_ = 0;
  std::vector<Area> areas_;
  std::set<uint64_t> silent_;
};

void Image::FindAreas() {
  const RegionHeader& header = At<RegionHeader>(0);
  const uint64_t root = header.root.load();
  const PoolHeader& pool = At<PoolHeader>(root);
  entries_ = pool.file_blocks[0].load();
  areas_.push_back({"RegionHeader", offsetof(RegionHeader, size_bytes),
                    4096 - offsetof(RegionHeader, size_bytes)});
  Add<region::ProcessSlot>("ProcessSlots",
                           offsetof(RegionHeader, processes), kMaxProcesses);
  Add<region::ThreadSlot>("FirstProcessThread",
                          offsetof(RegionHeader, process_threads), 1);
  Add<region::ThreadSlot>("ProcessThreads",
                          offsetof(RegionHeader, process_threads),
                          kMaxProcesses);
  Add<region::ThreadSlot>("FirstThread", header.thread_blocks[0], 1);
  Add<region::ThreadBlock>("Threads", header.thread_blocks[0], 1);
  const auto& thread = At<region::ThreadSlot>(header.thread_blocks[0]);
  Add<region::LedgerOverflow>("LedgerOverflow", thread.overflow, 1);
  Add<PoolHeader>("PoolHeader", root, 1);
  Add<internal::Extent>("Extents", pool.extents, pool.extent_count);
  areas_.push_back({"Rings", pool.rings,
                    uint64_t{pool.extent_count} * kPageClasses * 4});
  constexpr uint64_t kStateAndKey = offsetof(BufferHeader, place);
  const auto* extents = &At<internal::Extent>(pool.extents);
  Add<BufferHeader>("Headers", extents[0].headers[3],
                    pool.extent_bytes / 4096, kStateAndKey);
  Add<BufferHeader>("SmallHeaders", extents[1].headers[0], kPages,
                    kStateAndKey);
  Add<internal::Bucket>("Buckets", pool.buckets, pool.bucket_count);
  constexpr uint64_t kWhichFile = offsetof(FileEntry, path);
  Add<FileEntry>("Entries", entries_, 2, kWhichFile);
  Add<FileEntry>("AllEntries", entries_, internal::kFilesPerBlock);
  const uint64_t path = At<FileEntry>(entries_).path;
  areas_.push_back({"Path", path, std::strlen(&At<char>(path)) + 1});
  // Includes chunk headers and free memory, but not the pages.
  areas_.push_back({"BehindTheHeader", sizeof(RegionHeader),
                    header.heap_end.load() - sizeof(RegionHeader)});
}

// The correct contents of the pages.
struct RightPages {
  std::vector<std::byte> of[2][kPages];
  RightPages() {
    for (size_t f = 0; f < 2; ++f) {
      for (PageNo page = 0; page < kPages; ++page) {
        of[f][page].resize(kPageBytes[f]);
        test::Fill(of[f][page], TextOf(f, page));
      }
    }
  }
};

// Returns "" if one flip did no harm, or a page with wrong contents.
std::string OpenAndGet(const TempHome& home, const RightPages& right) {
  std::string wrong;
  auto env = DbEnv::Open(home.path(), Env());
  if (!env.ok()) return "";
  static_cast<void>((*env)->FailCheck());
  for (size_t f = 0; f < 2; ++f) {
    auto file = (*env)->OpenFile(NameOf(f), {.page_size = kPageBytes[f]});
    if (!file.ok()) continue;
    for (PageNo i = 0; i < 50; ++i) {
      const PageNo page = i * 5 % kPages;
      const auto got = (*file)->Get(page);
      if (!got.ok()) continue;
      if (got->data().size() == kPageBytes[f] &&
          std::memcmp(got->data().data(), right.of[f][page].data(),
                      kPageBytes[f]) == 0) {
        continue;
      }
      wrong = absl::StrCat("page ", page, " of file ", f, ": ",
                           test::TextOn(got->data()));
    }
    // Cuts the next extent.
    for (PageNo page = 0; page < 8; ++page) static_cast<void>((*file)->New());
    static_cast<void>((*file)->Sync());
    static_cast<void>((*file)->Close());
  }
  static_cast<void>((*env)->Close());
  return wrong;
}

constexpr uint64_t kKept = 4096;

struct Progress {
  std::atomic<uint64_t> bit;
  std::atomic<uint64_t> wrong_count;
  uint64_t wrong_bits[kKept];
  char wrong[kKept][64];
};

class TableFlipTest : public ::testing::TestWithParam<size_t> {
 protected:
  TableFlipTest() : image_(home_) {}

  // Flips bits from `first` to `end` by `step`, in a process that may die.
  std::string Flip(uint64_t first, uint64_t end, uint64_t step) {
    return test::InChild([&] {
      for (uint64_t bit = first; bit < end; bit += step) {
        progress_->bit = bit;
        image_.Restore(bit);
        ::alarm(kSecondsPerFlip);
        const std::string wrong = OpenAndGet(home_, right_);
        if (wrong.empty()) continue;
        const uint64_t n = progress_->wrong_count.fetch_add(1) % kKept;
        progress_->wrong_bits[n] = bit;
        wrong.copy(progress_->wrong[n], 63);
      }
      return std::string("done");
    });
  }

  // Describes the place of a bit and how to flip it again.
  static std::string Describe(const Area& area, uint64_t bit) {
    const uint64_t at = bit / 8 - area.begin;
    return absl::StrCat(area.name, ": bit ", bit % 8, " of byte ", at, " (",
                        at % area.struct_size, " of its struct), MPOOL_SEED=",
                        test::Seed(), ": ");
  }

  TempHome home_;
  Image image_;
  RightPages right_;
  os::SharedMemory<Progress> progress_;
};

TEST_P(TableFlipTest, FlipIsRepairedOrRefused) {
  const Area area = image_.areas()[GetParam()];
  const uint64_t bits = area.size * 8;
  const uint64_t step =
      std::max<uint64_t>(1, bits / (kFlipsPerArea * test::Rounds(1)));
  std::mt19937_64 random(test::Seed());
  uint64_t bit = area.begin * 8 + random() % step;
  const uint64_t end = area.begin * 8 + bits;
  while (bit < end) {
    const std::string outcome = Flip(bit, end, step);
    if (outcome == "done") break;
    bit = progress_->bit;
    ADD_FAILURE() << Describe(area, bit) << outcome;
    bit += step;
  }
  for (uint64_t i = 0; i < std::min(progress_->wrong_count.load(), kKept);
       ++i) {
    const uint64_t wrong = progress_->wrong_bits[i];
    EXPECT_TRUE(image_.MayBeSilent(wrong / 8))
        << Describe(area, wrong) << progress_->wrong[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Area, TableFlipTest, ::testing::Range<size_t>(0, 17));

}  // namespace
}  // namespace mpool
