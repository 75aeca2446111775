//! Prints how an edited policy travels to many accounts (see `simulator::rollout`).
//!
//! `cargo run -p bulkhead-simulator --example policy_rate [ACCOUNTS [DOCUMENTS [SEED]]]`

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let accounts = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let documents = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let seed = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build()?;
    println!(
        "{}",
        runtime.block_on(simulator::rollout(accounts, documents, seed))?
    );
    Ok(())
}
