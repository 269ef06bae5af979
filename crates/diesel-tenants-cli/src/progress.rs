//! How far long work is, for somebody who watches.
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::App;

impl App<'_> {
    /// A bar on stderr that counts to `length`; nothing where nobody watches.
    pub(crate) fn progress(&self, length: u64, what: &'static str) -> ProgressBar {
        if !self.output.shows_progress() {
            return ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        }
        let style =
            ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed} (about {eta} left)");
        let style = style.expect("the template is a constant");
        ProgressBar::new(length)
            .with_style(style)
            .with_message(what)
    }
}
