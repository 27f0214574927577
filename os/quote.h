// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// quote.h - makes a name fit for a message or a terminal.
//
// Any user can name a file or a process. A name with control characters could
// otherwise move the cursor, hide text, or add a line to a table or a log.

#ifndef MPOOL_OS_QUOTE_H_
#define MPOOL_OS_QUOTE_H_

#include <string>
#include <string_view>

namespace mpool::os {

// Returns `text` with these bytes written as escapes of C (\n, \x1b):
// - control characters, also those of U+0080 to U+009F
// - line separators and marks that change the direction of text
// - bytes that are not UTF-8
// Keeps all other text, also a backslash. So a second call changes nothing.
std::string Quoted(std::string_view text);

}  // namespace mpool::os

#endif  // MPOOL_OS_QUOTE_H_
