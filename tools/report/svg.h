// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
//
// svg.h - the part of SVG that a chart inside an HTML page needs. The page
// defines colours and fonts: every shape has a CSS class.

#ifndef MPOOL_TOOLS_REPORT_SVG_H_
#define MPOOL_TOOLS_REPORT_SVG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mpool::tools {

// Returns the text with the special characters of HTML escaped.
std::string EscapeHtml(std::string_view text);
// Returns a number with thousands separators: "1,234,567".
std::string Grouped(uint64_t number);
// Returns a number with exactly `decimals` decimals.
std::string Fixed(double number, int decimals);
// Returns a number without trailing zeros: "10", "0.5".
std::string Short(double number);

// Maps values to coordinates.
struct Scale {
  double low = 0;
  double high = 1;
  double from = 0;  // the coordinate of `low`
  double to = 1;    // the coordinate of `high`
  bool is_log = false;

  double operator()(double value) const;
};

// Returns about `count` round steps from 0 to the first that is not below
// `high`.
// REQUIRES: high > 0, count >= 2.
std::vector<double> NiceTicks(double high, int count);

enum class Anchor { kStart, kMiddle, kEnd };

// Builds one SVG element.
class Svg {
 public:
  // `title` is the text for screen readers.
  Svg(double width, double height, std::string_view title);

  // `tip` is shown when the pointer rests on the shape; may be empty.
  void Rect(double x, double y, double width, double height,
            std::string_view css_class, std::string_view tip = "");
  void Line(double x1, double y1, double x2, double y2,
            std::string_view css_class);
  void Path(const std::vector<std::pair<double, double>>& points,
            std::string_view css_class);
  void Circle(double x, double y, double radius, std::string_view css_class,
              std::string_view tip = "");
  void Text(double x, double y, Anchor anchor, std::string_view css_class,
            std::string_view text);

  std::string Finish() const { return body_ + "</svg>\n"; }

 private:
  void CloseShape(std::string_view name, std::string_view tip);

  std::string body_;
};

}  // namespace mpool::tools

#endif  // MPOOL_TOOLS_REPORT_SVG_H_
