import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/engine/run.ts';
import { UnknownMessages } from '../../src/inference/unknown-messages.ts';
import { testFolder } from '../helpers/folder.ts';
import { render } from '../helpers/report-render.ts';

describe('lines of QEMU that no rule knows', () => {
  it('are one text where only numbers, addresses and devices differ', () => {
    const unknown = new UnknownMessages();
    unknown.take('qemu-kvm: 0000:01:00.0 lost 3 frames at 0x1f', 4);
    unknown.take('qemu-kvm: 0000:02:00.1 lost 12 frames at 0xffe0', 9);
    unknown.take('qemu-kvm: the end', 11);
    expect(unknown.count).toBe(3);
    expect(unknown.texts).toEqual([
      { text: 'qemu-kvm: 0000:01:00.0 lost 3 frames at 0x1f', line: 4, count: 2 },
      { text: 'qemu-kvm: the end', line: 11, count: 1 },
    ]);
  });

  it('are kept up to 20 texts, and counted beyond', () => {
    const unknown = new UnknownMessages();
    for (let index = 0; index < 50; index += 1) {
      unknown.take(`qemu-kvm: ${'x'.repeat(index + 1)}`, index + 1);
    }
    expect(unknown.count).toBe(50);
    expect(unknown.texts).toHaveLength(20);
  });

  it('stand in the result and in the reports, and change no verdict', async () => {
    const log = [
      'qemu-system-x86_64: vfio_container_dma_map(0x5, 0xfe000000, 0x1000, 0x7f) = -22 (Invalid argument)',
      'qemu-system-x86_64: the flux capacitor of unit 7 is empty <b>',
      'qemu-system-x86_64: the flux capacitor of unit 9 is empty <b>',
      '',
    ];
    const path = join(testFolder(), 'qemu.log');
    writeFileSync(path, log.join('\n'));
    const result = await run({ inputs: [path], jobs: 1 });
    const [session] = result.traces[0]?.sessions ?? [];
    expect(session?.unknownMessages).toEqual({
      count: 2,
      texts: [{ text: log[1], line: 2, count: 2 }],
    });
    const text = render('text', result, { verbosity: 1 }).replace(/\s+/g, ' ');
    expect(text).toContain(
      `LINES OF QEMU THAT NO RULE KNOWS 2 lines, 1 different text; they count for nothing here. 2: ${log[1]} (2 times)`,
    );
    expect(render('markdown', result)).toContain(`2: ${log[1]} (2 times)`);
    expect(render('html', result)).toContain('Lines of QEMU that no rule knows');
  });
});
