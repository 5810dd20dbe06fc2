import { describe, expect, it } from 'vitest';
import { decode } from '../../helpers/decoded.ts';

const container = (text: string) => decode('container', text);

const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff';
const OUTER = '1795332947.845867123';
const INNER = '1795332940.000001000';

describe('a line', () => {
  it.each([
    ['of kubectl logs --timestamps', '2026-11-22T07:35:47.845867123Z ', OUTER, null],
    ['the same in local time', '2026-11-22T08:35:47.845867123+01:00 ', OUTER, null],
    ['of kubectl logs --prefix', '[pod/vm-a/compute] ', null, 'pod/vm-a/compute'],
    ['of both', '[pod/vm-a/compute] 2026-11-22T07:35:47.845867123Z ', OUTER, 'pod/vm-a/compute'],
    ['of docker compose', 'vm-a-1   | ', null, 'vm-a-1'],
    ['of docker compose -t', 'vm-a-1   | 2026-11-22T07:35:47.845867123Z ', OUTER, 'vm-a-1'],
  ])('%s', async (_, header, time, source) => {
    const event = { name: 'vfio_iommu_map_notify', args: { op: 1, start: '0x1000' } };
    const { events, foreignLines } = await container(
      `${header}${MAP}\n${header}2026-11-22T07:35:40.000001Z ${MAP}\r\n`,
    );
    expect(events).toMatchObject([
      { ...event, time, source },
      { ...event, time: INNER, source },
    ]);
    expect(foreignLines).toBe(0);
  });

  it('without a header is a loss where it names an event, and else foreign', async () => {
    const { events, foreignLines } = await container(`hello\n2026-11-22T07:35:40.000001Z ${MAP}\n`);
    expect(events).toMatchObject([{ name: 'trace:loss', line: 2 }]);
    expect(foreignLines).toBe(1);
  });
});
