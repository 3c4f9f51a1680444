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
        let reflowed = self.rows(width) > self.lines.len();
        if printed.is_empty() && !reflowed && lines == self.lines {
            return String::new();
        }
        let mut text = self.home(width, height);
        // Otherwise lines are overwritten, not cleared: that would flicker.
        if reflowed || !printed.is_empty() {
            text.push_str("\x1b[J");
        }
        for line in printed {
            text.push_str(line);
            text.push('\n');
        }
        let ended: Vec<String> = lines.iter().map(|line| format!("{line}\x1b[K")).collect();
        text.push_str(&ended.join("\n"));
        if lines.len() < self.lines.len() {
            text.push_str("\x1b[J");
        }
        self.lines = lines;
        text
    }

    /// To the beginning of the first line.
    fn home(&self, width: usize, height: usize) -> String {
        match self.rows(width).saturating_sub(1).min(height.saturating_sub(1)) {
            0 => "\r".to_owned(),
            up => format!("\r\x1b[{up}A"),
        }
    }

    /// The rows that the lines take: a terminal that has become narrower breaks them.
    fn rows(&self, width: usize) -> usize {
        let rows = |line: &String| measure_text_width(line).div_ceil(width.max(1)).max(1);
        self.lines.iter().map(rows).sum()
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
        let size = (80, 24);
        assert_eq!(frame.draw(&[], lines(&["one", "bar"]), size), "\rone\x1b[K\nbar\x1b[K");
        assert_eq!(frame.draw(&[], lines(&["one", "bar"]), size), "");
        assert_eq!(
            frame.draw(&[], lines(&["two", "bar"]), size),
            "\r\x1b[1Atwo\x1b[K\nbar\x1b[K"
        );
        assert_eq!(frame.draw(&[], lines(&["bar"]), size), "\r\x1b[1Abar\x1b[K\x1b[J");
        assert_eq!(frame.draw(&[], vec![], size), "\r\x1b[J");
        assert_eq!(frame.draw(&[], lines(&["bar"]), size), "\rbar\x1b[K");
    }

    #[test]
    fn what_is_printed_takes_their_place() {
        let mut frame = Frame::default();
        let _ = frame.draw(&[], lines(&["one", "two", "bar"]), (80, 24));
        let text = frame.draw(&lines(&["done"]), lines(&["two", "bar"]), (80, 24));
        assert_eq!(text, "\r\x1b[2A\x1b[Jdone\ntwo\x1b[K\nbar\x1b[K\x1b[J");
    }

    #[test]
    fn lines_that_a_narrower_terminal_broke_are_cleared_whole() {
        let mut frame = Frame::default();
        let _ = frame.draw(&[], lines(&["12345678", "\x1b[1m1234\x1b[0m", ""]), (80, 24));
        // Three rows, two, one.
        let text = frame.draw(&[], lines(&["bar"]), (3, 24));
        assert!(text.starts_with("\r\x1b[5A\x1b[J"), "{text:?}");
        let _ = frame.draw(&[], lines(&["12345678"; 20]), (80, 24));
        // Never beyond the top.
        assert!(frame.draw(&[], vec![], (4, 10)).starts_with("\r\x1b[9A"));
    }
}
