//! Dates and times, as `PyYAML` takes them and Python's `isoformat` writes them.

use std::fmt::Write as _;

/// Whether a plain scalar is taken for a date: digits as `2001-12-14`, or less strict ones with a time behind.
pub(super) fn looks_like_date(text: &str) -> bool {
    let strict = |text: &str| {
        let form = b"dddd-dd-dd";
        text.len() == form.len()
            && text.bytes().zip(form).all(|(byte, form)| match form {
                b'd' => byte.is_ascii_digit(),
                other => byte == *other,
            })
    };
    text.starts_with(|c: char| c.is_ascii_digit())
        && (strict(text) || Parts::of(text).is_some_and(|parts| parts.time.is_some()))
}

/// The date in ISO form.
///
/// # Errors
/// It is none that the calendar has, or no date at all.
pub(super) fn iso(text: &str) -> Result<String, &'static str> {
    let parts = Parts::of(text).ok_or("this is no date like 2001-12-14, or with a time 2001-12-14 21:59:43")?;
    parts.check()?;
    let mut iso = format!("{:04}-{:02}-{:02}", parts.year, parts.month, parts.day);
    if let Some(time) = &parts.time {
        // Writing to a string does not fail.
        let _ = write!(iso, "T{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
        if time.micros > 0 {
            let _ = write!(iso, ".{:06}", time.micros);
        }
        if let Some(minutes) = time.offset {
            let sign = if minutes < 0 { '-' } else { '+' };
            let _ = write!(iso, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
        }
    }
    Ok(iso)
}

struct Parts {
    year: u32,
    month: u32,
    day: u32,
    time: Option<Time>,
}

struct Time {
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    /// Minutes east of UTC, where it is said.
    offset: Option<i32>,
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let mut rest = Rest(text);
        let year = rest.number(4, 4)?;
        rest.sign("-")?;
        let month = rest.number(1, 2)?;
        rest.sign("-")?;
        let day = rest.number(1, 2)?;
        let time = if rest.0.is_empty() {
            None
        } else {
            Some(Time::of(&mut rest)?)
        };
        rest.0.is_empty().then_some(Self { year, month, day, time })
    }

    fn check(&self) -> Result<(), &'static str> {
        let leap = self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err("a date has a month from 1 to 12"),
        };
        if self.year == 0 || !(1..=days).contains(&self.day) {
            return Err("the calendar has no such day");
        }
        match &self.time {
            Some(time) if time.hour > 23 || time.minute > 59 || time.second > 59 => Err("the day has no such time"),
            Some(time) if time.offset.is_some_and(|minutes| minutes.abs() >= 24 * 60) => {
                Err("no place has such a time zone")
            }
            _ => Ok(()),
        }
    }
}

impl Time {
    fn of(rest: &mut Rest) -> Option<Self> {
        if rest.sign("T").or_else(|| rest.sign("t")).is_none() {
            rest.blanks(1)?;
        }
        let hour = rest.number(1, 2)?;
        rest.sign(":")?;
        let minute = rest.number(2, 2)?;
        rest.sign(":")?;
        let second = rest.number(2, 2)?;
        let micros = if rest.sign(".").is_some() { rest.micros() } else { 0 };
        let offset = rest.offset()?;
        Some(Self {
            hour,
            minute,
            second,
            micros,
            offset,
        })
    }
}

/// What of a text is still to be read.
struct Rest<'t>(&'t str);

impl Rest<'_> {
    fn sign(&mut self, sign: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(sign)?;
        Some(())
    }

    fn blanks(&mut self, least: usize) -> Option<()> {
        let rest = self.0.trim_start_matches([' ', '\t']);
        let passed = self.0.len() - rest.len();
        self.0 = rest;
        (passed >= least).then_some(())
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        (digits >= least).then(|| number.parse().ok()).flatten()
    }

    /// Digits behind a dot, of which six count.
    fn micros(&mut self) -> u32 {
        let rest = self.0.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = self.0.bytes().take(self.0.len() - rest.len());
        let six = digits.chain(std::iter::repeat(b'0')).take(6);
        self.0 = rest;
        six.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    }

    /// `Z`, `+1`, `-05:30`, or nothing; `None` for anything else.
    #[expect(clippy::option_option, reason = "the inner one says whether there is a time zone")]
    fn offset(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        self.blanks(0);
        if self.sign("Z").is_some() {
            return Some(Some(0));
        }
        let sign = if self.sign("-").is_some() {
            -1
        } else {
            self.sign("+")?;
            1
        };
        let hours = self.number(1, 2)?;
        let minutes = if self.sign(":").is_some() {
            self.number(2, 2)?
        } else {
            0
        };
        Some(Some(sign * i32::try_from(hours * 60 + minutes).ok()?))
    }
}
