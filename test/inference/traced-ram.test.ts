import { describe, expect, it } from 'vitest';
import { mayBeRom, TracedRam } from '../../src/inference/traced-ram.ts';

const GIB = 2 ** 18;
const FOUR_GIB = 4 * GIB;

describe('the RAM that a trace shows', () => {
  it('is that of its sections, whichever comes first', () => {
    const ram = new TracedRam();
    ram.addSection(FOUR_GIB, 8 * GIB - 1, 3);
    expect(ram.sizes).toBeNull();
    ram.addSection(0, 2 * GIB - 1, 4);
    expect(ram.sizes).toMatchObject({ totalPages: 6 * GIB, belowPages: 2 * GIB });
    expect([ram.source, ram.from]).toEqual([
      'derived',
      'RAM sections mapped up to line 4 (vfio_listener_region_add_ram)',
    ]);
  });

  it('beats nothing that the user says', () => {
    const ram = new TracedRam({ total: GIB, below: -1 });
    ram.addSection(0, 2 * GIB - 1, 4);
    expect(ram.sizes).toMatchObject({ totalPages: GIB, belowPages: GIB });
    expect(ram.from).toBe('--ram-size');
    expect(new TracedRam({ total: GIB, below: GIB }).from).toBe('--ram-size and --below-4g');
  });

  it('is, while nothing tells it, its own place below 4 GiB and nowhere above', () => {
    const ram = new TracedRam();
    expect(ram.ramPageOf(5, 9)).toBe(5);
    expect(ram.ramPage(FOUR_GIB)).toBeNaN();
    expect(ram.ramPageOf(5, FOUR_GIB)).toBeNaN();
    expect(ram.totalPages).toBe(Number.POSITIVE_INFINITY);
    expect(ram.mayBeOutside(GIB)).toBe(true);
    expect(ram.isOutside(GIB)).toBe(false);
  });

  it('has firmware beside it', () => {
    const ram = new TracedRam({ total: GIB, below: GIB });
    expect([ram.isOutside(GIB), ram.isOutside(GIB - 1), ram.isOutside(FOUR_GIB)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([ram.isInside(0, GIB - 1), ram.isInside(0, GIB)]).toEqual([true, false]);
    expect([mayBeRom(0xc0, 0xff), mayBeRom(0xbf, 0xff), mayBeRom(0xc0, 0x100)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
