//! The curves as a picture that is legible on light and dark pages.

use crate::growth::Curve;
use crate::table::show;
use std::fmt::Write;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 190.0;
const STYLE: &str = "text{fill:#1f2328;font:12px system-ui,sans-serif}.title{font-weight:600;font-size:13px}\
.dim{fill:#59636e}.axis{stroke:#8c959f;stroke-width:1}.curve{stroke:#0969da;stroke-width:2;fill:none}.point{fill:#0969da}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.curve{stroke:#4493f8}.point{fill:#4493f8}}";

/// One panel for each curve, from left to right. Upwards linear from zero, so that flat looks flat; across
/// logarithmic.
pub(crate) fn as_svg(curves: &[Curve]) -> String {
    let width = WIDTH * f64::from(u32::try_from(curves.len()).unwrap_or(1));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\">\n\
         <title>How cost grows</title>\n<style>{STYLE}</style>\n"
    );
    let mut left = 0.0;
    for curve in curves {
        panel(&mut svg, curve, left);
        left += WIDTH;
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, curve: &Curve, left: f64) {
    let (bottom, top) = (HEIGHT - 46.0, 52.0);
    let highest = curve.points.iter().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max);
    let log = |at: usize| f64::from(u32::try_from(at).unwrap_or(u32::MAX)).ln();
    let first = curve.points.first().map_or(0.0, |(at, _)| log(*at));
    let last = curve.points.last().map_or(1.0, |(at, _)| log(*at));
    let place = |(at, y): (usize, f64)| {
        let x = left + 34.0 + (WIDTH - 68.0) * (log(at) - first) / (last - first);
        (x, bottom - (bottom - top) * y / highest)
    };
    let _ = writeln!(svg, "<text class=\"title\" x=\"{}\" y=\"20\">{}</text>", left + 14.0, curve.title);
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{}\" y1=\"{bottom}\" x2=\"{}\" y2=\"{bottom}\"/>",
        left + 14.0,
        left + WIDTH - 14.0
    );
    let mut path = String::new();
    for (number, point) in curve.points.iter().enumerate() {
        let (x, y) = place(*point);
        let _ = write!(path, "{}{x:.1} {y:.1}", if number == 0 { "M" } else { "L" });
        let _ = writeln!(
            svg,
            "<circle class=\"point\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"dim\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y - 9.0,
            show(Some(point.1), curve.unit),
            bottom + 17.0,
            point.0
        );
    }
    let _ = writeln!(svg, "<path class=\"curve\" d=\"{path}\"/>");
    let _ = writeln!(svg, "<text class=\"dim\" x=\"{}\" y=\"{}\">{}</text>", left + 14.0, HEIGHT - 10.0, curve.across);
}
