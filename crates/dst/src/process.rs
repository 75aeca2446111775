//! One operator process that can be made to crash anywhere.

use futures::future::LocalBoxFuture;
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

/// Where a process crashes. All counts begin at 1, with the start of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Instead of its n-th poll.
    Poll(u64),
    /// Before its n-th AWS call has an effect: the request never leaves.
    BeforeAws(u64),
    /// After the effect of its n-th AWS call, before the answer arrives.
    AfterAws(u64),
    /// Before its n-th request to the API server has an effect.
    BeforeKubernetes(u64),
    /// After the effect of its n-th request to the API server.
    AfterKubernetes(u64),
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(n) => write!(f, "at poll {n}"),
            Self::BeforeAws(n) => write!(f, "before AWS call {n}"),
            Self::AfterAws(n) => write!(f, "after AWS call {n}"),
            Self::BeforeKubernetes(n) => write!(f, "before Kubernetes request {n}"),
            Self::AfterKubernetes(n) => write!(f, "after Kubernetes request {n}"),
        }
    }
}

/// How often a process was polled and called out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) polls: u64,
    pub(crate) aws: u64,
    pub(crate) kubernetes: u64,
}

/// The thread a process's life hangs by: shared by its wires and its future.
#[derive(Clone, Debug, Default)]
pub(crate) struct Thread(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    trigger: Option<Trigger>,
    counts: Counts,
    cut: bool,
}

impl Thread {
    pub(crate) fn new(trigger: Option<Trigger>) -> Self {
        let state = State {
            trigger,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An AWS call begins: its number, and whether the process crashes before its effect.
    pub(crate) fn aws_begins(&self) -> (u64, bool) {
        let mut state = self.state();
        state.counts.aws += 1;
        let n = state.counts.aws;
        (n, state.cut_at(Trigger::BeforeAws(n)))
    }

    /// The effect of an AWS call is done: does the process crash before the answer?
    pub(crate) fn aws_effected(&self, n: u64) -> bool {
        self.state().cut_at(Trigger::AfterAws(n))
    }

    /// As [`Thread::aws_begins`], for requests to the API server.
    pub(crate) fn kubernetes_begins(&self) -> (u64, bool) {
        let mut state = self.state();
        state.counts.kubernetes += 1;
        let n = state.counts.kubernetes;
        (n, state.cut_at(Trigger::BeforeKubernetes(n)))
    }

    /// As [`Thread::aws_effected`], for requests to the API server.
    pub(crate) fn kubernetes_effected(&self, n: u64) -> bool {
        self.state().cut_at(Trigger::AfterKubernetes(n))
    }

    /// It does not crash any more.
    pub(crate) fn spare(&self) {
        self.state().trigger = None;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.state().cut
    }
}

impl State {
    fn cut_at(&mut self, point: Trigger) -> bool {
        self.cut |= self.trigger == Some(point);
        self.cut
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It crashed where its trigger said.
    Crashed,
    /// It ended by itself: a defect.
    Returned,
}

/// A process. Dropping it is a crash, too.
pub(crate) struct Process {
    pub(crate) thread: Thread,
    future: LocalBoxFuture<'static, ()>,
}

impl Process {
    pub(crate) fn new(thread: Thread, future: LocalBoxFuture<'static, ()>) -> Self {
        Self { thread, future }
    }
}

impl Future for Process {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        {
            let mut state = self.thread.state();
            state.counts.polls += 1;
            let n = state.counts.polls;
            if state.cut_at(Trigger::Poll(n)) {
                return Poll::Ready(End::Crashed);
            }
        }
        match self.future.as_mut().poll(context) {
            _ if self.thread.is_cut() => Poll::Ready(End::Crashed),
            Poll::Ready(()) => Poll::Ready(End::Returned),
            Poll::Pending => Poll::Pending,
        }
    }
}
