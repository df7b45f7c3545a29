#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| longhaul_state_tests::fuzz::history(data));
