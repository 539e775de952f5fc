//! libFuzzer's way into `kith_fuzz::bundle_map`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    kith_fuzz::bundle_map(data);
});
