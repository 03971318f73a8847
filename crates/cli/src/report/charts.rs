//! The drawings of a report, as SVG to stand inside the page.
//!
//! Colours of lines and bars are chosen to be read on white, on black and by the colour-blind; text takes the
//! colour of the page (the style sheet sees to it), and the background is the page's own.

use std::time::Duration;

use anyhow::Context;
use campaign::{CampaignState, OutcomeClass, Stage};
use charts_rs::{
    AxisType, BarChart, ChartBase, Color, HorizontalBarChart, LegendCategory, LineChart, Series, Symbol,
    YAxisConfig,
};
use serde::Serialize;

use super::delivery::Histogram;
use super::progress::{Point, Progress};
use super::{units, words};

/// A drawing and what it says to those who do not see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Figure {
    caption: String,
    summary: String,
    width: u32,
    height: u32,
    /// What stands inside the `svg` element: made by the library, which escapes texts.
    drawing: String,
}

impl Figure {
    fn new(caption: &str, summary: String, height: u32, svg: &str) -> anyhow::Result<Figure> {
        // The element itself is the template's: without name space and size it is for HTML, and gets its label.
        let inside = svg.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</svg>"));
        let (drawing, _) = inside.with_context(|| format!("the drawing of {caption:?} is no SVG"))?;
        Ok(Figure {
            caption: caption.to_owned(),
            summary,
            width: WIDTH,
            height,
            drawing: drawing.trim().to_owned(),
        })
    }
}

/// The width of the page's text in pixels; drawings are scaled to the window.
const WIDTH: u32 = 960;

const BLUE: Color = color(0x3B, 0x7D, 0xD8);
const ORANGE: Color = color(0xD9, 0x82, 0x2B);
const GREEN: Color = color(0x2A, 0x96, 0x6F);
const RED: Color = color(0xD6, 0x45, 0x50);
const GREY: Color = color(0x86, 0x8E, 0x99);
const VIOLET: Color = color(0x8F, 0x6B, 0xC9);

const fn color(r: u8, g: u8, b: u8) -> Color {
    Color { r, g, b, a: 255 }
}

/// A line of the drawing of progress. Dashes tell lines apart where colours do not.
struct Line {
    name: &'static str,
    color: Color,
    dashes: Option<&'static str>,
    value: fn(&Point) -> usize,
}

/// The devices over time: how many had come how far.
pub(crate) fn progress(progress: &Progress) -> anyhow::Result<Figure> {
    let lines = [
        Line { name: "hub holds image", color: BLUE, dashes: Some("2,3"), value: |point| point.staged },
        Line { name: "delivered", color: ORANGE, dashes: Some("7,3"), value: |point| point.delivered },
        Line { name: "activated", color: GREEN, dashes: None, value: |point| point.activated },
        Line { name: "failed", color: RED, dashes: None, value: |point| point.failed },
    ];
    let series = lines.iter().map(|line| {
        let values = progress.points.iter().map(|point| (line.value)(point) as f32).collect();
        let mut series = Series::new(line.name.to_owned(), values);
        series.stroke_dash_array = line.dashes.map(str::to_owned);
        series
    });
    let last = progress.last();
    let mut chart = LineChart::new(series.collect(), Vec::new());
    let height = 320;
    dress(&mut chart.base, height, &lines.map(|line| line.color));
    dress_axis(&mut chart.y_axis_configs, "devices", last.staged.max(last.delivered).max(last.failed) as u64);
    chart.series.symbol = Some(Symbol::None);
    chart.x_axis.kind = AxisType::Time;
    chart.x_axis.values = progress.points.iter().map(|point| point.at.as_micros() as f64 / 1e6).collect();
    "time (UTC)".clone_into(&mut chart.x_axis.title);
    let [staged, delivered, activated, failed] =
        [last.staged, last.delivered, last.activated, last.failed].map(units::count);
    let summary = format!(
        "By {}, the hubs of {staged} devices held the image, {delivered} devices held it themselves, {activated} \
         ran it and {failed} had failed.",
        units::utc(last.at)
    );
    Figure::new("Progress over time", summary, height, &chart.svg().context("progress over time")?)
}

/// Bytes sent to hubs in each step; `None` when there were none.
pub(crate) fn wan_traffic(progress: &Progress) -> anyhow::Result<Option<Figure>> {
    let steps: Vec<_> = progress.wan_steps().collect();
    let most = steps.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    if most == 0 {
        return Ok(None);
    }
    let (size, unit) = units::byte_unit(most);
    let values = steps.iter().map(|(_, bytes)| (*bytes as f64 / size as f64) as f32).collect();
    let whole = progress.last().at.saturating_since(progress.points[0].at);
    let labels = steps.iter().map(|(at, _)| units::clock(*at, whole)).collect();
    let mut chart = BarChart::new(vec![Series::new("WAN".to_owned(), values)], labels);
    let height = 260;
    dress(&mut chart.base, height, &[BLUE]);
    let per_step = format!("{unit} in {}", units::span(progress.step));
    dress_axis(&mut chart.y_axis_configs, &per_step, most.div_ceil(size));
    chart.legend.show = Some(false);
    "from (UTC)".clone_into(&mut chart.x_axis.title);
    let summary = format!(
        "{} were sent in all, at most {} in {}.",
        units::bytes(progress.last().wan_bytes),
        units::bytes(most),
        units::span(progress.step)
    );
    Figure::new("Traffic to hubs over time", summary, height, &chart.svg().context("WAN traffic")?).map(Some)
}

