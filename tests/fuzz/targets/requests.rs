//! Fuzzes [`barewire_fuzz::serving::Site::requests`].
#![no_main]

use std::sync::LazyLock;

use barewire_fuzz::serving::Site;

static SITE: LazyLock<Site> = LazyLock::new(Site::in_temp_dir);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| SITE.requests(bytes));
