// Keccak-256, as Ethereum uses it: the signal hash of a message is made with it.

const MASK = (1n << 64n) - 1n;
const RATE = 136;
const ROTATIONS = [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14].map(BigInt);
const CONSTANTS = roundConstants();

const rotate = (word, by) => ((word << by) | (word >> (64n - by))) & MASK;

/** The constants of the 24 rounds, from the shift register that defines them. */
function roundConstants() {
  let register = 1;
  const bit = () => {
    const out = register & 1;
    register <<= 1;
    if (register & 0x100) register ^= 0x171;
    return out;
  };
  return Array.from({ length: 24 }, () => {
    let constant = 0n;
    for (let power = 0n; power < 7n; power++) if (bit()) constant |= 1n << ((1n << power) - 1n);
    return constant;
  });
}

function permute(state) {
  for (const constant of CONSTANTS) {
    const parity = [0, 1, 2, 3, 4].map((x) => state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]);
    const mixed = parity.map((_, x) => parity[(x + 4) % 5] ^ rotate(parity[(x + 1) % 5], 1n));
    const moved = new Array(25);
    for (let y = 0; y < 5; y++) {
      for (let x = 0; x < 5; x++) moved[y + 5 * ((2 * x + 3 * y) % 5)] = rotate(state[x + 5 * y] ^ mixed[x], ROTATIONS[x + 5 * y]);
    }
    for (let at = 0; at < 25; at++) {
      const row = at - (at % 5);
      state[at] = moved[at] ^ (~moved[row + ((at + 1) % 5)] & MASK & moved[row + ((at + 2) % 5)]);
    }
    state[0] ^= constant;
  }
}

/** The Keccak-256 hash of bytes. */
export function keccak256(bytes) {
  const padded = new Uint8Array((Math.floor(bytes.length / RATE) + 1) * RATE);
  padded.set(bytes);
  padded[bytes.length] ^= 0x01;
  padded[padded.length - 1] ^= 0x80;
  const state = new Array(25).fill(0n);
  const view = new DataView(padded.buffer);
  for (let block = 0; block < padded.length; block += RATE) {
    for (let word = 0; word < RATE / 8; word++) state[word] ^= view.getBigUint64(block + 8 * word, true);
    permute(state);
  }
  const hash = new DataView(new ArrayBuffer(32));
  for (let word = 0; word < 4; word++) hash.setBigUint64(8 * word, state[word], true);
  return new Uint8Array(hash.buffer);
}
