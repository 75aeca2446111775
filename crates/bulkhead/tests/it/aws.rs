//! The simulated organization, on TCP, in a thread of its own.

use std::{collections::BTreeMap, net::SocketAddr, sync::mpsc, thread, time::Duration};

use orgsim::{AccountView, Call, Limits, Orgsim, Settings, real_clock, serve};
use tokio::sync::oneshot;

/// How much faster than the machine's the organization's clock runs: an account takes 0.5 to 2.4 s instead of 10 to 48.
const SPEED: f64 = 20.0;

/// A served organization. Stops when dropped.
pub(crate) struct Aws {
    pub(crate) orgsim: Orgsim,
    pub(crate) address: SocketAddr,
    // Dropping it ends the server.
    _stop: oneshot::Sender<()>,
}

impl Aws {
    pub(crate) fn start() -> Self {
        Self::serve(Self::organization(|_| {}), any_port())
    }

    /// As [`Aws::start`], with other settings.
    pub(crate) fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::serve(Self::organization(change), any_port())
    }

    /// An organization that nobody can reach yet.
    pub(crate) fn organization(change: impl FnOnce(&mut Settings)) -> Orgsim {
        let mut settings = Settings {
            limits: Limits::Relaxed,
            // The network is real.
            latency: (Duration::ZERO, Duration::ZERO),
            ..Settings::default()
        };
        change(&mut settings);
        let clock = real_clock(settings.start, SPEED);
        Orgsim::new(settings, clock)
    }

    pub(crate) fn serve(orgsim: Orgsim, address: SocketAddr) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let served = orgsim.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let running = serve(served, address, any_port()).await.unwrap();
                tell.send(running.address).unwrap();
                // An error says that the sender is gone, which is what is waited for.
                let _ = stopped.await;
            });
        });
        let address = told.recv().unwrap();
        Self {
            orgsim,
            address,
            _stop: stop,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The accounts Bulkhead could have made, by name.
    pub(crate) fn members(&self) -> BTreeMap<String, AccountView> {
        let state = self.orgsim.state();
        let members: Vec<AccountView> = state
            .accounts
            .into_iter()
            .filter(|account| account.id != state.management_account_id)
            .collect();
        let by_name: BTreeMap<_, _> = members
            .iter()
            .map(|account| (account.name.clone(), account.clone()))
            .collect();
        assert_eq!(
            by_name.len(),
            members.len(),
            "two accounts of the same name: {members:?}"
        );
        by_name
    }

    /// How often this operation was called, refused calls included.
    pub(crate) fn count(&self, operation: &str) -> usize {
        let calls = self.orgsim.calls();
        calls.iter().filter(|call| call.operation == operation).count()
    }

    /// Calls that change the organization, or would.
    pub(crate) fn mutations(&self) -> Vec<Call> {
        let mut calls = self.orgsim.calls();
        calls.retain(|call| !reads_only(&call.operation));
        calls
    }

    /// Exactly one account per CreateAccount call, and this many of them.
    pub(crate) fn assert_exactly(&self, accounts: usize) {
        let state = self.orgsim.state();
        let members = self.members();
        assert_eq!(members.len(), accounts, "accounts: {members:#?}");
        assert_eq!(
            state.creations.len(),
            accounts,
            "requests that AWS accepted: {:#?}",
            state.creations
        );
    }
}

/// Does this operation change nothing?
pub(crate) fn reads_only(operation: &str) -> bool {
    ["List", "Describe", "Get", "AssumeRole"]
        .iter()
        .any(|read| operation.starts_with(read))
}

/// A port of the loopback address that the operating system picks.
pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
