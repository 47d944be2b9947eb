//! How the cost of a chunk grows with the length and the number of streams, as text and as a picture.

use std::fmt::Write;

/// One measured point: so many streams of so many chunks cost so many microseconds a chunk.
pub(crate) struct Point {
    pub streams: usize,
    pub chunks: usize,
    pub micros: f64,
}

pub(crate) fn as_text(curve: &[Point]) -> String {
    let mut text = String::from("| streams | chunks each | CPU per chunk |\n|---|---|---|\n");
    for point in curve {
        let _ = writeln!(text, "| {} | {} | {:.2} µs |", point.streams, point.chunks, point.micros);
    }
    text
}

/// Bars on a common scale: flat is what the reader should see.
pub(crate) fn as_svg(curve: &[Point]) -> String {
    let highest = curve.iter().map(|point| point.micros).fold(1.0, f64::max);
    let height = 60 + 26 * curve.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"640\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"15\" fill=\"#111\">CPU per chunk, by number of streams and length</text>\n"
    );
    for (row, point) in curve.iter().enumerate() {
        let y = 44 + 26 * row;
        let width = 360.0 * point.micros / highest;
        let _ = writeln!(
            svg,
            "<text x=\"16\" y=\"{}\" fill=\"#333\">{} × {} chunks</text>\
             <rect x=\"170\" y=\"{y}\" width=\"{width:.0}\" height=\"18\" rx=\"3\" fill=\"#1677ff\"/>\
             <text x=\"{:.0}\" y=\"{}\" fill=\"#333\">{:.2} µs</text>",
            y + 14,
            point.streams,
            point.chunks,
            178.0 + width,
            y + 14,
            point.micros
        );
    }
    svg.push_str("</svg>\n");
    svg
}
