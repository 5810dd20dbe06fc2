import { hex } from '../../../base/address.ts';
import type { EventDeclaration } from '../../../events/catalogue/declaration.ts';
import { catalogue, type EventKind, eventNames } from '../../../events/catalogue/index.ts';
import { BatchCursor } from '../../../events/cursor.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { newLineReader } from '../../kernels.ts';
import { outcome } from '../../line-reader.ts';
import { argumentsOf, valuesAt } from './values.ts';

/** A placeholder of a shape; `index`: of the argument, or -1 for one that is not kept. */
interface Slot {
  readonly index: number;
  readonly form: string;
  readonly isWide: boolean;
  readonly width: number;
}

interface LogShape {
  readonly parts: readonly (string | Slot)[];
}

/** Digits with which QEMU prints the parts of a device's address. */
const WIDTHS: Readonly<Record<string, number>> = { bus: 2, slot: 2 };
const PLACEHOLDER = /\{(\w+):([^}]+)\}/;
/** What is printed for arguments that are not kept. */
const NOT_KEPT: Readonly<Record<string, string>> = { d: '0', x: '0', p: '(nil)', s: '-' };

/** Events as QEMU's log has them, by the values of their arguments. */
export class LogText {
  readonly #shapes = eventNames.map((_, kind) => shapesOf(kind));
  readonly #isSure = eventNames.map((_, kind) => isSure(kind));
  readonly #reader = newLineReader();
  readonly #writer = new BatchWriter();
  readonly #words = new Uint32Array(4096);

  /** Name and arguments; null where no text is read as these values. */
  of(kind: EventKind, values: readonly string[]): string | null {
    for (const { parts } of this.#shapes[kind] as readonly LogShape[]) {
      let text = `${eventNames[kind]} `;
      for (const part of parts) text += typeof part === 'string' ? part : printed(part, values);
      if (this.#isSure[kind] === true || this.#isReadAs(text, kind, values)) return text;
    }
    return null;
  }

  #isReadAs(text: string, kind: EventKind, values: readonly string[]): boolean {
    const bytes = Buffer.from(`${text}\n`);
    this.#writer.writeTo(this.#words);
    const found = this.#reader.readEvent(bytes, 0, this.#writer);
    const isWhole = found === outcome.event && this.#reader.next === bytes.length - 1;
    if (isWhole) this.#writer.commit(0, 0, 0, 0);
    const cursor = new BatchCursor(this.#writer.finish(bytes, 0, 1), 0);
    if (!isWhole || !cursor.next() || cursor.kind !== kind) return false;
    const read = valuesAt(cursor);
    return values.every((value, index) => value === read[index]);
  }
}

function shapesOf(kind: EventKind): readonly LogShape[] {
  const name = eventNames[kind] as (typeof eventNames)[number];
  const { shapes }: EventDeclaration = catalogue[name];
  const all = argumentsOf[kind] ?? [];
  return shapes.map(({ text }) => ({
    parts: text.split(/(\{\w+:[^}]+\})/).flatMap((part): readonly (string | Slot)[] => {
      const [, argument, form = ''] = PLACEHOLDER.exec(part) ?? [];
      if (argument === undefined) return part === '' ? [] : [part];
      const index = all.findIndex((known) => known.name === argument);
      const width = form === 'x' ? (WIDTHS[argument] ?? 0) : 0;
      return [{ index, form, isWide: all[index]?.type === 'u64', width }];
    }),
  }));
}

/** Whether an event has one shape, with nothing but numbers: there is no other way to read it. */
function isSure(kind: EventKind): boolean {
  const name = eventNames[kind] as (typeof eventNames)[number];
  const { args, shapes }: EventDeclaration = catalogue[name];
  const [only] = shapes;
  return (
    shapes.length === 1 &&
    only !== undefined &&
    only.sets === undefined &&
    Object.entries(args).every(
      ([argument, type]) => type !== 'text' && only.text.includes(`{${argument}:`),
    )
  );
}

function printed({ form, index, isWide, width }: Slot, values: readonly string[]): string {
  const value = values[index];
  if (value === undefined) return NOT_KEPT[form] ?? '';
  if (form === 'x') {
    const digits = isWide ? value.slice(2) : hex(Number(value)).slice(2);
    return digits.padStart(width, '0');
  }
  if (form === 'd') return isWide ? String(BigInt(value)) : value;
  return form === 'p' && value === '0x0' ? '(nil)' : value;
}
