// Exact positions. A coordinate is a BigInt in units of 2^-bits: differences are exact at any
// zoom, and only a difference that is small on the screen ever becomes a float.

class Fixed {
  constructor(bits) {
    this.bits = bits;
    this.shift = BigInt(bits);
    this.unit = 2 ** -bits;
  }

  toNumber(x) {
    return Number(x) * this.unit;
  }

  // Times a power of two a double keeps all its digits, so nothing is lost above 2^-bits.
  fromNumber(value) {
    return BigInt(Math.round(value * 2 ** this.bits));
  }

  // Decimal, exponent or p/q text; null if it is none of them. Rounded once, to 2^-bits.
  parse(text) {
    const match = /^\s*([+-]?)(?:(\d+)\s*\/\s*(\d+)|(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,4}))?)\s*$/.exec(text);
    if (!match) return null;
    const [, minus, numerator, denominator, whole = "", fraction = "", power = "0"] = match;
    let top, bottom;
    if (numerator !== undefined) {
      [top, bottom] = [BigInt(numerator), BigInt(denominator)];
    } else {
      if (whole + fraction === "") return null;
      const exponent = Number(power) - fraction.length;
      top = BigInt(whole + fraction) * 10n ** BigInt(Math.max(0, exponent));
      bottom = 10n ** BigInt(Math.max(0, -exponent));
    }
    if (bottom === 0n) return null;
    const value = ((top << (this.shift + 1n)) + bottom) / (2n * bottom);
    return minus === "-" ? -value : value;
  }

  // With `places` decimals, rounded to nearest; trailing zeros go.
  format(x, places) {
    const scaled = (abs(x) * 10n ** BigInt(places) * 2n + (1n << this.shift)) >> (this.shift + 1n);
    const digits = scaled.toString().padStart(places + 1, "0");
    const cut = digits.length - places;
    const fraction = digits.slice(cut).replace(/0+$/, "");
    return (x < 0n && scaled ? "−" : "") + digits.slice(0, cut) + (fraction && "." + fraction);
  }

  // All the decimals that the stored precision gives.
  formatAll(x) {
    return this.format(x, Math.ceil(this.bits * Math.LOG10E * Math.LN2));
  }
}

function abs(x) {
  return x < 0n ? -x : x;
}

function fromHex(text) {
  return text.startsWith("-") ? -BigInt("0x" + text.slice(1)) : BigInt("0x" + text);
}

// p/q in lowest terms, decimal.
function fraction(p, q) {
  let [a, b] = [abs(p), q];
  while (b) [a, b] = [b, a % b];
  return q === a ? `${p / a}` : `${p / a}/${q / a}`;
}
