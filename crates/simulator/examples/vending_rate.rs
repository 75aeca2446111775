//! Prints how close vending comes to AWS's ceiling (see `simulator::vending`).
//!
//! `cargo run -p bulkhead-simulator --example vending_rate [ACCOUNTS [OTHER_TRAFFIC_PERCENT [SEED]]]`

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let accounts = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let other_traffic = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let seed = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build()?;
    println!(
        "{}",
        runtime.block_on(simulator::vending(accounts, seed, other_traffic))?
    );
    Ok(())
}
