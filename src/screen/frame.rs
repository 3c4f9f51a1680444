//! How lines get onto a terminal so that nothing flickers and nothing is left of them: a pure value that knows what was
//! drawn last, and what to write next.

use console::measure_text_width;

/// Lines that are drawn at the end of what a terminal shows, and drawn anew over themselves. The cursor rests behind the
/// last of them.
#[derive(Debug, Default)]
pub(super) struct Frame {
    lines: Vec<String>,
}

impl Frame {
    /// What to write so that `printed` stands above for good, and `lines` below it, in place of those that were drawn
    /// last; empty where nothing changes. The terminal is `width` wide and `height` high now, and may have had another
    /// size before. No line of `lines` may reach its last column.
    pub fn draw(&mut self, printed: &[String], lines: Vec<String>, (width, height): (usize, usize)) -> String {
        let rows = self.rows(width);
        let same = rows == self.lines.len() && lines == self.lines;
        if printed.is_empty() && same {
            return String::new();
        }
        let mut text = home(rows, height);
        // A terminal joins broken lines again when it becomes wider, unless they were cleared.
        let broken = rows > self.lines.len();
        if broken || (printed.is_empty() && lines.is_empty()) {
            text.push_str(&blank(rows.min(height)));
        }
        for line in printed {
            text.push_str(&whole(line, width));
        }
        let ended: Vec<String> = lines.iter().map(|line| format!("{line}\x1b[K")).collect();
        text.push_str(&ended.join("\n"));
        if (1..rows).contains(&(printed.len() + lines.len())) {
            text.push_str("\x1b[J");
        }
        self.lines = lines;
        text
    }

    /// The rows that the lines take: a terminal that has become narrower breaks them.
    fn rows(&self, width: usize) -> usize {
        let rows = |line: &String| measure_text_width(line).div_ceil(width.max(1)).max(1);
        self.lines.iter().map(rows).sum()
    }
}

/// To the beginning of the first of so many rows that are on the screen.
fn home(rows: usize, height: usize) -> String {
    match rows.saturating_sub(1).min(height.saturating_sub(1)) {
        0 => "\r".to_owned(),
        up => format!("\r\x1b[{up}A"),
    }
}

/// A line over what stood there. Nothing is cleared before it is overwritten: that would flicker.
fn whole(line: &str, width: usize) -> String {
    // Behind a line that fills its row the cursor is still on its last letter.
    let columns = measure_text_width(line);
    let fills = columns > 0 && columns.is_multiple_of(width.max(1));
    format!("{line}{}\n", if fills { "" } else { "\x1b[K" })
}

/// So many blank rows, and back to the first. (To clear a whole screen at once moves it into the history of some terminals.)
fn blank(rows: usize) -> String {
    let blank = vec!["\x1b[K"; rows.max(1)].join("\n");
    match rows.saturating_sub(1) {
        0 => blank,
        up => format!("{blank}\r\x1b[{up}A"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn lines_are_written_over_themselves() {
        let mut frame = Frame::default();
        let mut draw = |drawn: &[&str]| frame.draw(&[], lines(drawn), (80, 24));
        assert_eq!(draw(&["one", "bar"]), "\rone\x1b[K\nbar\x1b[K");
        assert_eq!(draw(&["one", "bar"]), "");
        assert_eq!(draw(&["two", "bar"]), "\r\x1b[1Atwo\x1b[K\nbar\x1b[K");
        assert_eq!(draw(&["bar"]), "\r\x1b[1Abar\x1b[K\x1b[J");
        assert_eq!(draw(&[]), "\r\x1b[K");
        assert_eq!(draw(&[]), "");
        assert_eq!(draw(&["one", "bar"]), "\rone\x1b[K\nbar\x1b[K");
        assert_eq!(draw(&[]), "\r\x1b[1A\x1b[K\n\x1b[K\r\x1b[1A");
    }

    #[test]
    fn what_is_printed_takes_their_place() {
        let mut frame = Frame::default();
        let _ = frame.draw(&[], lines(&["one", "two", "six", "bar"]), (4, 24));
        let text = frame.draw(&lines(&["done"]), lines(&["two", "bar"]), (4, 24));
        assert_eq!(text, "\r\x1b[3Adone\ntwo\x1b[K\nbar\x1b[K\x1b[J");
        let text = frame.draw(&lines(&["a", ""]), lines(&["bar"]), (4, 24));
        assert_eq!(text, "\r\x1b[1Aa\x1b[K\n\x1b[K\nbar\x1b[K");
    }

    #[test]
    fn lines_that_a_narrower_terminal_broke_are_overwritten_whole() {
        let mut frame = Frame::default();
        let _ = frame.draw(&[], lines(&["12345678", "\x1b[1m1234\x1b[0m", ""]), (80, 24));
        // Three rows, two, one.
        let text = frame.draw(&[], lines(&["bar"]), (3, 24));
        let blank = ["\x1b[K"; 6].join("\n");
        assert_eq!(text, format!("\r\x1b[5A{blank}\r\x1b[5Abar\x1b[K\x1b[J"));
        let _ = frame.draw(&[], lines(&["12345678"; 20]), (80, 24));
        // Never beyond the top.
        assert!(frame.draw(&[], vec![], (4, 10)).starts_with("\r\x1b[9A"));
    }
}
