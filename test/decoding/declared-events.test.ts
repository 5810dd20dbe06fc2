import { expect, it } from 'vitest';
import { declaredEvents } from '../../src/decoding/declared-events.ts';

it('reads a line for each event', () => {
  const list = `# a comment
one(void) ""

disable two(const char *name, char * other, uint64_t size) "of %s and %s: 0x%"PRIx64" bytes"
vcpu three(int a, void *b, bool c) "%-4d at %p is %02x%%"
`;
  expect(declaredEvents(list)).toEqual([
    { name: 'one', isText: [], format: [] },
    {
      name: 'two',
      isText: [true, true, false],
      format: [
        'of ',
        { form: 's', width: 0 },
        ' and ',
        { form: 's', width: 0 },
        ': 0x',
        { form: 'x', width: 0 },
        ' bytes',
      ],
    },
    {
      name: 'three',
      isText: [false, false, false],
      format: [
        { form: 'd', width: 0 },
        ' at ',
        { form: 'p', width: 0 },
        ' is ',
        { form: 'x', width: 2 },
        '%%',
      ],
    },
  ]);
});

it.each(['', '# nothing\n', 'one(void) ""\nthis is a letter\n', '{"event": "one"}'])(
  'reads nothing else: %j',
  (text) => {
    expect(declaredEvents(text)).toBeNull();
  },
);
