import type { Conversion, DeclaredEvent } from '../../declared-events.ts';
import { LONGEST_TEXT } from './wire.ts';

/**
 * The event at the start of some arguments as QEMU's log would print it; what the format asks for and
 * is not there is left out.
 */
export function printed(
  name: string,
  format: DeclaredEvent['format'],
  view: DataView,
  isLittleEndian: boolean,
): string {
  let at = 0;
  const next = (conversion: Conversion): string => {
    if (conversion.form === 's') {
      if (at + 4 > view.byteLength) return '';
      const length = Math.min(view.getUint32(at, isLittleEndian), LONGEST_TEXT);
      at += 4 + length;
      const end = Math.min(view.byteLength, at);
      return Buffer.from(view.buffer, view.byteOffset, end).toString('utf8', at - length);
    }
    if (at + 8 > view.byteLength) return '';
    const value = view.getBigUint64(at, isLittleEndian);
    at += 8;
    return numberText(value, conversion);
  };
  return `${name} ${format.map((part) => (typeof part === 'string' ? part : next(part))).join('')}`;
}

function numberText(value: bigint, { form, width }: Conversion): string {
  if (form === 'd') return String(BigInt.asIntN(64, value));
  if (form === 'p') return value === 0n ? '(nil)' : `0x${value.toString(16)}`;
  return value.toString(16).padStart(width, '0');
}
