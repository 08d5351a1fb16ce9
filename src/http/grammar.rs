//! Sets of bytes from the grammar, and the only parsers of numbers in the protocol.
//!
//! `u64::from_str("+5")` and `from_str_radix("+5", 16)` succeed in the standard library, but a sign is no DIGIT (RFC
//! 5234). Two servers that disagree about `Content-Length: +5` allow request smuggling, so [`decimal`] and
//! [`hexadecimal`] are written here and used everywhere; a test of the sources enforces it.

/// The most digits of a decimal number: 18 digits always fit into a `u64`.
pub const DECIMAL_DIGITS: usize = 18;
/// The most digits of a chunk size: 15 hexadecimal digits always fit into a `u64`.
pub const HEXADECIMAL_DIGITS: usize = 15;

/// tchar (RFC 9110 §5.6.2): a byte of a method, a field name or a parameter name.
pub fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `bytes` is a token: one tchar or more.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_tchar(b))
}

/// A byte that a field value may contain (RFC 9110 §5.5): VCHAR, SP, HTAB, obs-text.
pub const fn is_field_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff)
}

/// OWS (RFC 9110 §5.6.3): space or tab.
pub const fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The bytes without OWS at either end, as a part of them. Unlike `trim_ascii`, it leaves CR and LF, which are no OWS.
pub fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().take_while(|&&b| is_ows(b)).count();
    let end = bytes.iter().rposition(|&b| !is_ows(b)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// 1*DIGIT, at most [`DECIMAL_DIGITS`] of them; no sign, no space, no list.
pub fn decimal(bytes: &[u8]) -> Option<u64> {
    // The bound on the length also makes an overflow impossible.
    let is_number = (1..=DECIMAL_DIGITS).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit);
    is_number.then(|| bytes.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// 1*HEXDIG, at most [`HEXADECIMAL_DIGITS`] of them.
pub fn hexadecimal(bytes: &[u8]) -> Option<u64> {
    // Leading zeros count too: RFC 9112 §7.1 allows any number of them, and real senders have none.
    if !(1..=HEXADECIMAL_DIGITS).contains(&bytes.len()) {
        return None;
    }
    // Fifteen digits are 60 bits, so nothing is shifted out.
    bytes.iter().try_fold(0, |sum, &b| Some(sum << 4 | u64::from(hex_digit(b)?)))
}

/// The value of one HEXDIG, either case.
pub fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|value| value as u8)
}

/// Appends a number in decimal digits. Without `fmt`, since every response head and log line has several numbers.
pub fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    // The last digit comes first, so the array is filled from its end.
    let mut digits = [0u8; 20]; // u64::MAX in decimal
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_a_space_or_too_many_digits_are_no_number() {
        for (text, number) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("999999999999999999", Some(999_999_999_999_999_999)),
            ("1000000000000000000", None),
            ("", None),
            ("+5", None),
            ("-5", None),
            (" 5", None),
            ("5 ", None),
            ("5,5", None),
            ("0x5", None),
            ("٥", None),
        ] {
            assert_eq!(decimal(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn a_chunk_size_is_hexadecimal_digits_and_nothing_else() {
        for (text, number) in [
            ("0", Some(0)),
            ("fF", Some(255)),
            ("fffffffffffffff", Some(0xfff_ffff_ffff_ffff)),
            ("1000000000000000", None),
            ("+5", None),
            ("0x5", None),
            ("5 ", None),
            ("g", None),
            ("", None),
        ] {
            assert_eq!(hexadecimal(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_fmt_writes_them() {
        for number in [0, 9, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn whitespace_is_trimmed_at_both_ends_only() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
    }
}
