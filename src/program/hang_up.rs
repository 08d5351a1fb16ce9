//! What the signal HUP does, which a terminal sends to its programs when it is closed.
//!
//! It stops the server: no user would see any more that it runs. But `nohup` starts a program with HUP ignored, and then
//! it stays so. Which signals are ignored is known from `/proc` alone: asking the kernel itself needs `unsafe`.

use barewire::net::server::HangUp;

/// The number of HUP on every machine that Linux runs on.
const SIGHUP: u32 = 1;

/// As this process was started. Call it before access to `/proc` is restricted, and before anything handles HUP.
/// Without `/proc` HUP stops the server.
pub(crate) fn inherited() -> HangUp {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if ignores(&status, SIGHUP) { HangUp::Ignored } else { HangUp::Stops }
}

/// Whether a process with this `/proc/PID/status` ignores a signal: bit 0 of `SigIgn` is signal 1.
fn ignores(status: &str, signal: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_ignored_only_where_its_own_bit_is_set() {
        for (mask, expected) in [("0000000000000001", true), ("0000000000001000", false), ("", false), ("x", false)] {
            let status = format!("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t0000000000000001\n");
            assert_eq!(ignores(&status, SIGHUP), expected, "{mask}");
        }
        assert!(!ignores("", SIGHUP));
    }
}
