import { describe, expect, it } from 'vitest';
import { decode } from '../../helpers/decoded.ts';

const systemTap = (text: string) => decode('systemtap', text);

const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff';

describe('a line of SystemTap', () => {
  it('names the process and the time in nanoseconds', async () => {
    const { events, foreignLines } = await systemTap(
      `7329@1795332947845867137 ${MAP}\n7330@0000000000 vtd_reset_exit\nPass 5: starting run.\n`,
    );
    expect(events).toMatchObject([
      {
        name: 'vfio_iommu_map_notify',
        args: { op: 1, start: '0x1000', end: '0x1fff' },
        time: '1795332947.845867137',
        thread: null,
        source: 'process 7329',
      },
      { name: 'vtd_reset_exit', time: '0.000000000', source: 'process 7330' },
    ]);
    expect(foreignLines).toBe(1);
  });

  it('is lost where its stamp is damaged', async () => {
    const { events } = await systemTap(`7329@179533294784586713x ${MAP}\n`);
    expect(events).toMatchObject([{ name: 'trace:loss' }]);
  });

  it.each([
    ['WARNING: Number of errors: 0, skipped probes: 27', 27],
    ['WARNING: There were 3 transport failures.', 3],
  ])('tells what is lost: %s', async (line, count) => {
    const { events } = await systemTap(`${line}\n`);
    expect(events).toMatchObject([
      { name: 'trace:loss', args: { kind: 0, count: `0x${count.toString(16)}` } },
    ]);
  });

  it('tells that nothing is lost', async () => {
    const { events } = await systemTap('WARNING: Number of errors: 1, skipped probes: 0\n');
    expect(events).toEqual([]);
  });
});
