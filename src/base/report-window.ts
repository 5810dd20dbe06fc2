/** What of a trace is reported, as it is asked for. Plain data, so that it can cross threads. */
export interface WindowRequest {
  /** Both inclusive; null: from the start, to the end. */
  readonly since: WindowTime | null;
  readonly until: WindowTime | null;
  /** As `bb:ss.f`; none: of all. */
  readonly devices: readonly string[];
}

/** A moment, in nanoseconds of Unix time or after the first time of the trace. */
export interface WindowTime {
  readonly from: 'epoch' | 'first-time';
  readonly nanoseconds: bigint;
}

const BILLION = 1_000_000_000n;
const AFTER_FIRST = /^\+(\d{1,12})(?:\.(\d{1,9}))?$/;
const MOMENT =
  /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?([Zz]|[+-]\d\d:?\d\d)$/;
const BDF = /^(?:0000:)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/;

/** Reads `+120.5`, seconds after the first time of a trace, or an ISO 8601 time with its zone; null: it is neither. */
export function windowTime(text: string): WindowTime | null {
  const after = AFTER_FIRST.exec(text);
  if (after !== null) {
    const [, seconds = '', fraction] = after;
    return { from: 'first-time', nanoseconds: BigInt(seconds) * BILLION + fractionOf(fraction) };
  }
  const [, day = '', minute = '', second = '00', fraction, zone = ''] = MOMENT.exec(text) ?? [];
  const isDay = !Number.isNaN(Date.parse(day)) && new Date(day).toISOString().startsWith(day);
  if (!isDay) return null;
  const offset = zone.replace(/^([+-]\d\d):?(\d\d)$/, '$1:$2').toUpperCase();
  const milliseconds = Date.parse(`${day}T${minute}:${second}Z`.replace('Z', offset));
  // No clock of a trace is before 1970.
  if (Number.isNaN(milliseconds) || milliseconds < 0) return null;
  return { from: 'epoch', nanoseconds: BigInt(milliseconds) * 1_000_000n + fractionOf(fraction) };
}

/** The name of a PCI device as results have it, `bb:ss.f`; null: the text is none. */
export function deviceName(text: string): string | null {
  const match = BDF.exec(text.toLowerCase());
  return match === null ? null : `${match[1]}:${match[2]}.${match[3]}`;
}

function fractionOf(digits = ''): bigint {
  return BigInt(digits.padEnd(9, '0'));
}
