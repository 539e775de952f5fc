//! libFuzzer's way into `kith_fuzz::chain`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    kith_fuzz::chain(data);
});
