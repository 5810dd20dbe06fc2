import { describe, expect, it } from 'vitest';
import { kindOf } from '../../src/events/catalogue/index.ts';
import { StatusWrites } from '../../src/inference/status-writes.ts';

const BASE = 0x11d_5000;
const WORDS = 256;
const PAGES = kindOf('vtd_inv_desc_iotlb_pages');

function written(writes: StatusWrites, address: number): boolean {
  return writes.wrote(address >>> 12, address);
}

/** A guest that counts like Linux: each submission has one descriptor, and then its wait. */
class Guest {
  readonly writes = new StatusWrites();
  #place = 0;

  /** `seen` of the `made` descriptors are in the log. */
  submit(made = 1, seen = made): boolean {
    this.#place = (this.#place + made + 1) % WORDS;
    for (let index = 0; index < seen; index += 1) this.writes.command(PAGES);
    return written(this.writes, BASE + this.#place * 4);
  }

  /** A submission of which no line is in the log. */
  lose(): void {
    this.#place = (this.#place + 2) % WORDS;
  }
}

/** One whose count has held for long, the end of the queue included. */
function established(): Guest {
  const guest = new Guest();
  for (let index = 0; index < 150; index += 1) expect(guest.submit()).toBe(false);
  return guest;
}

describe('what the status writes of the guest tell', () => {
  it('finds a submission that is missing, and believes the next one again', () => {
    const guest = established();
    guest.lose();
    expect(guest.submit()).toBe(true);
    expect(guest.submit()).toBe(false);
  });

  it('finds it across the end of the queue', () => {
    const guest = established();
    for (let index = 0; index < 104; index += 1) guest.submit();
    guest.lose();
    expect([0, 0, 0].map(() => guest.submit())).toContain(true);
  });

  it('lets a descriptor be that QEMU does not trace', () => {
    expect(established().submit(1, 0)).toBe(false);
  });

  it('counts several descriptors of one submission', () => {
    const guest = established();
    expect(guest.submit(16)).toBe(false);
    expect(guest.submit(16, 12)).toBe(true);
  });

  it('says nothing before the count has held for long', () => {
    const guest = new Guest();
    for (let index = 0; index < 20; index += 1) guest.submit();
    guest.lose();
    expect(guest.submit()).toBe(false);
  });

  it('says nothing of a guest that writes elsewhere, or always to the same place', () => {
    const writes = new StatusWrites();
    const places = [0x1000, 0x1000, 0x8000, 0x1000];
    for (let index = 0; index < 400; index += 1) {
      writes.command(PAGES);
      expect(written(writes, places[index % places.length] ?? 0)).toBe(false);
    }
  });

  it('forgets its place when the guest sets its IOMMU up again', () => {
    const guest = established();
    guest.writes.restart();
    guest.lose();
    expect(guest.submit()).toBe(false);
  });

  it('gives up where it is wrong too often', () => {
    const guest = established();
    const found = Array.from({ length: 40 }, () => guest.submit(3, 1));
    expect(found.filter(Boolean).length).toBeLessThan(15);
    expect(found.at(-1)).toBe(false);
  });
});
