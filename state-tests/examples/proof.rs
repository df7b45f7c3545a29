//! Prints the tables of `docs/proof.md`: `cargo run -p longhaul-state-tests --example proof`.

use longhaul_state_tests::proof;

fn main() {
    let (shortest, longest) = proof::longest_lives();
    println!("{}", proof::table());
    println!("{}", proof::worlds());
    println!("longest lives: {shortest} to {longest} steps");
}
