//! Mutants of good bytes: the same ones on every machine, so that a mutant that breaks a promise is found again.

/// A generator that gives the same numbers everywhere (xorshift64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn piece(&mut self) -> impl Iterator<Item = u8> + use<> {
        PIECES[self.below(PIECES.len())].iter().copied()
    }
}

/// What attackers put into messages.
const PIECES: [&[u8]; 30] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"\xff",
    b"\x80",
    b"\x0b",
    b",",
    b";",
    b"\"",
    b"=",
    b"+",
    b"%",
    b"%00",
    b"%2e",
    b"../",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    b"HTTP/1.0",
    b"99999999999999999999",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: b\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?token=abcdef HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// A broken relative of one of `seeds`.
pub(crate) fn mutant(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = at + dice.below(bytes.len() - at + 1).min(12);
        match dice.below(7) {
            0 => drop(bytes.splice(at..end, [])),
            1 => drop(bytes.splice(at..at, dice.piece())),
            2 => drop(bytes.splice(at..end, dice.piece())),
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            4 => bytes.extend_from_within(at..end),
            5 => bytes.truncate(at),
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[dice.below(other.len() + 1)..]);
            }
        }
    }
    bytes
}
