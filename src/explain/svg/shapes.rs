//! The elements that pictures are made of.

use std::io;

use quick_xml::events::BytesText;

use super::Canvas;

const SANS: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const MONO: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/// How a text is set.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub family: &'static str,
    pub size: u32,
    pub weight: u32,
    pub fill: &'static str,
    pub anchor: &'static str,
}

impl Type {
    pub fn mono(fill: &'static str) -> Self {
        Self {
            family: MONO,
            size: 12,
            weight: 400,
            fill,
            anchor: "start",
        }
    }

    pub fn sans(size: u32, weight: u32, fill: &'static str, anchor: &'static str) -> Self {
        Self {
            family: SANS,
            size,
            weight,
            fill,
            anchor,
        }
    }
}

impl Canvas {
    pub fn named(&mut self, element: &str, id: &str, text: &str) -> io::Result<()> {
        self.writer
            .create_element(element)
            .with_attributes([("id", id)])
            .write_text_content(BytesText::new(text))?;
        Ok(())
    }

    pub fn rect(
        &mut self,
        (x, y, width, height): (u32, u32, u32, u32),
        radius: u32,
        fill: &str,
        edge: &str,
    ) -> io::Result<()> {
        let numbers = [x, y, width, height, radius].map(|number| number.to_string());
        let [x, y, width, height, radius] = numbers.each_ref().map(String::as_str);
        let attributes = [
            ("x", x),
            ("y", y),
            ("width", width),
            ("height", height),
            ("rx", radius),
            ("fill", fill),
            ("stroke", edge),
        ];
        self.writer
            .create_element("rect")
            .with_attributes(attributes)
            .write_empty()?;
        Ok(())
    }

    pub fn text(&mut self, (x, y): (u32, u32), text: &str, how: Type) -> io::Result<()> {
        let numbers = [x, y, how.size, how.weight].map(|number| number.to_string());
        let [x, y, size, weight] = numbers.each_ref().map(String::as_str);
        let attributes = [
            ("x", x),
            ("y", y),
            ("font-family", how.family),
            ("font-size", size),
            ("font-weight", weight),
            ("fill", how.fill),
            ("text-anchor", how.anchor),
        ];
        self.writer
            .create_element("text")
            .with_attributes(attributes)
            .write_text_content(BytesText::new(text))?;
        Ok(())
    }
}
