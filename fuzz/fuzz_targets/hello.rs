//! libFuzzer's way into `kith_fuzz::hello`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    kith_fuzz::hello(data);
});
