//! The lines of a watch: events at the moment they arrive, bookmarks, the end, and what a fault plan does to them.

use crate::{
    Shared,
    failure::Failure,
    faults::{Fault, Hit, Moment, Occasion},
    server::Bookmarks,
    store::{Frame, event},
};
use bytes::Bytes;
use futures::Stream;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// A watch under way.
struct Live {
    shared: Arc<Shared>,
    frames: mpsc::UnboundedReceiver<Frame>,
    bookmarks: Bookmarks,
    next_bookmark: Instant,
    ends: Instant,
    /// What a fault plan is asked about its lines.
    occasion: Option<Occasion>,
    /// An error was the last line.
    over: bool,
}

/// What happens next on a watch.
enum Next {
    Frame(Option<Frame>),
    Bookmark,
    End,
}

/// The lines of a watch that lasts so long.
pub(crate) fn lines(
    shared: &Arc<Shared>,
    frames: mpsc::UnboundedReceiver<Frame>,
    bookmarks: Bookmarks,
    lasts: Duration,
    occasion: Option<Occasion>,
) -> impl Stream<Item = Bytes> + Send + use<> {
    let now = Instant::now();
    let live = Live {
        shared: shared.clone(),
        frames,
        bookmarks,
        next_bookmark: now + shared.bookmark_period,
        ends: now + lasts,
        occasion,
        over: false,
    };
    futures::stream::unfold(live, |mut live| async move {
        live.next().await.map(|line| (line, live))
    })
}

impl Live {
    /// The next line, `None` at the end of the watch.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        loop {
            let next = tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.ends) => Next::End,
                frame = self.frames.recv() => Next::Frame(frame),
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks.wanted => Next::Bookmark,
            };
            match next {
                Next::End | Next::Frame(None) => return None,
                Next::Frame(Some((due, line))) => {
                    let hit = self.strike(Moment::Event);
                    let due = due + hit.map_or(Duration::ZERO, |hit| hit.delay);
                    // An event that would arrive after the end is lost; the client resumes before it.
                    if due > self.ends {
                        tokio::time::sleep_until(self.ends).await;
                        return None;
                    }
                    tokio::time::sleep_until(due).await;
                    return self.after(hit, line);
                }
                Next::Bookmark => {
                    self.next_bookmark = Instant::now() + self.shared.bookmark_period;
                    if let Some(line) = self.bookmark() {
                        let hit = self.strike(Moment::Bookmark);
                        return self.after(hit, line);
                    }
                }
            }
        }
    }

    fn strike(&self, moment: Moment) -> Option<Hit> {
        let occasion = self.occasion.as_ref()?;
        let mut state = self.shared.state();
        if !state.has_faults() {
            return None;
        }
        state.now = (self.shared.clock)();
        state.strike(Occasion {
            moment,
            ..occasion.clone()
        })
    }

    /// What is sent in place of a line.
    fn after(&mut self, hit: Option<Hit>, line: Bytes) -> Option<Bytes> {
        match hit.map(|hit| hit.fault) {
            Some(Fault::WatchBroken) => None,
            Some(Fault::Gone) => {
                self.over = true;
                let failure = Failure::expired("The resourceVersion for the provided watch is too old.");
                Some(event("ERROR", &failure.to_json()))
            }
            _ => Some(line),
        }
    }

    /// A bookmark promises that everything up to its version has been sent.
    fn bookmark(&self) -> Option<Bytes> {
        let state = self.shared.state();
        self.frames.is_empty().then(|| {
            let version = state.store.version().to_string();
            event(
                "BOOKMARK",
                &json!({
                    "apiVersion": self.bookmarks.api_version, "kind": self.bookmarks.kind,
                    "metadata": {"resourceVersion": version},
                }),
            )
        })
    }
}
