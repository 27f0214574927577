// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// plugin.cc - a library that a program loads and unloads, with an environment
// and a file as globals.

#include <cstring>
#include <memory>

#include "mpool/mpool.h"

namespace {

std::unique_ptr<mpool::DbEnv> env;
std::unique_ptr<mpool::MPoolFile> file;

}  // namespace

// Returns true if the cache has a page that is not on disk.
extern "C" [[gnu::visibility("default")]] bool mpool_plugin_open(
    const char* home, int backing) {
  mpool::EnvOptions options;
  options.cache_bytes = uint64_t{1} << 20;
  options.backing = static_cast<mpool::Backing>(backing);
  auto opened = mpool::DbEnv::Open(home, options);
  if (!opened.ok()) return false;
  env = *std::move(opened);
  auto opened_file = env->OpenFile("plugin.db", {.create = true});
  if (!opened_file.ok()) return false;
  file = *std::move(opened_file);
  auto page = file->New();
  if (!page.ok()) return false;
  std::memcpy(page->data().data(), "plugin", 6);
  return true;
}
