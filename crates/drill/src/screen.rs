//! What whoever runs a drill sees meanwhile: a line that moves on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use load::{Live, put_off::Teller};
use report::{Check, Outcome};

use load::pause;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Where nobody looks at a line that moves, how often a load says how it goes.
const SAY_EVERY: u32 = 100;

/// Tells how it goes, on standard error.
#[derive(Debug)]
pub(crate) struct Screen {
    /// Nothing where standard error is no terminal.
    line: Option<ProgressBar>,
    /// Parts in all, and the one that runs.
    parts: usize,
    part: usize,
}

impl Screen {
    pub(crate) fn new(parts: usize) -> Self {
        let line = std::io::stderr().is_terminal().then(|| {
            let line = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {prefix:.bold} {wide_msg}");
            line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            line.enable_steady_tick(LOOK_EVERY);
            line
        });
        Self { line, parts, part: 0 }
    }

    /// The next part begins; `then` comes after it.
    pub(crate) fn part(&mut self, title: &str, then: &str) {
        self.part += 1;
        let text = format!("[{}/{}] {title}", self.part, self.parts);
        match &self.line {
            Some(line) => {
                line.set_prefix(text);
                line.set_message(format!("then: {then}"));
            }
            None => say(&text),
        }
    }

    /// What is being done.
    pub(crate) fn doing(&self, what: &str) {
        if let Some(line) = &self.line {
            line.set_message(what.to_owned());
        }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        match &self.line {
            Some(line) => line.println(text),
            None => say(text),
        }
    }

    /// Somebody who may say lines besides.
    pub(crate) fn teller(&self) -> Teller {
        let line = self.line.clone();
        Teller(Arc::new(move |text| match &line {
            Some(line) => line.println(text),
            None => say(text),
        }))
    }

    /// What a check came to.
    pub(crate) fn check(&self, check: &Check) {
        let mark = match check.outcome {
            Outcome::Passed => "ok     ",
            Outcome::Failed => "FAILED ",
            Outcome::Invalid => "invalid",
            Outcome::NotExercised => "not run",
        };
        self.say(&format!("  {mark} {}: {}", check.title, check.detail));
        for line in &check.evidence {
            self.say(&format!("            {line}"));
        }
    }

    /// Shows a load until it has ended.
    pub(crate) fn follow(&self, what: &str, live: &Arc<Live>, ended: impl Fn() -> bool) {
        let mut before = (0, 0, 0);
        let mut looks = 0_u32;
        while !ended() {
            pause::sleep(LOOK_EVERY);
            looks += 1;
            if looks.is_multiple_of(10) {
                let now = live.counts();
                let text = format!(
                    "{what}: {} a second, {} well, {} not; {} in all",
                    now.0 - before.0,
                    now.1 - before.1,
                    now.2 - before.2,
                    now.0
                );
                before = now;
                match &self.line {
                    Some(line) => line.set_message(text),
                    None if looks.is_multiple_of(SAY_EVERY) => say(&format!("    {text}")),
                    None => {}
                }
            }
        }
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

/// Says something on standard error; if nobody listens there is nobody to tell.
pub(crate) fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}
