//! libFuzzer's way into `kith_fuzz::spiffe_id`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    kith_fuzz::spiffe_id(data);
});
