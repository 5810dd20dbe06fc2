import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  ArgumentType,
  EventDeclaration,
  Shape,
} from '../../src/events/catalogue/declaration.ts';
import { catalogue, eventNames } from '../../src/events/catalogue/index.ts';
import { u64 } from '../helpers/arbitraries.ts';
import { decode } from '../helpers/decoded.ts';

const printed = eventNames.filter((name) => !name.includes(':'));
const PIECE = /\{(\w+):([^}]+)\}/g;

/** A value of an argument: as it is printed, and as it must be read. */
interface Value {
  readonly text: string;
  readonly read: number | string;
}

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const i32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const words = fc.stringMatching(/^[A-Za-z0-9:.-]{1,20}$/);

/** Values of a form; what is not kept is printed all the same. */
function valuesOf(form: string, type: ArgumentType | undefined): fc.Arbitrary<Value> {
  const hex = (value: bigint | number, upper: boolean) => {
    const digits = value.toString(16);
    return upper ? digits.toUpperCase() : digits;
  };
  switch (form) {
    case 'x':
      return type === 'u64' || type === undefined
        ? fc.tuple(u64, fc.boolean()).map(([value, upper]) => ({
            text: hex(value, upper),
            read: `0x${value.toString(16)}`,
          }))
        : fc
            .tuple(u32, fc.boolean())
            .map(([value, upper]) => ({ text: hex(value, upper), read: value }));
    case 'd':
      if (type === 'u64')
        return u64.map((value) => ({ text: `${value}`, read: `0x${value.toString(16)}` }));
      return (type === 'i32' ? i32 : u32).map((value) => ({ text: `${value}`, read: value }));
    case 'p':
      return fc.oneof(
        u64.map((value) => ({ text: `0x${value.toString(16)}`, read: `0x${value.toString(16)}` })),
        fc.constant({ text: '(nil)', read: '0x0' }),
      );
    case 'w':
      return fc.stringMatching(/^[a-z][a-z-]{0,20}$/).map((text) => ({ text, read: text }));
    case 's':
      return words.map((text) => ({ text, read: text }));
    default: {
      const choices = form.split('|');
      return fc.nat(choices.length - 1).map((read) => ({ text: choices[read] ?? '', read }));
    }
  }
}

/** Lines of a shape with what must be read from each. */
function linesOf(name: string, shape: Shape, args: EventDeclaration['args']) {
  const slots = [...shape.text.matchAll(PIECE)].map(([, argument = '', form = '']) => ({
    argument,
    values: valuesOf(form, args[argument]),
  }));
  return fc.tuple(...slots.map(({ values }) => values)).map((values) => {
    let next = 0;
    const text = shape.text.replaceAll(PIECE, () => values[next++]?.text ?? '');
    const zero = (type: ArgumentType) => (type === 'text' ? '' : type === 'u64' ? '0x0' : 0);
    const read: Record<string, number | string> = Object.fromEntries(
      Object.entries(args).map(([argument, type]) => [argument, zero(type)]),
    );
    for (const [index, { argument }] of slots.entries()) {
      if (argument in args) read[argument] = values[index]?.read ?? 0;
    }
    return { line: `${name} ${text}`, read: { ...read, ...shape.sets } };
  });
}

describe.each(printed)('%s', (name) => {
  const { args, shapes }: EventDeclaration = catalogue[name];

  it.each(shapes.map((shape) => [shape.text, shape] as const))(
    'is read from "%s"',
    async (_, shape) => {
      await fc.assert(
        fc.asyncProperty(linesOf(name, shape, args), async ({ line, read }) => {
          const { events } = await decode('qemu-log', `${line}\n`);
          expect(events.map((event) => [event.name, event.args])).toEqual([[name, read]]);
        }),
        { numRuns: 20 },
      );
    },
  );

  it('is not read from a line that ends within it', async () => {
    // The shortest: where a longer one is torn, what is left may be the whole of a shorter one.
    const [shape] = shapes.toSorted((one, other) => one.text.length - other.text.length);
    if (shape === undefined || /^[^{]*\{\w+:[sw]\}$|^$/.test(shape.text)) return;
    await fc.assert(
      fc.asyncProperty(linesOf(name, shape, args), fc.nat(1000), async ({ line }, cut) => {
        const last = line.lastIndexOf(' ');
        const torn = line.slice(0, 1 + (cut % last));
        const { events } = await decode('qemu-log', `${torn}\n`);
        expect(events.filter((event) => event.name === name)).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});