/// Devices by waiting time, stacked by kind.
pub(crate) fn delivery(histogram: &Histogram) -> anyhow::Result<Figure> {
    let series = histogram.counts.iter().map(|(kind, counts)| {
        let mut series = Series::new(kind.clone(), counts.iter().map(|count| *count as f32).collect());
        series.stack = Some("devices".to_owned());
        series
    });
    let all = |bin: usize| histogram.counts.values().map(|counts| counts[bin]).sum::<usize>();
    let fullest = (0..histogram.edges.len()).max_by_key(|bin| (all(*bin), usize::MAX - bin)).unwrap_or(0);
    let label = |edge: &u64| units::span(Duration::from_millis(*edge));
    let mut chart = BarChart::new(series.collect(), histogram.edges.iter().map(label).collect());
    let height = 300;
    dress(&mut chart.base, height, &[BLUE, ORANGE, GREEN, VIOLET, GREY, RED]);
    dress_axis(&mut chart.y_axis_configs, "devices", all(fullest) as u64);
    chart.legend.category = LegendCategory::Rect;
    let title = if histogram.even { "from" } else { "from (steps are not even)" };
    title.clone_into(&mut chart.x_axis.title);
    let until = histogram
        .edges
        .get(fullest + 1)
        .map_or_else(|| " or more".to_owned(), |next| format!(" to {}", label(next)));
    let summary = format!(
        "Most devices, {}, waited {}{until}; percentiles by kind are in the table.",
        units::count(all(fullest)),
        label(&histogram.edges[fullest])
    );
    let caption = "Time from instruction to delivery";
    Figure::new(caption, summary, height, &chart.svg().context("delivery times")?)
}

/// Devices by outcome.
pub(crate) fn outcomes(state: &CampaignState) -> anyhow::Result<Figure> {
    let mut bars: Vec<(String, usize, Color)> = state
        .tally()
        .by_outcome
        .iter()
        .map(|(outcome, size)| {
            let color = match outcome.class() {
                OutcomeClass::Done => GREEN,
                OutcomeClass::Failed => RED,
                OutcomeClass::Excluded => GREY,
            };
            (words::spoken(*outcome), *size, color)
        })
        .collect();
    for (stage, size) in state.tally().by_stage {
        if stage != Stage::Ended {
            bars.push((format!("none yet, {}", stage.as_str()), size, BLUE));
        }
    }
    let parts: Vec<String> =
        bars.iter().map(|(word, size, _)| format!("{} {word}", units::count(*size))).collect();
    // The library draws from the bottom up.
    bars.reverse();
    let most = bars.iter().map(|(_, size, _)| *size).max().unwrap_or(0);
    let mut series =
        Series::new("devices".to_owned(), bars.iter().map(|(_, size, _)| *size as f32).collect());
    series.colors = Some(bars.iter().map(|(.., color)| Some(*color)).collect());
    series.label_show = true;
    let height = 70 + 34 * u32::try_from(bars.len()).unwrap_or(0);
    let mut chart = HorizontalBarChart::new(vec![series], bars.into_iter().map(|(word, ..)| word).collect());
    dress(&mut chart.base, height, &[BLUE]);
    dress_axis(&mut chart.y_axis_configs, "", most as u64);
    chart.series.label.formatter = "{t}".to_owned();
    chart.legend.show = Some(false);
    chart.margin.right = 70.0;
    let summary = format!("{}.", parts.join(", "));
    Figure::new("Devices by outcome", summary, height, &chart.svg().context("outcomes")?)
}

/// Sets what all drawings have in common.
fn dress(chart: &mut ChartBase, height: u32, colors: &[Color]) {
    chart.width = WIDTH as f32;
    chart.height = height as f32;
    chart.background_color = Color::transparent();
    chart.series.colors = colors.to_vec();
    chart.grid.stroke_color = GREY.with_alpha(70);
    chart.x_axis.stroke_color = GREY;
    chart.x_axis.font.size = FONT_SIZE;
    chart.legend.font.size = FONT_SIZE;
    chart.series.label.font.size = FONT_SIZE;
    // Labels beneath the last bar may reach beyond it.
    chart.margin = (8.0, 8.0, 36.0, 8.0).into();
}

/// Scales the axis of values from zero to a round number not below `most`.
fn dress_axis(axes: &mut [YAxisConfig], title: &str, most: u64) {
    let step = round_tick(most);
    let ticks = most.div_ceil(step).max(1);
    for axis in axes {
        axis.font.size = FONT_SIZE;
        axis.stroke_color = GREY;
        axis.formatter = Some("{t}".to_owned());
        axis.title = (!title.is_empty()).then(|| title.to_owned());
        axis.min = Some(0.0);
        axis.max = Some((ticks * step) as f32);
        axis.split_number = usize::try_from(ticks).unwrap_or(1);
    }
}

/// Returns 1, 2 or 5 times a power of ten: the least of these that reaches `most` in at most six steps.
fn round_tick(most: u64) -> u64 {
    let powers = (0..19).map(|power| 10u64.pow(power));
    let mut ticks = powers.flat_map(|power| [power, power * 2, power.saturating_mul(5)]);
    ticks.find(|tick| most.div_ceil(*tick) <= 6).unwrap_or(u64::MAX)
}

/// As large as the page's small print.
const FONT_SIZE: f32 = 13.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_soon_after_the_data() {
        let end = |most: u64| round_tick(most) * most.div_ceil(round_tick(most));
        assert_eq!([1, 7, 193, 450, 1_802, 12_345].map(end), [1, 8, 200, 500, 2_000, 15_000]);
        assert_eq!([0, u64::MAX].map(round_tick), [1, 5_000_000_000_000_000_000]);
    }
}
