// Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.

#include "tools/report/svg.h"

#include <cassert>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "os/status.h"

namespace mpool::tools {
namespace {

using os::Abs;

// Formats a coordinate to a tenth of a unit, which suffices for a display.
std::string C(double coordinate) {
  return Short(std::round(coordinate * 10) / 10);
}

std::string ClassOf(std::string_view css_class) {
  return absl::StrCat(" class=\"", Abs(css_class), "\"");
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Grouped(uint64_t number) {
  const std::string digits = absl::StrCat(number);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

std::string Fixed(double number, int decimals) {
  return absl::StrFormat("%.*f", decimals, number);
}

std::string Short(double number) {
  std::string text = Fixed(number, 4);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

double Scale::operator()(double value) const {
  const double part = is_log ? std::log(value / low) / std::log(high / low)
                             : (value - low) / (high - low);
  return from + part * (to - from);
}

std::vector<double> NiceTicks(double high, int count) {
  assert(high > 0 && count >= 2);
  const double rough = high / (count - 1);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * power >= rough * 0.999) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks = {0};
  while (ticks.back() < high * 0.999) {
    ticks.push_back(static_cast<double>(ticks.size()) * step);
  }
  return ticks;
}

Svg::Svg(double width, double height, std::string_view title) {
  absl::StrAppend(&body_, "<svg viewBox=\"0 0 ", C(width), " ", C(height),
                  "\" role=\"img\" style=\"min-width:", C(width * 0.8),
                  "px\" aria-label=\"", EscapeHtml(title), "\">\n");
}

void Svg::CloseShape(std::string_view name, std::string_view tip) {
  if (tip.empty()) {
    absl::StrAppend(&body_, "/>\n");
    return;
  }
  absl::StrAppend(&body_, "><title>", EscapeHtml(tip), "</title></", Abs(name),
                  ">\n");
}

void Svg::Rect(double x, double y, double width, double height,
               std::string_view css_class, std::string_view tip) {
  absl::StrAppend(&body_, "<rect x=\"", C(x), "\" y=\"", C(y), "\" width=\"",
                  C(width));
  absl::StrAppend(&body_, "\" height=\"", C(height), "\"", ClassOf(css_class));
  CloseShape("rect", tip);
}

void Svg::Line(double x1, double y1, double x2, double y2,
               std::string_view css_class) {
  absl::StrAppend(&body_, "<line x1=\"", C(x1), "\" y1=\"", C(y1), "\" x2=\"",
                  C(x2));
  absl::StrAppend(&body_, "\" y2=\"", C(y2), "\"", ClassOf(css_class), "/>\n");
}

void Svg::Path(const std::vector<std::pair<double, double>>& points,
               std::string_view css_class) {
  absl::StrAppend(&body_, "<polyline", ClassOf(css_class), " points=\"");
  for (const auto& [x, y] : points) {
    absl::StrAppend(&body_, C(x), ",", C(y), " ");
  }
  absl::StrAppend(&body_, "\"/>\n");
}

void Svg::Circle(double x, double y, double radius, std::string_view css_class,
                 std::string_view tip) {
  absl::StrAppend(&body_, "<circle cx=\"", C(x), "\" cy=\"", C(y), "\" r=\"",
                  C(radius), "\"", ClassOf(css_class));
  CloseShape("circle", tip);
}

void Svg::Text(double x, double y, Anchor anchor, std::string_view css_class,
               std::string_view text) {
  const char* const name = anchor == Anchor::kStart    ? "start"
                           : anchor == Anchor::kMiddle ? "middle"
                                                       : "end";
  absl::StrAppend(&body_, "<text x=\"", C(x), "\" y=\"", C(y),
                  "\" text-anchor=\"", name, "\"", ClassOf(css_class), ">");
  absl::StrAppend(&body_, EscapeHtml(text), "</text>\n");
}

}  // namespace mpool::tools
