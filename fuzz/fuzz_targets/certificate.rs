//! libFuzzer's way into `kith_fuzz::certificate`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    kith_fuzz::certificate(data);
});
